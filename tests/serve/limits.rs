//! Nobody takes more than a share of time, memory or connections.

use crate::client::Client;
use crate::gateway::{public, start};
use crate::origin::Origin;

async fn limited(limits: &str, more: &str) -> (crate::gateway::Running, Origin) {
    let origin = Origin::start(false).await;
    let yaml = format!("limits: {{ {limits} }}\n{}", public(origin.address, more));
    (start(&yaml).await, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_does_not_arrive_in_time_is_answered_with_408() {
    let (gateway, origin) = limited("header_timeout: 200ms", "").await;
    let mut client = Client::connect(gateway.address).await;
    client.send("GET / HTTP/1.1\r\nHost: api.example\r\nX: ").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.json()["reason"]), (408, &"request_timeout".into()));
    assert!(client.is_closed().await);
    gateway.counts(r#"connections_refused_total{reason="header_timeout"} 1"#).await;
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    let (gateway, _) = limited("header_timeout: 200ms", "").await;
    assert!(Client::connect(gateway.address).await.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed() {
    let (gateway, _) = limited("idle_timeout: 200ms", "").await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/", "").await;
    assert_eq!(client.reply().await.status, 200);
    assert!(client.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stalls_is_answered_with_408() {
    let (gateway, _) = limited("body_timeout: 200ms", "").await;
    let mut client = Client::connect(gateway.address).await;
    client.request("POST", "/", "Content-Length: 10\r\n").await;
    client.send("half").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.json()["reason"]), (408, &"request_timeout".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_too_large_is_answered_with_431() {
    let (gateway, origin) = limited("header_bytes: 2KiB, token_bytes: 1KiB, headers: 10", "").await;
    for fields in ["X: ".to_owned() + &"a".repeat(4096) + "\r\n", "X: a\r\n".repeat(10)] {
        let mut client = Client::connect(gateway.address).await;
        client.request("GET", "/", &fields).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, &reply.json()["reason"]), (431, &"header_too_large".into()));
        assert!(client.is_closed().await);
    }
    let mut flooded = Client::connect(gateway.address).await;
    flooded.send("GET / HTTP/1.1\r\nX: ").await;
    flooded.send("a".repeat(256 << 10)).await;
    assert_eq!(flooded.reply().await.status, 431);
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_answered_with_413() {
    let (gateway, origin) = limited("", "body_bytes: 1KiB").await;
    let mut announced = Client::connect(gateway.address).await;
    announced.request("POST", "/", "Content-Length: 1025\r\n").await;
    let reply = announced.reply().await;
    assert_eq!((reply.status, &reply.json()["reason"]), (413, &"body_too_large".into()));
    assert_eq!(origin.asked(), 0);
    let mut streamed = Client::connect(gateway.address).await;
    streamed.request("POST", "/", "Transfer-Encoding: chunked\r\n").await;
    streamed.send(format!("401\r\n{}\r\n0\r\n\r\n", "x".repeat(0x401))).await;
    assert_eq!(streamed.reply().await.status, 413);
    let mut fitting = Client::connect(gateway.address).await;
    fitting.request("POST", "/", "Content-Length: 1024\r\n").await;
    fitting.send("x".repeat(1024)).await;
    assert_eq!(fitting.reply().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_on_still_gets_its_answer() {
    let (gateway, _) = limited("", "body_bytes: 1KiB").await;
    for fields in ["Content-Length: 900000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut client = Client::connect(gateway.address).await;
        client.request("POST", "/", fields).await;
        client.send(format!("dbba0\r\n{}", "x".repeat(900_000))).await;
        assert_eq!(client.reply().await.status, 413, "{fields}");
        assert!(client.is_closed().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_share_of_connections() {
    let (gateway, _) = limited("connections: 10, connections_per_address: 2", "").await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(gateway.address).await;
        client.request("GET", "/", "").await;
        assert_eq!(client.reply().await.status, 200);
        held.push(client);
    }
    assert!(Client::connect(gateway.address).await.is_closed().await);
    let counted = r#"narrowgate_connections_refused_total{reason="connections_per_address"} 1"#;
    gateway.counts(counted).await;
    let mut last = held.pop().unwrap();
    last.request("GET", "/", "Connection: close\r\n").await;
    assert_eq!(last.reply().await.status, 200);
    assert!(last.is_closed().await);
    // The place is free once the gateway has seen the end; that may be a moment later than the client.
    loop {
        let mut client = Client::connect(gateway.address).await;
        client.request("GET", "/", "").await;
        if client.more().await {
            break;
        }
    }
}
