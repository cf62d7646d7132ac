//! A request that is refused is answered by the gateway, and the connection lives on where that is safe.

use crate::client::Client;
use crate::gateway::{Issuer, protected, start, start_with};
use crate::origin::Origin;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_keeps_the_connection_unless_a_body_is_left() {
    let origin = Origin::start(false).await;
    let gateway = start(&protected(origin.address, "")).await;
    let mut client = Client::connect(gateway.address).await;
    for _ in 0..2 {
        client.request("GET", "/", "").await;
        let reply = client.reply().await;
        assert_eq!((reply.status, &reply.json()["reason"]), (401, &"credential_missing".into()));
        assert_eq!(reply.field("connection"), Some("keep-alive"));
        assert!(reply.field("www-authenticate").unwrap().starts_with("Bearer "));
        assert!(reply.field("server").is_none());
    }
    client.request("POST", "/", "Content-Length: 100000\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (401, Some("close")));
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_head_has_no_body() {
    let origin = Origin::start(false).await;
    let gateway = start(&protected(origin.address, "")).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("HEAD", "/", "").await;
    assert!(client.head().await.starts_with("HTTP/1.1 401 "));
    client.request("GET", "/.well-known/oauth-protected-resource", "").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.json()["resource"]), (200, &"https://api.example".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_door_and_is_counted() {
    let (origin, issuer) = (Origin::start(false).await, Issuer::new());
    let gateway = start_with(&protected(origin.address, "forward: token"), &issuer, |_| {}).await;
    let mut client = Client::connect(gateway.address).await;
    let token = issuer.token();
    client.request("GET", "/", &format!("Authorization: Bearer {token}\r\n")).await;
    let told = client.reply().await.json();
    assert_eq!(told["fields"]["authorization"][0], format!("Bearer {token}"));
    client.request("GET", "/", "Authorization: Bearer rubbish\r\n").await;
    assert_eq!(client.reply().await.json()["reason"], "token_malformed");
    let stranger = issuer.token_for("https://stranger.example");
    client.request("GET", "/", &format!("Authorization: Bearer {stranger}\r\n")).await;
    assert_eq!(client.reply().await.json()["reason"], "audience_mismatch");
    drop(client);
    let metrics = gateway.metrics_at_last().await;
    for line in [
        r#"narrowgate_wrong_audience_total{presented_for="none",resource="https://api.example"} 1"#,
        r#"narrowgate_requests_total{resource="https://api.example",decision="forward",reason=""} 1"#,
        r#"narrowgate_requests_total{resource="https://api.example",decision="deny",reason="token_malformed"} 1"#,
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}
