//! The addresses of one server, as they are known now: written as such, or those of a name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::Guard;
use url::Host;

use super::names::{Name, Names};

/// Where a server is.
#[derive(Clone, Debug)]
pub(super) enum Addresses {
    /// The URL has an IP address.
    Written(Arc<Vec<SocketAddr>>),
    /// The URL has a name.
    Named(Arc<Name>),
}

impl Addresses {
    /// The addresses of a URL's host and port.
    pub(super) fn of(host: &Host<String>, port: u16, names: &Names) -> Self {
        let written = |address: IpAddr| Self::Written(Arc::new(vec![SocketAddr::new(address, port)]));
        match host {
            Host::Ipv4(address) => written((*address).into()),
            Host::Ipv6(address) => written((*address).into()),
            Host::Domain(name) => Self::Named(names.name(name, port)),
        }
    }

    /// What is known now; the same list for as long as nothing changes.
    pub(super) fn known(&self) -> Guard<Arc<Vec<SocketAddr>>> {
        match self {
            Self::Written(addresses) => Guard::from_inner(Arc::clone(addresses)),
            Self::Named(name) => name.addresses(),
        }
    }
}
