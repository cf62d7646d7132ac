//! A message that can be read in two ways reaches nobody.

use crate::client::Client;
use crate::gateway::{Running, start_public};
use crate::origin::{Origin, RawOrigin};

/// The reason of the refusal; the connection must end with it.
async fn refused(gateway: &Running, bytes: &str) -> (u16, String) {
    let mut client = Client::connect(gateway.address).await;
    client.send(bytes).await;
    let reply = client.reply().await;
    assert!(client.is_closed().await, "{bytes:?} leaves the connection open");
    (reply.status, reply.json()["reason"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_lengths_are_refused_and_the_connection_closed() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: -5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: a\r\n Transfer-Encoding: chunked\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: api.example\r\n{fields}\r\n");
        assert_eq!(refused(&gateway, &request).await, (400, "framing_invalid".to_owned()), "{fields:?}");
    }
    let old = "POST / HTTP/1.0\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(&gateway, old).await, (400, "framing_invalid".to_owned()));
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_line_ends_are_refused() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    for request in [
        "GET / HTTP/1.1\nHost: api.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example\r\n\n",
    ] {
        assert_eq!(refused(&gateway, request).await, (400, "framing_invalid".to_owned()), "{request:?}");
    }
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_line_is_not_repaired() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    for target in ["/a b", "/a\0b", "/a\tb", "/ HTTP/1.1", "/a<b>", "zz", "http://api.example/", "/\u{e9}"] {
        let mut client = Client::connect(gateway.address).await;
        client.request("GET", target, "").await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 400, "{target:?} {}", reply.head);
    }
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused_in_our_words_and_counted() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    assert_eq!(refused(&gateway, "\u{1}\u{2}rubbish\r\n\r\n").await, (400, "framing_invalid".to_owned()));
    assert_eq!(refused(&gateway, "GET / HTTP/1.1\r\nHost : a\r\n\r\n").await, (400, "framing_invalid".to_owned()));
    gateway.counts(r#"narrowgate_connections_refused_total{reason="malformed"} 2"#).await;
    let connect = "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n";
    let mut client = Client::connect(gateway.address).await;
    client.send(connect).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.json()["reason"]), (405, &"method_not_allowed".into()));
    assert!(reply.field("allow").is_some() && reply.field("server").is_none());
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_read_never_becomes_a_request() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    // Unknown host: answered before the body is read.
    let inner = "GET /smuggled HTTP/1.1\r\nHost: api.example\r\n\r\n";
    client.send(format!("POST / HTTP/1.1\r\nHost: other\r\nContent-Length: {}\r\n\r\n", inner.len())).await;
    assert_eq!(client.reply().await.status, 421);
    client.send(inner).await;
    assert!(client.is_closed().await);
    assert_eq!(origin.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_none_never_reach_the_next_request() {
    let mut origin = RawOrigin::start().await;
    let gateway = start_public(origin.address).await;
    for chunks in ["zz\r\nabc\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFE\r\nabc\r\n0\r\n\r\n", "-1\r\nabc\r\n0\r\n\r\n"] {
        let mut client = Client::connect(gateway.address).await;
        client.request("POST", "/", "Transfer-Encoding: chunked\r\n").await;
        client.send(chunks).await;
        while client.more().await {}
    }
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/after", "").await;
    assert_eq!(client.reply().await.status, 200);
    while let Some((_, head)) = origin.heads.recv().await {
        assert!(head.starts_with("post / http/1.1") || head.starts_with("get /after"), "{head:?}");
        if head.starts_with("get /after") {
            break;
        }
    }
}
