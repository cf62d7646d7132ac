//! Where a resource's requests go: addresses that are kept fresh in the background, and peers made from them.
//!
//! No name is ever resolved inside a request: Pingora would do it on the request's thread, and panics where a name is
//! unknown. Verification cannot be turned off: the name that a server must prove is always the URL's host (Pingora
//! takes an empty one for "do not verify").

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::HttpPeer;
use smallvec::SmallVec;
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};
use url::{Host, Url};

use crate::config::{Config, Resource, UpstreamProtocol};

mod health;
mod roots;

pub use roots::{RootsError, TrustedRoots};

/// How often names are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection to an upstream is kept.
const IDLE: Duration = Duration::from_secs(60);
/// How many requests share one HTTP/2 connection; Pingora's default is one.
const HTTP2_STREAMS: usize = 100;

/// The upstream of one resource: one or several servers that can do the same.
#[derive(Debug)]
pub struct UpstreamPool {
    resource: Arc<str>,
    servers: Vec<Server>,
    protocol: UpstreamProtocol,
    connect_timeout: Duration,
    read_timeout: Duration,
    roots: Option<TrustedRoots>,
    group_key: u64,
    turn: AtomicUsize,
    is_kept: AtomicBool,
}

#[derive(Debug)]
struct Server {
    host: Host<String>,
    port: u16,
    tls: bool,
    authority: HeaderValue,
    health: Option<health::Probe>,
    addresses: ArcSwap<Vec<SocketAddr>>,
}

/// A server's address that a request may go to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// What to connect to, with every bound set.
    pub peer: HttpPeer,
    /// The `Host` that the server expects: the URL's authority.
    pub authority: HeaderValue,
}

/// The addresses that a request has tried without success.
#[derive(Clone, Debug, Default)]
pub struct Tried(SmallVec<[SocketAddr; 2]>);

impl UpstreamPool {
    /// The pool of `resource`. Addresses written as such are known at once; names are, once [`Self::keep_fresh`] or
    /// [`Self::resolve`] has asked.
    pub fn new(resource: &Resource, roots: Option<&TrustedRoots>) -> Arc<Self> {
        let upstream = &resource.upstream;
        let probe = |url: &Url| Some(health::Probe::new(url, upstream.health_check.as_deref()?));
        let servers = upstream.urls.iter().filter_map(|url| Server::new(url, probe(url))).collect();
        let mut hasher = DefaultHasher::new();
        resource.key.as_str().hash(&mut hasher);
        format!("{upstream:?}").hash(&mut hasher);
        roots.hash(&mut hasher);
        Arc::new(Self {
            resource: Arc::from(resource.key.as_str()),
            servers,
            protocol: upstream.protocol,
            connect_timeout: upstream.connect_timeout,
            read_timeout: upstream.read_timeout,
            roots: roots.cloned(),
            group_key: hasher.finish(),
            turn: AtomicUsize::new(0),
            is_kept: AtomicBool::new(false),
        })
    }

    /// The pools of a configuration, by resource. What is unchanged since `before` is taken over as it is, with its
    /// addresses, its health and its connections.
    ///
    /// # Errors
    ///
    /// [`RootsError`] if `trusted_cas` holds no certificates, or the platform's cannot be read.
    pub fn of(config: &Config, before: &[Arc<Self>]) -> Result<Vec<Arc<Self>>, RootsError> {
        let roots = config.trusted_cas.as_deref().map(TrustedRoots::read).transpose()?;
        let pools = config.resources.iter().map(|resource| {
            let fresh = Self::new(resource, roots.as_ref());
            let same = |pool: &&Arc<Self>| pool.resource == fresh.resource && pool.group_key == fresh.group_key;
            before.iter().find(same).cloned().unwrap_or(fresh)
        });
        Ok(pools.collect())
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

    /// Resolves every name once. A name that cannot be resolved keeps the addresses that it had.
    pub async fn resolve(&self) {
        for server in &self.servers {
            server.resolve().await;
        }
    }

    /// Keeps addresses and health fresh for as long as somebody holds the pool; call it on a tokio runtime. Further
    /// calls change nothing.
    pub fn keep_fresh(self: &Arc<Self>) {
        if self.is_kept.swap(true, Ordering::Relaxed) {
            return;
        }
        let names = self.servers.iter().any(|server| matches!(server.host, Host::Domain(_)));
        if names {
            tokio::spawn(resolve_again(Arc::downgrade(self)));
        }
        if self.servers.iter().any(|server| server.health.is_some()) {
            tokio::spawn(health::probe_again(Arc::downgrade(self)));
        }
    }

    /// The next address in turn that this request has not tried, of a healthy server if there is one; nothing when no
    /// address is known, or all were tried.
    pub fn next(&self, tried: &mut Tried) -> Option<Destination> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.pick(turn, tried, true).or_else(|| self.pick(turn, tried, false))
    }

    fn pick(&self, turn: usize, tried: &mut Tried, only_healthy: bool) -> Option<Destination> {
        let count = self.servers.len();
        for offset in 0..count {
            let server = &self.servers[turn.wrapping_add(offset) % count];
            if only_healthy && server.health.as_ref().is_some_and(|probe| !probe.is_healthy()) {
                continue;
            }
            let addresses = server.addresses.load();
            let first = turn / count;
            for step in 0..addresses.len() {
                let address = addresses[first.wrapping_add(step) % addresses.len()];
                if !tried.0.contains(&address) {
                    tried.0.push(address);
                    return Some(self.destination(server, address));
                }
            }
        }
        None
    }

    fn destination(&self, server: &Server, address: SocketAddr) -> Destination {
        let mut peer = HttpPeer::new(address, server.tls, server.server_name());
        peer.group_key = self.group_key;
        peer.options.connection_timeout = Some(self.connect_timeout);
        peer.options.total_connection_timeout = Some(self.connect_timeout);
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(self.read_timeout);
        peer.options.idle_timeout = Some(IDLE);
        peer.options.tcp_keepalive = Some(TcpKeepalive {
            idle: Duration::from_secs(30),
            interval: Duration::from_secs(10),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::ZERO,
        });
        peer.options.ca = self.roots.as_ref().map(TrustedRoots::certificates);
        if self.protocol == UpstreamProtocol::Http2 {
            peer.options.set_http_version(2, 2);
            peer.options.max_h2_streams = HTTP2_STREAMS;
        }
        Destination { peer, authority: server.authority.clone() }
    }
}

impl Server {
    /// A URL without a host or with an odd one does not pass the loader.
    fn new(url: &Url, health: Option<health::Probe>) -> Option<Self> {
        let host = url.host()?.to_owned();
        let port = url.port_or_known_default()?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let known = match host {
            Host::Ipv4(address) => vec![SocketAddr::new(IpAddr::V4(address), port)],
            Host::Ipv6(address) => vec![SocketAddr::new(IpAddr::V6(address), port)],
            Host::Domain(_) => Vec::new(),
        };
        Some(Self {
            host,
            port,
            tls: url.scheme() == "https",
            authority: HeaderValue::from_str(&authority).ok()?,
            health,
            addresses: ArcSwap::from_pointee(known),
        })
    }

    /// The name that the server must prove; an address as a certificate writes it, without brackets.
    fn server_name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    async fn resolve(&self) {
        let Host::Domain(name) = &self.host else {
            return;
        };
        match timeout(RESOLVE_TIMEOUT, lookup_host((name.as_str(), self.port))).await {
            Ok(Ok(found)) => {
                let mut addresses: Vec<SocketAddr> = found.collect();
                addresses.sort_unstable();
                addresses.dedup();
                if !addresses.is_empty() && **self.addresses.load() != addresses {
                    self.addresses.store(Arc::new(addresses));
                }
            }
            Ok(Err(error)) => tracing::warn!(host = name, %error, "an upstream's name cannot be resolved"),
            Err(_) => tracing::warn!(host = name, "resolving an upstream's name takes too long"),
        }
    }
}

async fn resolve_again(pool: Weak<UpstreamPool>) {
    while let Some(held) = pool.upgrade() {
        held.resolve().await;
        drop(held);
        sleep(RESOLVE_EVERY).await;
    }
}

#[cfg(test)]
mod tests;
