//! Where a resource's requests go, and what is known of the servers there.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::Certificate;

/// Where a resource's requests go.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// `http` or `https` URLs without query and fragment; at least one. Their paths are equal.
    pub urls: Vec<Url>,
    /// The protocol spoken there.
    pub protocol: UpstreamProtocol,
    /// What is asked again and again to know whether a server is healthy.
    pub health_check: Option<HealthCheck>,
    /// When an address is passed over because it fails; nothing for never.
    pub eject: Option<Ejection>,
    /// Which requests are sent again when a server breaks off before it has answered.
    pub retry: Retry,
    /// What a server must prove, and what it is shown; nothing for what is usual.
    pub tls: Option<UpstreamTls>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the upstream may be silent.
    pub read_timeout: Duration,
    /// How long a connection is kept that nobody uses.
    pub idle_timeout: Duration,
}

impl Upstream {
    /// Whether a URL here names this very address, or a loopback name of it.
    pub fn leads_to(&self, address: SocketAddr) -> bool {
        self.urls.iter().any(|url| {
            let host = match url.host() {
                Some(Host::Ipv4(host)) => Some(IpAddr::from(host)),
                Some(Host::Ipv6(host)) => Some(host.to_canonical()),
                Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => None,
                Some(Host::Domain(_)) | None => return false,
            };
            let is_loopback = host.is_none_or(|host| host.is_loopback());
            let reaches = is_loopback && (address.ip().is_loopback() || address.ip().is_unspecified());
            let same = host == Some(address.ip()) || reaches;
            same && address.port() != 0 && url.port_or_known_default() == Some(address.port())
        })
    }
}

/// The protocol towards an upstream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge (h2c), as gRPC servers speak it.
    Http2,
}

/// A question that a healthy server answers well.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct HealthCheck {
    /// The path that is asked with `GET`, with its query.
    pub path: String,
    /// How often it is asked.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many good answers in a row make a server healthy again.
    pub healthy_after: u32,
    /// How many bad answers in a row make it unhealthy.
    pub unhealthy_after: u32,
    /// The statuses of a good answer; none for every 2xx.
    pub statuses: Vec<u16>,
}

/// When an address is passed over because requests fail there.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ejection {
    /// How many requests in a row fail before.
    pub after: u32,
    /// For how long the first time; twice as long each time that a further try fails, up to a minute.
    pub hold: Duration,
}

/// Which requests are sent again when a server breaks off before it has answered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Retry {
    /// Those with an idempotent method (RFC 9110 §9.2.2) whose body is still at hand.
    Idempotent,
    /// None.
    Never,
}

/// What a server behind the gateway must prove, and what it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamTls {
    /// Certificates that the server's own must lead to, in place of the platform's and of `trusted_cas`: PEM.
    pub ca: Option<Arc<[u8]>>,
    /// The name that the server is asked for and must prove, in place of the URL's host.
    pub server_name: Option<String>,
    /// The certificate that the gateway shows.
    pub certificate: Option<Certificate>,
}
