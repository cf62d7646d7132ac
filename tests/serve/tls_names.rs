//! Whoever was shown one certificate does not reach a host of another one (RFC 9110 §7.4).

use narrowgate::config::{Certificate, Purpose, Tls};
use narrowgate::serve::Prepared;
use rustls::pki_types::CertificateDer;

use crate::gateway::{Issuer, Running, certificate, certificate_for, start_with};
use crate::origin::Origin;
use crate::tls_client::{TlsClient, get};

/// A gateway of three hosts and two certificates, the first of which is the default and names an address too.
struct Site {
    gateway: Running,
    origin: Origin,
    client: TlsClient,
}

fn certificates() -> (Vec<Certificate>, Vec<CertificateDer<'static>>) {
    let made = [certificate_for(&["api.example", "127.0.0.1"]), certificate_for(&["other.example", "*.other.example"])];
    made.into_iter().unzip()
}

async fn site(more: &str) -> Site {
    let origin = Origin::start(false).await;
    let yaml = format!(
        "{more}\nresources:\n  https://api.example: {{ public: true, upstream: \"http://{0}\", \
         match: {{ hosts: [api.example, 127.0.0.1, other.example, www.other.example] }} }}\n",
        origin.address
    );
    let (certificates, roots) = certificates();
    let gateway = start_with(&yaml, &Issuer::new(), move |config| {
        config.listeners[0].purpose = Purpose::Https(Tls::new(certificates));
    })
    .await;
    Site { gateway, origin, client: TlsClient::trusting(&roots.iter().collect::<Vec<_>>()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_host_of_another_certificate_is_refused() {
    let Site { gateway, origin, client } = site("").await;
    let (mut api, _) = client.connect(gateway.address, "api.example").await;
    assert_eq!(api.ask("api.example", "").await.status, 200);
    for host in ["other.example", "www.other.example", "OTHER.example:443"] {
        let refused = api.ask(host, "").await;
        assert_eq!((refused.status, &refused.json()["reason"]), (421, &"host_unknown".into()), "{host}");
    }
    assert_eq!(api.ask("API.example", "").await.status, 200, "the connection lives on");
    let (mut other, _) = client.connect(gateway.address, "other.example").await;
    assert_eq!(other.ask("api.example", "").await.status, 421);
    assert_eq!(other.ask("127.0.0.1", "").await.status, 421);
    assert_eq!(origin.asked(), 2);
    let refused = r#"narrowgate_requests_total{resource="none",decision="deny",reason="host_unknown"} 5"#;
    let recorded = gateway.metrics_at_last().await;
    assert!(recorded.contains(refused), "{recorded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_one_certificate_share_a_connection() {
    let Site { gateway, client, .. } = site("").await;
    let (mut other, _) = client.connect(gateway.address, "other.example").await;
    for host in ["other.example", "www.other.example"] {
        assert_eq!(other.ask(host, "").await.status, 200, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_held_to_the_same() {
    let Site { gateway, origin, client } = site("").await;
    let other = client.connect_http2(gateway.address, "other.example").await;
    for (url, status) in [
        ("https://other.example/", 200),
        ("https://www.other.example/", 200),
        ("https://api.example/", 421),
        ("https://other.example/", 200),
    ] {
        assert_eq!(get(&other, url, None).await.0.status, status, "{url}");
    }
    let api = client.connect_http2(gateway.address, "api.example").await;
    let (parts, body) = get(&api, "https://other.example/", None).await;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((parts.status.as_u16(), &body["reason"]), (421, &"host_unknown".into()));
    assert_eq!(origin.asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_names_nobody_is_shown_the_first_certificate_and_held_to_it() {
    let Site { gateway, client, .. } = site("").await;
    // A client that calls an address has no name to send.
    for (client, name) in [(&client, "127.0.0.1"), (&client.naming_nobody(), "api.example")] {
        let (mut connection, _) = client.connect(gateway.address, name).await;
        let with_port = format!("127.0.0.1:{}", gateway.address.port());
        for host in ["api.example", "127.0.0.1", &with_port] {
            assert_eq!(connection.ask(host, "").await.status, 200, "{name} {host}");
        }
        assert_eq!(connection.ask("other.example", "").await.status, 421, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_held_to_its_own_host_not_to_the_one_it_forwards() {
    let Site { gateway, origin, client } = site("trusted_proxies: [127.0.0.1/32]").await;
    let (mut proxy, _) = client.connect(gateway.address, "api.example").await;
    let forwarded = proxy.ask("api.example", "X-Forwarded-Host: other.example\r\n").await;
    assert_eq!((forwarded.status, &forwarded.json()["fields"]["x-forwarded-host"][0]), (200, &"other.example".into()));
    assert_eq!(proxy.ask("other.example", "X-Forwarded-Host: api.example\r\n").await.status, 421);
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_two_readings_is_refused_as_ever() {
    let Site { gateway, client, .. } = site("").await;
    let (mut api, _) = client.connect(gateway.address, "api.example").await;
    let refused = api.ask("api.example:x", "").await;
    assert_eq!((refused.status, &refused.json()["reason"]), (400, &"target_invalid".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_is_judged_by_the_certificates_that_it_was_shown() {
    let Site { gateway, client, .. } = site("").await;
    let (mut other, before) = client.connect(gateway.address, "other.example").await;
    let mut listeners = gateway.gateway.current.load().config.listeners.clone();
    let (only, root) = certificate("other.example");
    listeners[0].purpose = Purpose::Https(Tls::new(vec![only]));
    gateway.serving.offers().adopt(Prepared::new(&listeners).unwrap());
    for (host, status) in [("other.example", 200), ("www.other.example", 200), ("api.example", 421)] {
        assert_eq!(other.ask(host, "").await.status, status, "{host}");
    }
    let (mut later, after) = TlsClient::trusting(&[&root]).connect(gateway.address, "other.example").await;
    assert_ne!(before.certificate, after.certificate);
    assert_eq!(later.ask("api.example", "").await.status, 200, "there is only one certificate now");
}
