//! When a key set is read again: pure arithmetic, which the keyring's clock drives.
//!
//! Three answers: how long a document is used before the next read, how long a failed read waits for the next try, and
//! whether an unknown `kid` may cause a read now.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::config::TrustedIssuer;

/// The shortest and the longest use of a document, whatever its `max-age` says.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The first and the longest wait after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// How long a document is used before it is read again.
///
/// `max-age` counts between a minute and a day, and `refresh` caps it, also below a minute. A set is read twice before
/// it would be too stale to serve, so that a short `max_stale` never ends the keys of an issuer that answers.
pub(super) fn interval(max_age: Option<Duration>, issuer: &TrustedIssuer) -> Duration {
    let asked = max_age.unwrap_or(issuer.refresh).clamp(SHORTEST, LONGEST);
    asked.min(issuer.refresh).min((issuer.max_stale / 2).max(FIRST_RETRY))
}

/// How long to wait after so many failures in a row: a second, doubled each time, a minute at most and never longer
/// than a good document would be used.
pub(super) fn retry_after(failures: u32, interval: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST_RETRY * (1 << doublings)).min(LAST_RETRY).min(interval)
}

/// A pause shortened by up to a tenth, so that many gateways do not ask one issuer at the same moment.
///
/// `roll` is any number, evenly spread. Never longer, because `refresh` is the longest that a withdrawn key lives.
pub(super) fn jittered(pause: Duration, roll: u8) -> Duration {
    pause - pause / 10 * u32::from(roll) / 255
}

/// When an unknown `kid` last caused a read, on both clocks.
///
/// The monotonic one decides. The wall clock is for those who must not look at a clock themselves and bring `now`
/// along: its whole seconds say yes at most a second early, and never late.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastRefetch {
    instant: Instant,
    second: Timestamp,
}

impl LastRefetch {
    pub(super) fn at(instant: Instant, second: Timestamp) -> Self {
        Self { instant, second }
    }

    /// Whether the next one may start.
    pub(super) fn allows(self, now: Instant, refetch_after: Duration) -> bool {
        now.saturating_duration_since(self.instant) >= refetch_after
    }

    /// Whether the next one may well start; a wall clock that was set back says yes.
    pub(super) fn may_allow(self, now: Timestamp, refetch_after: Duration) -> bool {
        now.0.checked_sub(self.second.0).is_none_or(|passed| passed >= refetch_after.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::keys::site::trusted;

    const MINUTE: Duration = Duration::from_secs(60);

    fn interval_of(max_age: Option<u64>, refresh: Duration) -> Duration {
        let mut issuer = trusted("https://login.example.com");
        issuer.refresh = refresh;
        interval(max_age.map(Duration::from_secs), &issuer)
    }

    #[test]
    fn max_age_counts_between_a_minute_and_refresh() {
        assert_eq!(interval_of(None, 10 * MINUTE), 10 * MINUTE);
        assert_eq!(interval_of(Some(300), 10 * MINUTE), 5 * MINUTE);
        assert_eq!(interval_of(Some(0), 10 * MINUTE), MINUTE);
        assert_eq!(interval_of(Some(59), 10 * MINUTE), MINUTE);
        assert_eq!(interval_of(Some(u64::MAX), 10 * MINUTE), 10 * MINUTE);
    }

    #[test]
    fn no_document_is_used_longer_than_a_day() {
        let mut issuer = trusted("https://login.example.com");
        (issuer.refresh, issuer.max_stale) = (LONGEST * 30, LONGEST * 90);
        assert_eq!(interval(Some(Duration::MAX), &issuer), LONGEST);
        assert_eq!(interval(None, &issuer), LONGEST);
    }

    #[test]
    fn a_refresh_below_a_minute_wins() {
        assert_eq!(interval_of(None, MINUTE / 60), MINUTE / 60);
        assert_eq!(interval_of(Some(3600), MINUTE / 60), MINUTE / 60);
        assert_eq!(interval_of(Some(0), MINUTE / 60), MINUTE / 60);
    }

    #[test]
    fn keys_are_read_again_before_they_are_too_stale() {
        let mut issuer = trusted("https://login.example.com");
        issuer.max_stale = 4 * MINUTE;
        assert_eq!(interval(None, &issuer), 2 * MINUTE);
        issuer.max_stale = Duration::ZERO;
        assert_eq!(interval(None, &issuer), FIRST_RETRY);
    }

    #[test]
    fn failures_wait_longer_each_time_up_to_a_minute() {
        let waits: Vec<u64> = (1..=8).map(|failures| retry_after(failures, 10 * MINUTE).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry_after(u32::MAX, 10 * MINUTE), MINUTE);
        assert_eq!(retry_after(8, MINUTE / 600), MINUTE / 600);
    }

    #[test]
    fn jitter_only_shortens() {
        assert_eq!(jittered(MINUTE, 0), MINUTE);
        assert_eq!(jittered(MINUTE, 255), MINUTE * 9 / 10);
    }

    #[test]
    fn the_next_refetch_waits_for_its_time() {
        let (start, second) = (Instant::now(), Timestamp(1_000));
        let last = LastRefetch::at(start, second);
        let window = Duration::from_secs(30);
        assert!(!last.allows(start, window) && !last.allows(start + window - Duration::from_millis(1), window));
        assert!(last.allows(start + window, window));
        assert!(!last.may_allow(Timestamp(1_029), window) && last.may_allow(Timestamp(1_030), window));
        assert!(last.may_allow(Timestamp(999), window));
    }
}
