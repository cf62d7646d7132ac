//! WebSockets: only where they are asked for, never torn down at random, and never older than their token.

use narrowgate::clock::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::gateway::{Issuer, Running, protected, public, start, start_public, start_with};
use crate::origin::RawOrigin;

const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn open(gateway: &Running, fields: &str) -> Client {
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/socket", &format!("{UPGRADE}{fields}")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

/// Pingora's issue #946: before the workaround about one in ten of these was torn down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_is_never_torn_down_at_random() {
    let origin = RawOrigin::start().await;
    let gateway = start(&public(origin.address, "upgrade: [websocket]")).await;
    for attempt in 0..300 {
        let mut client = open(&gateway, "").await;
        assert_eq!(client.bytes(2).await, b"hi", "attempt {attempt}");
        client.send("ping").await;
        assert_eq!(client.bytes(4).await, b"ping", "attempt {attempt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_nobody_allowed_is_an_ordinary_request() {
    let mut origin = RawOrigin::start().await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/socket", UPGRADE).await;
    assert_eq!(client.reply().await.status, 200);
    let (_, head) = origin.heads.recv().await.unwrap();
    assert!(!head.contains("upgrade"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_nominated_websocket_is_passed_on() {
    let mut origin = RawOrigin::start().await;
    let gateway = start(&public(origin.address, "upgrade: [websocket]")).await;
    for fields in [
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
    ] {
        let mut client = Client::connect(gateway.address).await;
        client.request("GET", "/socket", fields).await;
        assert_eq!(client.reply().await.status, 200, "{fields:?}");
        let (_, head) = origin.heads.recv().await.unwrap();
        assert!(!head.contains("upgrade"), "{fields:?} became {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_ends_at_its_age() {
    let origin = RawOrigin::start().await;
    let yaml = format!("limits: {{ tunnel_age: 300ms }}\n{}", public(origin.address, "upgrade: [websocket]"));
    let gateway = start(&yaml).await;
    let mut client = open(&gateway, "").await;
    assert_eq!(client.bytes(2).await, b"hi");
    assert!(client.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_ends_with_its_token() {
    let (origin, issuer) = (RawOrigin::start().await, Issuer::new());
    let gateway = start_with(&protected(origin.address, "upgrade: [websocket]"), &issuer, |_| {}).await;
    let token = issuer.token_until(Timestamp::now().0 + 2);
    let mut client = open(&gateway, &format!("Authorization: Bearer {token}\r\n")).await;
    assert_eq!(client.bytes(2).await, b"hi");
    client.send("ping").await;
    assert_eq!(client.bytes(4).await, b"ping");
    assert!(client.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_needs_a_token_like_any_request() {
    let origin = RawOrigin::start().await;
    let gateway = start(&protected(origin.address, "upgrade: [websocket]")).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/socket", UPGRADE).await;
    assert_eq!(client.reply().await.status, 401);
}

/// Answers the first request with these bytes and echoes what comes behind it.
async fn answering(answer: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut head).await.unwrap() > 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut reads, mut writes) = stream.split();
        let _ = tokio::io::copy(&mut reads, &mut writes).await;
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_opens_no_tunnel_that_nobody_asked_for() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nraw";
    let gateway = start_public(answering(switched).await).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/", "").await;
    assert_eq!(client.reply().await.status, 502, "nobody asked for anything");
    let gateway = start(&public(answering(switched).await, "upgrade: [websocket]")).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/socket", UPGRADE).await;
    assert_eq!(client.reply().await.status, 502, "another protocol was asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_body_opens_no_tunnel() {
    let mut origin = RawOrigin::start().await;
    let gateway = start(&public(origin.address, "upgrade: [websocket]")).await;
    for (method, more) in [("POST", ""), ("GET", "Content-Length: 0\r\n")] {
        let mut client = Client::connect(gateway.address).await;
        client.request(method, "/socket", &format!("{UPGRADE}{more}")).await;
        assert_eq!(client.reply().await.status, 200, "{method}");
        let (_, head) = origin.heads.recv().await.unwrap();
        assert!(!head.contains("upgrade:"), "{head}");
    }
}
