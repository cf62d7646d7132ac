//! When an exchange ends although neither side has ended it: a tunnel at its age, a stream whose resource is no more.
//!
//! Pingora runs an exchange as one future, which [`Served`] holds: to end an exchange is to drop that future. Over
//! HTTP/1 the connection goes with it; over HTTP/2 the stream is reset, and the others on its connection go on.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use slab::Slab;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};

use super::proxy::Proxy;
use crate::config::{Limits, OnRemoval};
use crate::snapshot::Snapshot;

task_local! {
    /// The ending of the exchange that this task serves.
    static OWN: Arc<Ending>;
}

/// When an exchange ends at the latest. Its resource may bring that forward by going.
#[derive(Debug, Default)]
pub(super) struct Ending(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    resource: Option<(Arc<str>, OnRemoval)>,
    at: Option<Instant>,
    is_removed: bool,
    waiting: Option<Waker>,
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
        let waiting = state.waiting.take();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
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
            (true, false) => Some("the tunnel reached its age, or its token's end"),
            (false, _) => None,
        }
    }

    /// Ready once the time is up. Cheap while nobody has said when that is; `alarm` is kept between calls.
    fn poll_comes(&self, context: &mut Context<'_>, alarm: &mut Option<Pin<Box<Sleep>>>) -> Poll<()> {
        let mut state = self.state();
        if !state.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(context.waker())) {
            state.waiting = Some(context.waker().clone());
        }
        let Some(at) = state.at else { return Poll::Pending };
        drop(state);
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        alarm.as_mut().poll(context)
    }

    /// The lock; what it guards is whole after each statement.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The endings of all exchanges that depend on a resource, so that a reload can tell them. In parts, so that requests
/// seldom wait for each other.
#[derive(Debug, Default)]
pub(super) struct Endings([Mutex<Slab<Arc<Ending>>>; 16]);

/// Where an ending is kept while its exchange depends on a resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    part: usize,
    key: usize,
}

impl Endings {
    /// The exchange lives on this resource from now on; `on_removal` is what it says about its end. Whoever calls this once
    /// says when it [`is_over`](Self::is_over).
    pub(super) fn depends_on(&self, ending: &Arc<Ending>, resource: &Arc<str>, on_removal: OnRemoval) -> Kept {
        ending.state().resource = Some((Arc::clone(resource), on_removal));
        // The lowest bits of an address are always zero.
        let part = (Arc::as_ptr(ending) as usize >> 7) % self.0.len();
        Kept { part, key: self.part(part).insert(Arc::clone(ending)) }
    }

    /// The exchange is over.
    pub(super) fn is_over(&self, Kept { part, key }: Kept) {
        self.part(part).try_remove(key);
    }

    /// Tells every exchange that there is another configuration.
    pub(super) fn reconsider(&self, snapshot: &Snapshot) {
        for part in 0..self.0.len() {
            let endings: Vec<_> = self.part(part).iter().map(|(_, ending)| Arc::clone(ending)).collect();
            endings.iter().for_each(|ending| ending.reconsider(snapshot));
        }
    }

    fn part(&self, part: usize) -> MutexGuard<'_, Slab<Arc<Ending>>> {
        self.0[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy for one connection: its exchanges end when their time is up, and its bounds are those of the configuration
/// that was current when it came.
pub(super) struct Served {
    proxy: Arc<HttpProxy<Proxy>>,
    options: HttpServerOptions,
    header_bytes: usize,
}

impl Served {
    pub(super) fn new(proxy: Arc<HttpProxy<Proxy>>, limits: &Limits) -> Self {
        let mut options = Self::options();
        options.h2_idle_timeout = Some(limits.idle_timeout);
        Self { proxy, options, header_bytes: limits.header_bytes }
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
        let mut exchange = pin!(OWN.scope(Arc::clone(&ending), self.proxy.process_new_http(session, shutdown)));
        let mut alarm = None;
        poll_fn(|context| match exchange.as_mut().poll(context) {
            Poll::Ready(reused) => Poll::Ready(reused),
            Poll::Pending => ending.poll_comes(context, &mut alarm).map(|()| None),
        })
        .await
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

    async fn comes(ending: &Ending) {
        let mut alarm = None;
        poll_fn(|context| ending.poll_comes(context, &mut alarm)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_end_counts() {
        let ending = Arc::new(Ending::default());
        let begun = Instant::now();
        let waiting = tokio::spawn({
            let ending = Arc::clone(&ending);
            async move { comes(&ending).await }
        });
        for seconds in [60, 20, 40] {
            tokio::task::yield_now().await;
            ending.no_later_than(begun + Duration::from_secs(seconds));
        }
        waiting.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 20);
        assert_eq!(ending.cause(), Some("the tunnel reached its age, or its token's end"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_that_was_told_nothing_goes_on() {
        let ending = Ending::default();
        let day = Duration::from_secs(86400);
        assert!(tokio::time::timeout(day, comes(&ending)).await.is_err());
        assert_eq!(ending.cause(), None);
    }

    #[test]
    fn what_is_over_is_kept_no_longer() {
        let (endings, resource) = (Endings::default(), Arc::from("https://api.example"));
        let all: Vec<_> = (0..100).map(|_| Arc::new(Ending::default())).collect();
        let kept = all.iter().map(|ending| endings.depends_on(ending, &resource, OnRemoval::Close));
        let kept: Vec<Kept> = kept.collect();
        kept.into_iter().for_each(|kept| endings.is_over(kept));
        assert!(all.iter().all(|ending| Arc::strong_count(ending) == 1));
    }
}
