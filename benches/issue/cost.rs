//! What a token costs: the CPU time of a process while so many requests are sent.

use std::time::Duration;

use crate::process::Measured;

/// How long one turn may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

impl Measured {
    /// The CPU time per request, in microseconds.
    pub async fn cost(&self, requests: usize, sent: impl Future<Output = ()>) -> f64 {
        let before = self.cpu_time();
        tokio::time::timeout(PATIENCE, sent).await.expect("the load ends");
        self.cpu_time().since(&before) / requests as f64 * 1e6
    }
}
