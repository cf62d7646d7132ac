//! Upstreams over TLS: whoever cannot prove its name gets nothing.

use narrowgate::config::{Certificate, UpstreamTls};

use crate::client::{Client, Reply};
use crate::gateway::{Issuer, Running, certificate, public_before, start_with};
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

/// A gateway in front of `origin`, with `tls` under `upstream` and perhaps `trusted_cas` at the top.
async fn before(origin: &Origin, protocol: &str, tls: UpstreamTls, trusted: Option<&Certificate>) -> Running {
    let upstream = format!(
        "urls: [\"https://{}\"], protocol: {protocol}, health_check: {{ path: /health, interval: 100ms }}",
        origin.address
    );
    let trusted = trusted.map(|certificate| certificate.cert_pem.clone());
    start_with(&public_before(&upstream), &Issuer::new(), |config| {
        config.trusted_cas = trusted;
        config.resources[0].upstream.tls = Some(tls);
    })
    .await
}

fn tls(ca: Option<&Certificate>, server_name: Option<&str>, shown: Option<&Certificate>) -> UpstreamTls {
    UpstreamTls {
        ca: ca.map(|certificate| certificate.cert_pem.clone()),
        server_name: server_name.map(str::to_owned),
        certificate: shown.cloned(),
    }
}

async fn status_of(gateway: &Running) -> u16 {
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/", "").await;
    client.reply().await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_authority_is_the_only_one_and_the_name_may_be_another() {
    let ((shown, _), (other, _)) = (certificate("api.internal"), certificate("api.internal"));
    let origin = Origin::start_tls(&shown).await;
    for (protocol, ca, name, trusted, status) in [
        ("http1", Some(&shown), Some("api.internal"), None, 200),
        ("http2", Some(&shown), Some("api.internal"), None, 200),
        ("http1", None, Some("api.internal"), Some(&shown), 200),
        ("http1", Some(&shown), None, None, 502),
        ("http1", Some(&shown), Some("other.internal"), None, 502),
        ("http1", Some(&other), Some("api.internal"), Some(&shown), 502),
        ("http1", None, Some("api.internal"), None, 502),
    ] {
        let gateway = before(&origin, protocol, tls(ca, name, None), trusted).await;
        assert_eq!(status_of(&gateway).await, status, "{protocol} {name:?}");
        gateway.until_server(0, status == 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_a_certificate_gets_the_one_that_is_named() {
    let ((server, _), (ours, _), (other, _)) =
        (certificate("127.0.0.1"), certificate("gate.internal"), certificate("gate.internal"));
    let origin = Origin::start_tls_for(&server, Some(&ours)).await;
    for (protocol, shown, status) in
        [("http1", Some(&ours), 200), ("http2", Some(&ours), 200), ("http1", Some(&other), 502), ("http1", None, 502)]
    {
        let gateway = before(&origin, protocol, tls(Some(&server), None, shown), None).await;
        assert_eq!(status_of(&gateway).await, status, "{protocol}");
        gateway.until_server(0, status == 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_not_shared_with_who_shows_no_certificate() {
    let ((server, _), (ours, _)) = (certificate("127.0.0.1"), certificate("gate.internal"));
    let origin = Origin::start_tls_for(&server, Some(&ours)).await;
    let yaml = format!(
        "resources:\n  https://api.example: {{ public: true, upstream: \"https://{0}\" }}\n  \
         https://api.example/bare: {{ public: true, upstream: \"https://{0}\" }}\n",
        origin.address
    );
    let gateway = start_with(&yaml, &Issuer::new(), |config| {
        config.resources[0].upstream.tls = Some(tls(Some(&server), None, Some(&ours)));
        config.resources[1].upstream.tls = Some(tls(Some(&server), None, None));
    })
    .await;
    let mut client = Client::connect(gateway.address).await;
    for (target, status) in [("/", 200), ("/", 200), ("/bare", 502)] {
        client.request("GET", target, "").await;
        assert_eq!(client.reply().await.status, status, "{target}");
    }
}
