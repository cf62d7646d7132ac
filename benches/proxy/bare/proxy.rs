//! The baseline: a Pingora proxy that does nothing but forward, as Pingora's own quick start has it.
//!
//! Nothing is tuned and no timeout is set. What this costs is what a request costs before anybody looks at its token.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Result;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

/// `serve LISTEN UPSTREAM [CERT KEY]`; whoever says anything else (a test runner that lists) gets nothing.
pub fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["serve", listen, upstream, certificate @ ..] = arguments.as_slice() else { return };
    let upstream = upstream.parse().expect("the upstream is an address");
    let mut server = Server::new(None).expect("the defaults are a configuration");
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    match certificate {
        [cert, key] => {
            let mut settings = TlsSettings::intermediate(cert, key).expect("the certificate can be read");
            settings.enable_h2();
            service.add_tls_with_settings(listen, None, settings);
        }
        _ => service.add_tcp(listen),
    }
    server.add_service(service);
    server.run_forever();
}
