//! Upstreams over TLS: whoever cannot prove its name gets nothing.

use narrowgate::config::Certificate;

use crate::client::{Client, Reply};
use crate::gateway::{Issuer, certificate, public_before, start_with};
use crate::origin::Origin;

async fn ask(url_host: &str, protocol: &str, shown: &Certificate, trusted: Option<&Certificate>) -> (Reply, usize) {
    let origin = Origin::start_tls(shown).await;
    let port = origin.address.port();
    let yaml = public_before(&format!("urls: [\"https://{url_host}:{port}\"], protocol: {protocol}"));
    let trusted = trusted.map(|certificate| certificate.cert_pem.clone());
    let gateway = start_with(&yaml, &Issuer::new(), |config| config.trusted_cas = trusted).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/", "").await;
    (client.reply().await, origin.asked())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_proves_its_name_is_asked() {
    for (host, protocol, version) in
        [("localhost", "http1", "HTTP/1.1"), ("127.0.0.1", "http1", "HTTP/1.1"), ("localhost", "http2", "HTTP/2.0")]
    {
        let (shown, _) = certificate(host);
        let (reply, _) = ask(host, protocol, &shown, Some(&shown)).await;
        assert_eq!((reply.status, &reply.json()["version"]), (200, &version.into()), "{host} {protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_is_not() {
    let (right, _) = certificate("localhost");
    let (other_name, _) = certificate("other.example");
    let (other_root, _) = certificate("localhost");
    for (host, shown, trusted) in [
        ("localhost", &right, None),
        ("localhost", &right, Some(&other_root)),
        ("localhost", &other_name, Some(&other_name)),
        ("127.0.0.1", &right, Some(&right)),
    ] {
        let (reply, asked) = ask(host, "http1", shown, trusted).await;
        assert_eq!((reply.status, &reply.json()["reason"]), (502, &"upstream_unavailable".into()), "{host}");
        assert_eq!(asked, 0);
    }
}
