//! Whether a server behind the gateway answers: `health_check` asks it again and again.
//!
//! A server that fails is passed over while another one can take its requests, never shut out: when all of them fail,
//! the check may be what is broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use tokio::time::sleep;
use url::Url;

use super::{TrustedRoots, UpstreamPool};
use crate::config::UpstreamProtocol;

const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The check of one server.
#[derive(Debug)]
pub(super) struct Probe {
    url: Url,
    healthy: AtomicBool,
    client: OnceLock<Client>,
}

impl Probe {
    /// A server counts as healthy until it was asked. The path takes the place of the URL's own.
    pub(super) fn new(server: &Url, path: &str) -> Self {
        let mut url = server.clone();
        url.set_path(path);
        Self { url, healthy: AtomicBool::new(true), client: OnceLock::new() }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Asks once.
    pub(super) async fn ask(&self, protocol: UpstreamProtocol, roots: Option<&TrustedRoots>) {
        let client = match self.client.get() {
            Some(client) => client,
            None => match client(protocol, roots) {
                Ok(client) => self.client.get_or_init(|| client),
                Err(error) => {
                    tracing::warn!(%error, "an upstream's health cannot be checked");
                    return;
                }
            },
        };
        let answer = client.get(self.url.clone()).send().await;
        self.set_healthy(answer.is_ok_and(|answer| answer.status().is_success()));
    }

    pub(super) fn set_healthy(&self, healthy: bool) {
        if self.healthy.swap(healthy, Ordering::Relaxed) != healthy {
            let url = self.url.as_str();
            if healthy {
                tracing::info!(url, "an upstream is healthy again");
            } else {
                tracing::warn!(url, "an upstream fails its health check");
            }
        }
    }
}

fn client(protocol: UpstreamProtocol, roots: Option<&TrustedRoots>) -> reqwest::Result<Client> {
    let mut builder =
        Client::builder().timeout(PROBE_TIMEOUT).redirect(Policy::none()).no_proxy().pool_max_idle_per_host(1);
    if protocol == UpstreamProtocol::Http2 {
        builder = builder.http2_prior_knowledge();
    }
    if let Some(roots) = roots {
        let own = roots.own().map(Certificate::from_der).collect::<reqwest::Result<Vec<_>>>()?;
        builder = builder.tls_certs_merge(own);
    }
    builder.build()
}

/// Asks every server of a pool again and again, until nobody holds the pool.
pub(super) async fn probe_again(pool: Weak<UpstreamPool>) {
    while let Some(held) = pool.upgrade() {
        for probe in held.servers.iter().filter_map(|server| server.health.as_ref()) {
            probe.ask(held.protocol, held.roots.as_ref()).await;
        }
        drop(held);
        sleep(PROBE_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request after the other with these statuses, then goes away.
    async fn server(statuses: &'static [&'static str]) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for status in statuses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let count = stream.read(&mut request).await.unwrap();
                assert!(request[..count].starts_with(b"GET /healthz HTTP/1.1\r\n"));
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Url::parse(&url).unwrap()
    }

    #[tokio::test]
    async fn only_a_2xx_is_healthy() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let probe = Probe::new(&server(&["503 Down", "204 Fine", "302 Elsewhere", "200 OK"]).await, "/healthz");
        assert!(probe.is_healthy(), "until it was asked");
        for healthy in [false, true, false, true, false] {
            probe.ask(UpstreamProtocol::Http1, None).await;
            assert_eq!(probe.is_healthy(), healthy);
        }
    }
}
