//! When an exchange ends although neither side has ended it: a tunnel at its age, a stream whose resource is no more.
//!
//! Pingora runs an exchange as one future, which [`Served`] holds: to end an exchange is to drop that future. Over
//! HTTP/1 the connection goes with it; over HTTP/2 the stream is reset, and the others on its connection go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use tokio::sync::Notify;
use tokio::task_local;
use tokio::time::{Instant, sleep_until};

use super::proxy::Proxy;
use crate::config::{Limits, OnRemoval};
use crate::snapshot::{Current, Snapshot};

task_local! {
    /// The ending of the exchange that this task serves.
    static OWN: Arc<Ending>;
}

/// When an exchange ends at the latest. Its resource may bring that forward by going.
#[derive(Debug, Default)]
pub(super) struct Ending {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    resource: Option<(Arc<str>, OnRemoval)>,
    at: Option<Instant>,
    is_removed: bool,
}

impl Ending {
    /// The ending of the exchange that is being served here; one that never comes outside of any.
    pub(super) fn own() -> Arc<Self> {
        OWN.try_with(Arc::clone).unwrap_or_default()
    }

    /// The exchange ends then, if not before.
    pub(super) fn no_later_than(&self, instant: Instant) {
        let mut state = self.state();
        state.at = Some(state.at.map_or(instant, |at| at.min(instant)));
        drop(state);
        self.changed.notify_one();
    }

    /// The exchange lives on this resource; `on_removal` is what it says about its end.
    pub(super) fn depends_on(&self, resource: &Arc<str>, on_removal: OnRemoval) {
        self.state().resource = Some((Arc::clone(resource), on_removal));
    }

    /// Looks whether the resource is still there.
    pub(super) fn reconsider(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        let Some((key, on_removal)) = &state.resource else { return };
        if snapshot.resource(key).is_some() || state.is_removed {
            return;
        }
        let grace = match on_removal {
            OnRemoval::Close => Duration::ZERO,
            OnRemoval::Drain => snapshot.config.limits.tunnel_age,
        };
        state.is_removed = true;
        drop(state);
        self.no_later_than(Instant::now() + grace);
    }

    /// Why the exchange was ended; nothing if it was not.
    pub(super) fn cause(&self) -> Option<&'static str> {
        let state = self.state();
        let is_over = state.at.is_some_and(|at| at <= Instant::now());
        match (is_over, state.is_removed) {
            (true, true) => Some("the resource was removed"),
            (true, false) => Some("the tunnel reached its age"),
            (false, _) => None,
        }
    }

    /// Resolves when the exchange's time is up.
    async fn comes(&self) {
        loop {
            let changed = self.changed.notified();
            let at = self.state().at;
            match at {
                None => changed.await,
                Some(at) => {
                    tokio::select! {
                        () = sleep_until(at) => return,
                        () = changed => {}
                    }
                }
            }
        }
    }

    /// The lock; what it guards is whole after each statement.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy for one connection: its exchanges end when their time is up, and its bounds are those of the configuration
/// that was current when it came.
pub(super) struct Served {
    proxy: Arc<HttpProxy<Proxy>>,
    current: Arc<Current>,
    options: HttpServerOptions,
    header_bytes: usize,
}

impl Served {
    pub(super) fn new(proxy: Arc<HttpProxy<Proxy>>, current: Arc<Current>, limits: &Limits) -> Self {
        let mut options = Self::options();
        options.h2_idle_timeout = Some(limits.idle_timeout);
        Self { proxy, current, options, header_bytes: limits.header_bytes }
    }

    /// What no configuration changes; the proxy itself asks for it, too.
    pub(super) fn options() -> HttpServerOptions {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.allow_connect_method_proxying = true; // so that our refusal is the one that is sent
        options
    }
}

#[async_trait]
impl HttpServerApp for Served {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let ending = Arc::new(Ending::default());
        let mut replacements = self.current.replacements();
        let exchange = OWN.scope(Arc::clone(&ending), self.proxy.process_new_http(session, shutdown));
        tokio::pin!(exchange);
        loop {
            tokio::select! {
                biased;
                reused = &mut exchange => return reused,
                () = ending.comes() => return None,
                // The sender lives as long as `self`.
                _ = replacements.changed() => ending.reconsider(&self.current.load()),
            }
        }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        // Above our own limit, so that our refusal is the one that is sent; a library counts 32 bytes more a field.
        options.max_header_list_size(u32::try_from(self.header_bytes.saturating_mul(2)).unwrap_or(u32::MAX));
        Some(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_end_counts() {
        let ending = Arc::new(Ending::default());
        let begun = Instant::now();
        ending.no_later_than(begun + Duration::from_secs(60));
        let waiting = tokio::spawn({
            let ending = Arc::clone(&ending);
            async move { ending.comes().await }
        });
        tokio::task::yield_now().await;
        ending.no_later_than(begun + Duration::from_secs(20));
        ending.no_later_than(begun + Duration::from_secs(40));
        waiting.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 20);
        assert_eq!(ending.cause(), Some("the tunnel reached its age"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_that_was_told_nothing_goes_on() {
        let ending = Ending::default();
        let day = Duration::from_secs(86400);
        assert!(tokio::time::timeout(day, ending.comes()).await.is_err());
        assert_eq!(ending.cause(), None);
    }
}
