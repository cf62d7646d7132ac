//! What goes wrong behind the gateway is told in its own words.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::{Client, Reply};
use crate::gateway::{Issuer, protected, public, public_before, start, start_with};
use crate::origin::Origin;

async fn ask(yaml: &str, target: &str) -> Reply {
    let gateway = start(yaml).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", target, "").await;
    client.reply().await
}

/// An address at which nobody listens.
async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_down_is_502() {
    let reply = ask(&public(nowhere().await, ""), "/").await;
    assert_eq!((reply.status, &reply.json()["reason"]), (502, &"upstream_unavailable".into()));
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    assert!(reply.field("server").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_without_an_address_is_503() {
    let yaml = "resources:\n  https://api.example: { public: true, upstream: \"http://nowhere.invalid\" }\n";
    let reply = ask(yaml, "/").await;
    assert_eq!((reply.status, &reply.json()["reason"]), (503, &"upstream_unavailable".into()));
    assert!(reply.field("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_silent_is_504() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let yaml = public_before(&format!("urls: [\"http://{address}\"], read_timeout: 200ms"));
    let reply = ask(&yaml, "/").await;
    assert_eq!((reply.status, &reply.json()["reason"]), (504, &"upstream_timeout".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_is_tried_when_one_does_not_answer() {
    let (origin, down) = (Origin::start(false).await, nowhere().await);
    let yaml = public_before(&format!("urls: [\"http://{down}\", \"http://{}\"]", origin.address));
    let gateway = start(&yaml).await;
    for _ in 0..4 {
        let mut client = Client::connect(gateway.address).await;
        client.request("POST", "/", "Content-Length: 3\r\n").await;
        client.send("abc").await;
        let reply = client.reply().await;
        assert_eq!((reply.status, &reply.json()["length"]), (200, &3.into()));
    }
    assert_eq!(origin.asked(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_wants_a_token_it_is_not_given_is_502() {
    let origin = Origin::start(false).await;
    let reply = ask(&public(origin.address, ""), "/unauthorized").await;
    assert_eq!((reply.status, &reply.json()["reason"]), (502, &"upstream_unauthorized".into()));
    assert!(reply.field("www-authenticate").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_own_challenge_becomes_ours() {
    let (origin, issuer) = (Origin::start(false).await, Issuer::new());
    let gateway = start_with(&protected(origin.address, "forward: token"), &issuer, |_| {}).await;
    let mut client = Client::connect(gateway.address).await;
    for (target, status) in [("/unauthorized", 401), ("/forbidden", 403)] {
        client.request("GET", target, &format!("Authorization: Bearer {}\r\n", issuer.token())).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.body.as_slice()), (status, b"theirs".as_slice()));
        let challenge = reply.field("www-authenticate").unwrap();
        assert!(challenge.contains("https://api.example/.well-known/oauth-protected-resource"), "{challenge}");
        assert!(!challenge.contains("elsewhere") && !challenge.contains("error"), "{challenge}");
    }
}

/// A server that closes each connection when a second request comes, without an answer.
async fn forgetful() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                if stream.read(&mut bytes).await.unwrap_or(0) > 0 {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    let _ = stream.read(&mut bytes).await;
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_sent_twice_is_when_a_kept_connection_breaks() {
    let gateway = start(&public(forgetful().await, "")).await;
    let mut client = Client::connect(gateway.address).await;
    for _ in 0..3 {
        client.request("GET", "/", "").await;
        assert_eq!(client.reply().await.status, 200);
    }
    client.request("POST", "/", "Content-Length: 0\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.json()["reason"]), (502, &"upstream_unavailable".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_forgotten() {
    let origin = Origin::start(false).await;
    let gateway = start(&public(origin.address, "")).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/held", "").await;
    origin.held.notified().await;
    assert_eq!(gateway.serving.requests_under_way(), 1);
    drop(client);
    // Leaving is noticed in its own time; a drain ends when it is, and not by cutting.
    let limits = narrowgate::config::Limits::default();
    assert_eq!(gateway.serving.drain(&limits).await, 0);
}
