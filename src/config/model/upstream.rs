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
    /// Whether a request that goes there may come to `listening`, an address of this machine. A name other than
    /// `localhost` is not looked up.
    pub fn leads_to(&self, listening: SocketAddr) -> bool {
        let here = listening.ip().to_canonical();
        let leads_there = |url: &Url| {
            let address = match url.host() {
                Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
                Some(Host::Ipv6(address)) => Some(address.to_canonical()),
                Some(Host::Domain(name)) => match name.strip_suffix('.').unwrap_or(name) {
                    name if name == "localhost" || name.ends_with(".localhost") => None,
                    _ => return false,
                },
                None => return false,
            };
            // Whoever connects to the unspecified address comes to this machine.
            let is_loopback = address.is_none_or(|address| address.is_loopback() || address.is_unspecified());
            let same = address == Some(here) || (is_loopback && (here.is_loopback() || here.is_unspecified()));
            same && listening.port() != 0 && url.port_or_known_default() == Some(listening.port())
        };
        self.urls.iter().any(leads_there)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Environment, parse};

    fn leads(upstream: &str, listening: &str) -> bool {
        let yaml = format!("listen: 127.0.0.1:0\nresources: {{ https://a.example: {{ upstream: \"{upstream}\" }} }}\n");
        let loaded = parse(&yaml, Path::new("gateway.yaml"), &Environment::default()).unwrap();
        loaded.config.resources[0].upstream.leads_to(listening.parse().unwrap())
    }

    #[test]
    fn every_way_to_this_machine_leads_to_what_listens_there() {
        for (upstream, listening) in [
            ("http://127.0.0.1:90", "127.0.0.1:90"),
            ("http://127.0.0.2:90", "0.0.0.0:90"),
            ("http://localhost:90", "[::1]:90"),
            ("http://localhost.:90", "127.0.0.1:90"),
            ("http://a.localhost:90", "127.0.0.1:90"),
            ("http://0.0.0.0:90", "127.0.0.1:90"),
            ("http://[::]:90", "[::1]:90"),
            ("http://[::ffff:127.0.0.1]:90", "127.0.0.1:90"),
            ("http://127.0.0.1:90", "[::ffff:127.0.0.1]:90"),
            ("http://10.0.0.7:90", "10.0.0.7:90"),
            ("https://127.0.0.1", "127.0.0.1:443"),
        ] {
            assert!(leads(upstream, listening), "{upstream} {listening}");
        }
        for (upstream, listening) in [
            ("http://127.0.0.1:91", "127.0.0.1:90"),
            ("http://10.0.0.8:90", "10.0.0.7:90"),
            ("http://10.0.0.7:90", "127.0.0.1:90"),
            ("http://api.internal:90", "127.0.0.1:90"),
        ] {
            assert!(!leads(upstream, listening), "{upstream} {listening}");
        }
    }
}
