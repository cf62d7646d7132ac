//! Where a resource's requests go: addresses that are kept fresh in the background, and peers made from them.
//!
//! Servers take turns. One that fails its health check, or at which requests failed again and again, is passed over
//! while there is another; when there is none, all are tried. No name is ever resolved inside a request: Pingora would
//! do it on the request's thread, and panics where a name is unknown. Verification cannot be turned off: the name that
//! a server must prove is always said (Pingora takes an empty one for "do not verify").

use std::cell::LazyCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use http::HeaderValue;
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::HttpPeer;
use smallvec::SmallVec;

use crate::config::{Config, Ejection, Resource, Retry, UpstreamProtocol};

mod addresses;
mod ejection;
mod health;
mod kept;
mod names;
mod roots;
mod server;
mod shared;
mod trust;

pub use kept::{MOST as MOST_KEPT, ServerConnection};
pub use roots::RootsError;
pub use shared::ready;

use ejection::Admission;
use server::{Endpoint, Server};
use shared::Shared;
use trust::TrustedCas;

/// The upstream of one resource: one or several servers that can do the same.
#[derive(Debug)]
pub struct UpstreamPool {
    resource: Arc<str>,
    /// Equal where everything about it is.
    identity: u64,
    servers: Vec<Arc<Server>>,
    protocol: UpstreamProtocol,
    connect_timeout: Duration,
    read_timeout: Duration,
    idle_timeout: Duration,
    retry: Retry,
    eject: Option<Ejection>,
    /// Which connections may be shared: never those of two resources, nor of two trusts or protocols.
    group_key: u64,
    turn: AtomicUsize,
    shared: Arc<Shared>,
}

/// A server's address that a request may go to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The `Host` that the server expects: the URL's authority.
    pub authority: HeaderValue,
    /// What [`UpstreamPool::answered`] and [`UpstreamPool::failed`] want to know.
    pub attempt: Attempt,
}

/// A request that goes to one address.
#[derive(Clone, Debug)]
pub struct Attempt {
    server: Arc<Server>,
    endpoint: Arc<Endpoint>,
    admission: Admission,
}

/// The addresses that a request has tried without success.
#[derive(Clone, Debug, Default)]
pub struct Tried(SmallVec<[SocketAddr; 2]>);

impl Tried {
    /// Makes the last address one that may be tried again: not the server failed, but a connection that was kept too
    /// long.
    pub fn forgive_last(&mut self) {
        self.0.pop();
    }
}

/// How one server of a pool stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerStatus {
    /// Its host and port.
    pub server: String,
    /// Whether at least one of its addresses takes requests: it passes the health check and is not passed over.
    pub healthy: bool,
}

impl UpstreamPool {
    fn new(
        resource: &Resource,
        cas: &TrustedCas<'_>,
        shared: &Arc<Shared>,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, RootsError> {
        let upstream = &resource.upstream;
        let trust = shared.trusts.trust(cas, upstream.tls.as_ref())?;
        let key = resource.key.as_str();
        let name = upstream.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        let said = (&upstream.health_check, &upstream.eject, upstream.retry, name);
        let times = (upstream.connect_timeout, upstream.read_timeout, upstream.idle_timeout);
        let identity = shared.trusts.number((key, &upstream.urls, upstream.protocol, said, times, trust.identity));
        if let Some(same) = before.filter(|pool| pool.identity == identity) {
            return Ok(Arc::clone(same));
        }
        let old = before.map(|pool| pool.servers.as_slice()).unwrap_or_default();
        let servers = upstream.urls.iter().filter_map(|url| {
            let fresh = Server::new(url, upstream, &trust, shared)?;
            let same = old.iter().find(|server| server.identity == fresh.identity);
            Some(same.cloned().unwrap_or_else(|| Arc::new(fresh)))
        });
        Ok(Arc::new(Self {
            resource: before.map_or_else(|| Arc::from(key), |pool| Arc::clone(&pool.resource)),
            identity,
            servers: servers.collect(),
            protocol: upstream.protocol,
            connect_timeout: upstream.connect_timeout,
            read_timeout: upstream.read_timeout,
            idle_timeout: upstream.idle_timeout,
            retry: upstream.retry,
            eject: upstream.eject,
            group_key: shared.trusts.number((key, upstream.protocol, trust.identity)),
            turn: AtomicUsize::new(0),
            shared: Arc::clone(shared),
        }))
    }

    /// The pools of a configuration, by resource; call [`ready`] before they are used. What is unchanged since `before`
    /// is taken over as it is: a pool with its connections, or a server with what is known of its health.
    ///
    /// # Errors
    ///
    /// [`RootsError`] if `trusted_cas` or an upstream's `tls` holds no certificates that could be used.
    pub fn of(config: &Config, before: &[Arc<Self>]) -> Result<Vec<Arc<Self>>, RootsError> {
        let shared = before.first().map(|pool| Arc::clone(&pool.shared)).unwrap_or_default();
        // Resources mostly stay where they are, and then nothing has to be looked up.
        let elsewhere: LazyCell<HashMap<&str, &Arc<Self>>, _> =
            LazyCell::new(|| before.iter().map(|pool| (&*pool.resource, pool)).collect());
        let cas = shared.trusts.trusted_cas(config.trusted_cas.as_deref());
        let pool = |(at, resource): (usize, &Resource)| {
            let key = resource.key.as_str();
            let here = before.get(at).filter(|pool| &*pool.resource == key);
            Self::new(resource, &cas, &shared, here.or_else(|| elsewhere.get(key).copied()))
        };
        config.resources.iter().enumerate().map(pool).collect()
    }

    /// The resource's key, as logs and metrics show it.
    pub fn resource(&self) -> &Arc<str> {
        &self.resource
    }

    /// The protocol spoken there.
    pub fn protocol(&self) -> UpstreamProtocol {
        self.protocol
    }

    /// How long the upstream may be silent.
    pub fn read_timeout(&self) -> Duration {
        self.read_timeout
    }

    /// Which requests are sent again when a server breaks off.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// How each server stands; nothing for a single server that nobody checks, of which nothing is known.
    pub fn status(&self) -> impl Iterator<Item = ServerStatus> + '_ {
        let is_known = self.servers.len() > 1 || self.servers.iter().any(|server| server.check.is_some());
        self.servers.iter().filter(move |_| is_known).map(|server| {
            let endpoints = server.endpoints();
            let fit = |endpoint: &Arc<Endpoint>| endpoint.is_healthy() && !endpoint.standing.is_out();
            ServerStatus { server: server.name.clone(), healthy: endpoints.all.iter().any(fit) }
        })
    }

    /// The next address in turn that this request has not tried, and that is not passed over if there is one; nothing
    /// when no address is known, or all were tried.
    pub fn next(&self, tried: &mut Tried, now: Instant) -> Option<Destination> {
        let now = self.shared.milliseconds(now);
        // A further try takes no turn, or every request would begin at the server that fails.
        let turn = match tried.0.is_empty() {
            true => self.turn.fetch_add(1, Ordering::Relaxed),
            false => self.turn.load(Ordering::Relaxed),
        };
        let count = self.servers.len();
        // Where no address takes requests, one whose check succeeds comes before one whose check fails.
        let mut last_resort: Option<(bool, Attempt)> = None;
        for offset in 0..count {
            let server = &self.servers[turn.wrapping_add(offset) % count];
            let endpoints = server.endpoints();
            let known = endpoints.all.len();
            for step in 0..known {
                let endpoint = &endpoints.all[(turn / count).wrapping_add(step) % known];
                if tried.0.contains(&endpoint.address) {
                    continue;
                }
                let admission = match &self.eject {
                    _ if !endpoint.is_healthy() => Admission::Refused,
                    Some(rule) => endpoint.standing.admit(now, rule),
                    None => Admission::Free,
                };
                let attempt = || Attempt { server: Arc::clone(server), endpoint: Arc::clone(endpoint), admission };
                if admission != Admission::Refused {
                    return Some(self.destination(attempt(), tried));
                }
                let is_healthy = endpoint.is_healthy();
                if last_resort.as_ref().is_none_or(|(was_healthy, _)| is_healthy && !was_healthy) {
                    last_resort = Some((is_healthy, attempt()));
                }
            }
        }
        last_resort.map(|(_, attempt)| self.destination(attempt, tried))
    }

    /// Takes note that a server has begun to answer.
    pub fn answered(&self, attempt: &Attempt) {
        if attempt.endpoint.standing.answered() {
            let (resource, server, address) = self.named(attempt);
            tracing::info!(resource, server, %address, "an upstream's address takes requests again");
        }
    }

    /// Takes note that a server could not be reached, or broke off before it answered. An address at which that happens
    /// again and again is passed over, unless it is the only one.
    pub fn failed(&self, attempt: &Attempt, now: Instant) {
        let Some(rule) = &self.eject else {
            return;
        };
        let others = self.servers.iter().map(|server| server.endpoints().all.len()).sum::<usize>();
        if others < 2 {
            return;
        }
        let now = self.shared.milliseconds(now);
        if let Some(hold) = attempt.endpoint.standing.failed(now, attempt.admission, rule) {
            let (resource, server, address) = self.named(attempt);
            let milliseconds = hold.as_millis();
            tracing::warn!(resource, server, %address, milliseconds, "an upstream's address fails and is passed over");
        }
    }

    fn named<'a>(&'a self, attempt: &'a Attempt) -> (&'a str, &'a str, SocketAddr) {
        (&self.resource, &attempt.server.name, attempt.endpoint.address)
    }

    /// What to connect to for an attempt, with every bound set.
    pub fn peer(&self, attempt: &Attempt) -> HttpPeer {
        let mut peer = attempt.server.manner.peer(attempt.endpoint.address);
        peer.group_key = self.group_key;
        peer.options.connection_timeout = Some(self.connect_timeout);
        peer.options.total_connection_timeout = Some(self.connect_timeout);
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(self.read_timeout);
        peer.options.idle_timeout = Some(self.idle_timeout);
        peer.options.tcp_keepalive = Some(TcpKeepalive {
            idle: Duration::from_secs(30),
            interval: Duration::from_secs(10),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::ZERO,
        });
        peer
    }

    /// A connection that was kept at the address of an attempt.
    pub fn take_kept(&self, attempt: &Attempt, now: Instant) -> Option<ServerConnection> {
        attempt.endpoint.kept.take(now)
    }

    /// Keeps a connection to the address of an attempt, over which a whole HTTP/1 answer has come, and nothing behind it so far.
    pub fn keep(&self, attempt: &Attempt, connection: ServerConnection, now: Instant) {
        attempt.endpoint.kept.keep(connection, now, self.idle_timeout, &self.shared.kept);
    }

    fn destination(&self, attempt: Attempt, tried: &mut Tried) -> Destination {
        tried.0.push(attempt.endpoint.address);
        Destination { authority: attempt.server.authority.clone(), attempt }
    }
}

/// About a period: what begins at the same moment should not go on so.
fn spread(period: Duration) -> Duration {
    period.mul_f64(0.9) + up_to(period.mul_f64(0.2))
}

/// Some time between none and all of it.
fn up_to(period: Duration) -> Duration {
    let mut bytes = [0; 2];
    // Without randomness the tasks go in step, and nothing worse.
    let _ = rand::fill(&mut bytes);
    period.mul_f64(f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests;
