//! A listener that serves nothing: it sends whoever comes without TLS to the same URL with it.

use std::net::SocketAddr;

use narrowgate::config::{Listener, Purpose};
use narrowgate::serve::Prepared;

use crate::client::Client;
use crate::gateway::{Issuer, Running, protected, start_with};
use crate::origin::Origin;
use crate::tls_client::get;

/// A gateway of `https://api.example` whose second listener redirects.
async fn start(https_port: u16, more: &str) -> (Running, SocketAddr, Origin, Issuer) {
    let (origin, issuer) = (Origin::start(false).await, Issuer::new());
    let yaml = protected(origin.address, more);
    let gateway = start_with(&yaml, &issuer, |config| {
        let address = config.listeners[0].address;
        config.listeners.push(Listener { address, purpose: Purpose::Redirect { https_port } });
    })
    .await;
    let redirecting = gateway.serving.bound()[1];
    assert!(!redirecting.tls);
    (gateway, redirecting.address, origin, issuer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_to_the_same_url_over_tls() {
    for (https_port, authority) in [(443, "api.example"), (8443, "api.example:8443")] {
        let (gateway, redirecting, origin, _) = start(https_port, "public: true").await;
        let mut client = Client::connect(redirecting).await;
        for method in ["GET", "PUT", "OPTIONS"] {
            client.request(method, "/a/b?c=%20d", "").await;
            let reply = client.reply().await;
            assert_eq!((reply.status, reply.body.len()), (308, 0), "{method}");
            assert_eq!(reply.field("location"), Some(&*format!("https://{authority}/a/b?c=%20d")));
            assert_eq!(reply.field("cache-control"), Some("no-store"));
        }
        assert_eq!(origin.asked(), 0, "nothing is served there");
        let answered = r#"narrowgate_requests_total{resource="none",decision="answer",reason=""} 3"#;
        let recorded = gateway.metrics_at_last().await;
        assert!(recorded.contains(answered), "{recorded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_redirected_too() {
    let (_gateway, redirecting, _, issuer) = start(443, "").await;
    let stream = tokio::net::TcpStream::connect(redirecting).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (parts, _) = get(&sender, "http://api.example/a?b=c", None).await;
    assert_eq!(
        (parts.status.as_u16(), &parts.headers["location"]),
        (308, &"https://api.example/a?b=c".parse().unwrap())
    );
    let (parts, _) = get(&sender, "http://api.example/a", Some(&issuer.token())).await;
    assert_eq!((parts.status.as_u16(), parts.headers.get("location")), (400, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_came_in_the_clear_is_refused() {
    let (gateway, redirecting, origin, issuer) = start(443, "").await;
    let token = issuer.token();
    for (target, fields) in [
        ("/", format!("Authorization: Bearer {token}\r\n")),
        ("/", "Authorization: Basic YTpi\r\n".to_owned()),
        (&*format!("/?access_token={token}"), String::new()),
    ] {
        let mut client = Client::connect(redirecting).await;
        client.request("GET", target, &fields).await;
        let reply = client.reply().await;
        let told = reply.json();
        assert_eq!((reply.status, &told["reason"]), (400, &"transport_insecure".into()));
        assert_eq!(told["error_description"], "the credential was sent without TLS; treat it as leaked");
        assert_eq!(reply.field("location"), None);
        assert!(!String::from_utf8(reply.body).unwrap().contains(&token));
    }
    assert_eq!(origin.asked(), 0);
    let refused = r#"narrowgate_requests_total{resource="none",decision="deny",reason="transport_insecure"} 3"#;
    let recorded = gateway.metrics_at_last().await;
    assert!(recorded.contains(refused), "{recorded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_and_unclear_targets_are_refused_as_elsewhere() {
    let (_gateway, redirecting, _, _) = start(443, "").await;
    let mut client = Client::connect(redirecting).await;
    let reply = client.ask("evil.example", "").await;
    assert_eq!((reply.status, &reply.json()["reason"]), (421, &"host_unknown".into()));
    for target in ["//evil.example/", "/a/../b", "/%2e%2e/", "/a%2fb", "http://api.example/"] {
        client.request("GET", target, "").await;
        let reply = client.reply().await;
        assert_eq!((reply.status, &reply.json()["reason"]), (400, &"target_invalid".into()), "{target}");
        assert_eq!(reply.field("location"), None);
    }
    client.request("TRACE", "/", "").await;
    assert_eq!(client.reply().await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_begins_to_redirect_for_connections_to_come() {
    let (gateway, redirecting, origin, _) = start(443, "public: true").await;
    let mut listeners = gateway.gateway.current.load().config.listeners.clone();
    let mut open = Client::connect(gateway.address).await;
    assert_eq!(open.ask("api.example", "").await.status, 200);
    listeners.rotate_left(1);
    gateway.serving.offers().adopt(Prepared::new(&listeners).unwrap());
    assert_eq!(open.ask("api.example", "").await.status, 200, "what is open keeps what it has");
    assert_eq!(Client::connect(gateway.address).await.ask("api.example", "").await.status, 308);
    assert_eq!(Client::connect(redirecting).await.ask("api.example", "").await.status, 200);
    assert_eq!(origin.asked(), 3);
}
