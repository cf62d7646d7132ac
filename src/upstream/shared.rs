//! What all pools share, and every reload takes over: names, checks, and certificates that were taken apart.
//!
//! Whoever makes the pools of a configuration hands in those of the one before; they bring this along, so there is no
//! global. What no pool holds any more ends by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::UpstreamPool;
use super::health::Checks;
use super::kept::AllKept;
use super::names::Names;
use super::trust::Trusts;

/// How long a start or a reload waits for names; what is not known by then is resolved in the background.
const RESOLVE_AT_ONCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) names: Arc<Names>,
    pub(super) checks: Checks,
    pub(super) trusts: Trusts,
    pub(super) kept: Arc<AllKept>,
    epoch: Instant,
}

impl Default for Shared {
    fn default() -> Self {
        let epoch = Instant::now();
        Self {
            names: Arc::default(),
            checks: Checks::default(),
            trusts: Trusts::default(),
            kept: Arc::default(),
            epoch,
        }
    }
}

impl Shared {
    /// A moment as the records of addresses count it.
    pub(super) fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Makes the pools of one configuration ready for requests: every new name has been asked for, or 2 s have passed. From
/// now on names are resolved again and health is checked, for as long as somebody holds the pools. Call it on a tokio
/// runtime, before the pools are used. From then on also the connections that are kept are looked after.
pub async fn ready(pools: &[Arc<UpstreamPool>]) {
    let Some(shared) = pools.first().map(|pool| &pool.shared) else {
        return;
    };
    // On another task: a name that takes longer than we wait is still found.
    let names = Arc::clone(&shared.names);
    let asking = tokio::spawn(async move { names.ask_new().await });
    let _ = timeout(RESOLVE_AT_ONCE, asking).await;
    shared.names.keep_fresh();
    shared.checks.start();
    shared.kept.look_after();
}
