//! Whether requests should be sent to this gateway.

use std::sync::atomic::{AtomicU8, Ordering};

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Starting, ready or draining, in this order and never back.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Every issuer's keys have been tried, or have had their time.
    pub fn started(&self) {
        self.0.fetch_max(READY, Ordering::AcqRel);
    }

    /// No request should come here any more.
    pub fn draining(&self) {
        self.0.fetch_max(DRAINING, Ordering::AcqRel);
    }

    /// Whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }

    /// The state in a word.
    pub fn as_str(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            STARTING => "starting",
            READY => "ready",
            _ => "draining",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drains_is_never_ready_again() {
        let readiness = Readiness::default();
        assert_eq!((readiness.is_ready(), readiness.as_str()), (false, "starting"));
        readiness.started();
        assert_eq!((readiness.is_ready(), readiness.as_str()), (true, "ready"));
        readiness.draining();
        readiness.started();
        assert_eq!((readiness.is_ready(), readiness.as_str()), (false, "draining"));
    }
}
