//! What is spoken at a TLS listener, and how that changes while it listens.

use std::time::Duration;

use narrowgate::config::{Certificate, ClientProtocol, Listener, Purpose, Tls, TlsVersion};
use narrowgate::serve::Prepared;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};

use crate::client::Client;
use crate::gateway::{Issuer, Running, certificate, public, start_public, start_with};
use crate::origin::Origin;
use crate::tls_client::{TlsClient, get};

/// A gateway of `https://api.example` over TLS, and what a client must trust.
async fn start(change: impl FnOnce(&mut Tls)) -> (Running, CertificateDer<'static>) {
    let origin = Origin::start(false).await;
    let (site, root) = certificate("api.example");
    let mut tls = Tls::new(vec![site]);
    change(&mut tls);
    let purpose = Purpose::Https(tls);
    let yaml = public(origin.address, "");
    // The second listener serves without TLS.
    let gateway = start_with(&yaml, &Issuer::new(), |config| {
        let plain = config.listeners[0].clone();
        config.listeners[0].purpose = purpose;
        config.listeners.push(plain);
    })
    .await;
    (gateway, root)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_told_that_it_ends() {
    let origin = Origin::start(false).await;
    let (site, root) = certificate("api.example");
    let gateway = start_with(&public(origin.address, ""), &Issuer::new(), |config| {
        config.listeners[0].purpose = https(site);
        config.limits.idle_timeout = Duration::from_millis(200);
    })
    .await;
    let (mut client, _) = TlsClient::trusting(&[&root]).connect(gateway.address, "api.example").await;
    assert_eq!(client.ask("api.example", "").await.status, 200);
    assert!(client.hears_the_end().await);
}

fn listeners(gateway: &Running) -> Vec<Listener> {
    gateway.gateway.current.load().config.listeners.clone()
}

fn https(certificate: Certificate) -> Purpose {
    Purpose::Https(Tls::new(vec![certificate]))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_are_spoken_unless_the_older_one_is_turned_off() {
    let (gateway, root) = start(|_| {}).await;
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let (mut client, agreed) =
            TlsClient::speaking(&[version], &[&root]).connect(gateway.address, "api.example").await;
        assert_eq!((client.ask("api.example", "").await.status, agreed.version), (200, spoken));
    }
    let (gateway, root) = start(|tls| tls.min_version = TlsVersion::Tls13).await;
    assert!(TlsClient::speaking(&[&TLS12], &[&root]).try_connect(gateway.address, "api.example").await.is_err());
    let (_, agreed) = TlsClient::trusting(&[&root]).connect(gateway.address, "api.example").await;
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_prefers_a_protocol_and_takes_only_its_own() {
    use ClientProtocol::{Http1, Http2};
    let both: &[&str] = &["http/1.1", "h2"];
    for (protocols, offered, agreed) in [
        (&[Http2, Http1][..], both, Some("h2")),
        (&[Http1, Http2], both, Some("http/1.1")),
        (&[Http1], both, Some("http/1.1")),
        (&[Http2], both, Some("h2")),
        (&[Http2, Http1], &[], None),
        (&[Http1], &[], None),
    ] {
        let (gateway, root) = start(|tls| tls.protocols = protocols.to_vec()).await;
        let client = TlsClient::trusting(&[&root]).offering(offered);
        let (_, found) = client.connect(gateway.address, "api.example").await;
        assert_eq!(found.protocol.as_deref(), agreed.map(str::as_bytes), "{protocols:?} {offered:?}");
    }
    for (protocols, offered) in [([Http1], "h2"), ([Http2], "http/1.1")] {
        let (gateway, root) = start(|tls| tls.protocols = protocols.to_vec()).await;
        let client = TlsClient::trusting(&[&root]).offering(&[offered]);
        assert!(client.try_connect(gateway.address, "api.example").await.is_err(), "{offered}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_names_no_protocol_does_not_get_around_the_list() {
    let (gateway, root) = start(|tls| tls.protocols = vec![ClientProtocol::Http2]).await;
    let client = TlsClient::trusting(&[&root]);
    let (mut silent, _) = client.connect(gateway.address, "api.example").await;
    silent.request("GET", "/", "").await;
    assert!(silent.is_closed().await);
    gateway.counts(r#"narrowgate_connections_refused_total{reason="tls"} 1"#).await;
    let http2 = client.connect_http2(gateway.address, "api.example").await;
    assert_eq!(get(&http2, "https://api.example/", None).await.0.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_for_connections_to_come() {
    let (gateway, root) = start(|_| {}).await;
    let (mut open, before) = TlsClient::trusting(&[&root]).connect(gateway.address, "api.example").await;
    let (site, new_root) = certificate("api.example");
    let mut renewed = listeners(&gateway);
    renewed[0].purpose = https(site);
    gateway.serving.offers().adopt(Prepared::new(&renewed).unwrap());
    let (mut later, after) = TlsClient::trusting(&[&new_root]).connect(gateway.address, "api.example").await;
    assert_eq!((&before.certificate, &after.certificate), (&root, &new_root));
    assert_eq!((open.ask("api.example", "").await.status, later.ask("api.example", "").await.status), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_changes_nothing_at_any_listener() {
    let (gateway, root) = start(|_| {}).await;
    let ((good, _), (mut bad, _), (other, _)) =
        (certificate("api.example"), certificate("api.example"), certificate("api.example"));
    bad.key_pem = other.key_pem;
    let mut renewed = listeners(&gateway);
    renewed[0].purpose = https(good);
    renewed[1].purpose = https(bad);
    let error = Prepared::new(&renewed).unwrap_err();
    assert_eq!(error.to_string(), "`site.pem` and its key do not belong together");
    let (_, agreed) = TlsClient::trusting(&[&root]).connect(gateway.address, "api.example").await;
    assert_eq!(agreed.certificate, root);
    let second = gateway.serving.bound()[1];
    assert!(!second.tls);
    assert_eq!(Client::connect(second.address).await.ask("api.example", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_turned_on_and_off_while_the_socket_stays() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut plain = Client::connect(gateway.address).await;
    assert_eq!(plain.ask("api.example", "").await.status, 200);
    let (written, (site, root)) = (listeners(&gateway), certificate("api.example"));
    let encrypted = [Listener { purpose: https(site), ..written[0].clone() }];
    let prepared = Prepared::new(&encrypted).unwrap();
    assert!(!gateway.serving.bound()[0].tls, "nothing changes before it is adopted");
    gateway.serving.offers().adopt(prepared);
    assert!(gateway.serving.bound()[0].tls);
    let (mut secret, _) = TlsClient::trusting(&[&root]).connect(gateway.address, "api.example").await;
    assert_eq!((plain.ask("api.example", "").await.status, secret.ask("api.example", "").await.status), (200, 200));
    gateway.serving.offers().adopt(Prepared::new(&written).unwrap());
    assert_eq!(Client::connect(gateway.address).await.ask("api.example", "").await.status, 200);
    assert_eq!(secret.ask("api.example", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_reload_that_changes_nothing_and_no_other() {
    for version in [&TLS12, &TLS13] {
        let (gateway, root) = start(|_| {}).await;
        let client = TlsClient::speaking(&[version], &[&root]);
        let handshake = async || {
            let (mut connection, agreed) = client.connect(gateway.address, "api.example").await;
            // Tickets of TLS 1.3 come behind the handshake.
            assert_eq!(connection.ask("api.example", "").await.status, 200);
            agreed.kind
        };
        assert_eq!(handshake().await, HandshakeKind::Full);
        assert_eq!(handshake().await, HandshakeKind::Resumed);
        let mut renewed = listeners(&gateway);
        gateway.serving.offers().adopt(Prepared::new(&renewed).unwrap());
        assert_eq!(handshake().await, HandshakeKind::Resumed);
        // The same certificate, so that the client goes on trusting it.
        let Purpose::Https(tls) = &mut renewed[0].purpose else { panic!("{renewed:?}") };
        tls.protocols.reverse();
        gateway.serving.offers().adopt(Prepared::new(&renewed).unwrap());
        assert_eq!(handshake().await, HandshakeKind::Full, "{version:?}");
    }
}
