//! How an address stands with the requests that go there: an address that fails again and again is passed over for a
//! while (`eject`), and let back in by a single request.
//!
//! What counts as a failure is the caller's to say. Nothing here locks, and time is handed in. Two requests that fail
//! at the same moment may count a little wrong; nothing worse comes of it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::config::Ejection;

/// The longest time that doubling leads to, unless the configuration begins with a longer one.
const LONGEST: Duration = Duration::from_secs(60);

/// The record of one address. Times are milliseconds since a moment that the caller chose.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Failures in a row.
    failures: AtomicU32,
    /// How often in a row it was passed over.
    times: AtomicU32,
    /// Until when it is passed over; zero for an address that is not.
    until: AtomicU64,
}

/// Whether a request may go to an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission {
    /// As every request may.
    Free,
    /// As the one request that tries whether the address is well again.
    Trial,
    /// It is passed over.
    Refused,
}

impl Standing {
    /// Whether a request may go there now. Once its time is over, one request may; the others wait for what becomes of
    /// it, or for another while, if nothing does.
    pub(super) fn admit(&self, now: u64, rule: &Ejection) -> Admission {
        let until = self.until.load(Relaxed);
        if until == 0 {
            return Admission::Free;
        }
        if now < until {
            return Admission::Refused;
        }
        let trial_ends = now.saturating_add(milliseconds(rule.hold)).max(1);
        match self.until.compare_exchange(until, trial_ends, Relaxed, Relaxed) {
            Ok(_) => Admission::Trial,
            Err(_) => Admission::Refused,
        }
    }

    /// Whether it is passed over, as an operator is told.
    pub(super) fn is_out(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// Takes note of an answer. True if the address was passed over until now.
    pub(super) fn answered(&self) -> bool {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.until.load(Relaxed) == 0 {
            return false;
        }
        self.times.store(0, Relaxed);
        self.until.swap(0, Relaxed) != 0
    }

    /// Takes note of a failure. Says for how long the address is passed over because of it, if it was not before.
    pub(super) fn failed(&self, now: u64, admission: Admission, rule: &Ejection) -> Option<Duration> {
        let failures = self.failures.load(Relaxed).saturating_add(1);
        self.failures.store(failures, Relaxed);
        if admission == Admission::Trial {
            let times = self.times.load(Relaxed).saturating_add(1);
            self.times.store(times, Relaxed);
            self.until.store(end(now, hold(rule, times)), Relaxed);
            return None;
        }
        // Whatever was under way while the address was shut out says nothing new.
        if failures < rule.after || self.until.compare_exchange(0, end(now, rule.hold), Relaxed, Relaxed).is_err() {
            return None;
        }
        Some(rule.hold)
    }
}

/// The first time, and twice as long after each trial that failed.
fn hold(rule: &Ejection, times: u32) -> Duration {
    let doubled = rule.hold.saturating_mul(1 << times.min(16));
    doubled.min(LONGEST.max(rule.hold))
}

fn end(now: u64, hold: Duration) -> u64 {
    now.saturating_add(milliseconds(hold)).max(1)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Ejection = Ejection { after: 3, hold: Duration::from_secs(5) };

    fn out_at(now: u64) -> Standing {
        let standing = Standing::default();
        for _ in 0..2 {
            assert_eq!(standing.failed(now, Admission::Free, &RULE), None);
        }
        assert_eq!(standing.failed(now, Admission::Free, &RULE), Some(RULE.hold));
        standing
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let standing = Standing::default();
        for _ in 0..10 {
            standing.failed(0, Admission::Free, &RULE);
            standing.failed(0, Admission::Free, &RULE);
            assert!(!standing.answered());
        }
        assert_eq!(standing.admit(0, &RULE), Admission::Free);
    }

    #[test]
    fn it_is_passed_over_for_a_while_and_then_tried_by_one_request() {
        let standing = out_at(0);
        assert_eq!(standing.admit(4_999, &RULE), Admission::Refused);
        assert_eq!(standing.admit(5_000, &RULE), Admission::Trial);
        assert_eq!(standing.admit(5_000, &RULE), Admission::Refused, "one is enough");
        assert!(standing.answered());
        assert_eq!(standing.admit(5_001, &RULE), Admission::Free);
        assert!(!standing.is_out());
    }

    #[test]
    fn a_trial_that_comes_to_nothing_makes_room_for_another() {
        let standing = out_at(0);
        assert_eq!(standing.admit(5_000, &RULE), Admission::Trial);
        assert_eq!(standing.admit(9_999, &RULE), Admission::Refused);
        assert_eq!(standing.admit(10_000, &RULE), Admission::Trial);
    }

    #[test]
    fn each_failed_trial_doubles_the_time_up_to_a_minute() {
        let standing = out_at(0);
        let mut now = 5_000;
        for hold in [10_000, 20_000, 40_000, 60_000, 60_000] {
            assert_eq!(standing.admit(now, &RULE), Admission::Trial);
            assert_eq!(standing.failed(now, Admission::Trial, &RULE), None, "it is told once");
            assert_eq!(standing.admit(now + hold - 1, &RULE), Admission::Refused);
            now += hold;
        }
    }

    #[test]
    fn what_was_under_way_does_not_lengthen_it() {
        let standing = out_at(0);
        for _ in 0..9 {
            assert_eq!(standing.failed(1_000, Admission::Free, &RULE), None);
        }
        assert_eq!(standing.admit(5_000, &RULE), Admission::Trial);
    }
}
