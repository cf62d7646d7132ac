//! One server of a pool: where it is, how it is spoken to, and how each of its addresses stands.
//!
//! A reload that leaves a server as it was takes it over with all of that, also where another server of the same pool
//! has changed.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use url::{Host, Url};

use super::addresses::Addresses;
use super::ejection::Standing;
use super::health::{Check, Pulse};
use super::kept::Kept;
use super::shared::Shared;
use super::trust::{Manner, Trust};
use crate::config::Upstream;

#[derive(Debug)]
pub(super) struct Server {
    /// Equal where everything about it is.
    pub(super) identity: u64,
    /// Host and port, as logs, metrics and the status page show it: two servers of one host differ.
    pub(super) name: String,
    /// The `Host` that it expects: the URL's authority.
    pub(super) authority: HeaderValue,
    pub(super) manner: Manner,
    addresses: Addresses,
    pub(super) check: Option<Arc<Check>>,
    endpoints: ArcSwap<Endpoints>,
}

/// The addresses of a server with what is known of each.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    /// What they were made from: while that is the same list, these are.
    source: Arc<Vec<SocketAddr>>,
    pub(super) all: Vec<Arc<Endpoint>>,
}

/// One address of a server.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    pub(super) standing: Standing,
    pub(super) kept: Arc<Kept>,
    pulse: Option<Arc<Pulse>>,
}

impl Server {
    /// The server at a URL; nothing for a URL without a host or with an odd one, which does not pass the loader.
    pub(super) fn new(url: &Url, upstream: &Upstream, trust: &Arc<Trust>, shared: &Shared) -> Option<Self> {
        let host = url.host()?.to_owned();
        let port = url.port_or_known_default()?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let name = format!("{host}:{port}");
        let said = upstream.tls.as_ref().and_then(|tls| tls.server_name.clone());
        let manner = Manner {
            tls: url.scheme() == "https",
            server_name: said.unwrap_or_else(|| name_to_prove(&host)),
            protocol: upstream.protocol,
            trust: Arc::clone(trust),
        };
        let settings = upstream.health_check.as_ref();
        let identity = shared.trusts.number((&authority, port, manner.parts(), settings));
        let authority = HeaderValue::from_str(&authority).ok()?;
        let addresses = Addresses::of(&host, port, &shared.names);
        let check = settings.map(|settings| {
            let make =
                || Check::new(name.clone(), authority.clone(), manner.clone(), addresses.clone(), settings.clone());
            shared.checks.check(identity, make)
        });
        Some(Self { identity, name, authority, manner, addresses, check, endpoints: ArcSwap::default() })
    }

    /// Its addresses as they are known now. Nothing is lost when they change: what stays keeps its record.
    pub(super) fn endpoints(&self) -> Arc<Endpoints> {
        let known = self.addresses.known();
        let before = self.endpoints.load();
        if Arc::ptr_eq(&known, &before.source) {
            return Arc::clone(&before);
        }
        let endpoint = |address: &SocketAddr| {
            let same = before.all.iter().find(|endpoint| endpoint.address == *address);
            same.cloned().unwrap_or_else(|| {
                let pulse = self.check.as_ref().map(|check| check.pulse(*address));
                Arc::new(Endpoint { address: *address, standing: Standing::default(), kept: Arc::default(), pulse })
            })
        };
        // Two requests may do this at once; both make the same, and one of them stays.
        let endpoints = Arc::new(Endpoints { source: Arc::clone(&known), all: known.iter().map(endpoint).collect() });
        self.endpoints.store(Arc::clone(&endpoints));
        endpoints
    }
}

impl Endpoint {
    /// Whether the last answers to the health check were good, or nobody asks.
    pub(super) fn is_healthy(&self) -> bool {
        self.pulse.as_ref().is_none_or(|pulse| pulse.is_healthy())
    }
}

/// An address as a certificate writes it, without brackets.
fn name_to_prove(host: &Host<String>) -> String {
    match host {
        Host::Domain(name) => name.clone(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}
