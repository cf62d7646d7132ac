//! What the upstream gets, and what comes back.

use crate::client::Client;
use crate::gateway::{Issuer, protected, public, start, start_public, start_with};
use crate::origin::Origin;

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_gets_the_target_as_it_came_and_its_own_host() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/a%20b/?x=%2F&y", "Accept: */*\r\n").await;
    let reply = client.reply().await;
    let told = reply.json();
    assert_eq!((reply.status, &told["target"]), (200, &"/a%20b/?x=%2F&y".into()));
    let fields = &told["fields"];
    assert_eq!(fields["host"][0], origin.address.to_string());
    assert_eq!(fields["x-forwarded-host"][0], "api.example");
    assert_eq!(fields["x-forwarded-for"][0], "127.0.0.1");
    assert_eq!(fields["x-forwarded-proto"][0], "http");
    assert_eq!(fields["via"][0], "1.1 narrowgate");
    assert!(fields["traceparent"][0].as_str().unwrap().starts_with("00-"));
    assert_eq!(reply.field("server"), Some("origin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_only_the_gateway_may_say_gets_through() {
    let (origin, issuer) = (Origin::start(false).await, Issuer::new());
    let yaml = protected(origin.address, "identity_headers: { X-User: sub }");
    let gateway = start_with(&yaml, &issuer, |_| {}).await;
    let mut client = Client::connect(gateway.address).await;
    let spoofed = "X-User: root\r\nx_user: root\r\nX.USER: root\r\nForwarded: for=1\r\nX-Forwarded-For: 1.1.1.1\r\n\
                   X_Forwarded_Host: evil\r\nX-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\n\
                   Remote-User: root\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\n\
                   Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAAA\r\nExpect: nothing\r\n\
                   Cookie: __Host-narrowgate-session=s; a=b; narrowgate-browser=b\r\n";
    client.request("GET", "/", &format!("{spoofed}Authorization: Bearer {}\r\n", issuer.token())).await;
    let told = client.reply().await.json();
    let names: Vec<&String> = told["fields"].as_object().unwrap().keys().collect();
    let expected =
        ["cookie", "host", "traceparent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-user"];
    assert_eq!(names, expected, "{told}");
    assert_eq!(told["fields"]["x-user"], serde_json::json!(["corp|ada"]));
    assert_eq!(told["fields"]["x-forwarded-for"], serde_json::json!(["127.0.0.1"]));
    assert_eq!(told["fields"]["cookie"], serde_json::json!(["a=b"]), "what our issuer keeps in a browser stays here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_nominate_away_what_the_gateway_says() {
    let (origin, issuer) = (Origin::start(false).await, Issuer::new());
    let yaml = protected(origin.address, "identity_headers: { X-User: sub }");
    let gateway = start_with(&yaml, &issuer, |_| {}).await;
    let mut client = Client::connect(gateway.address).await;
    let token = issuer.token();
    client
        .request("GET", "/", &format!("Authorization: Bearer {token}\r\nConnection: X-User, Authorization\r\n"))
        .await;
    let told = client.reply().await.json();
    assert_eq!(told["fields"]["x-user"], serde_json::json!(["corp|ada"]));
    assert!(told["fields"].get("authorization").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_the_upstreams_connection_stays_there() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/", "").await;
    let reply = client.reply().await;
    assert!(reply.field("x-hop").is_none() && reply.field("keep-alive").is_none(), "{}", reply.head);
    assert_eq!(reply.field("connection"), Some("keep-alive"));
    assert_eq!(reply.field("access-control-allow-origin"), Some("*"), "without a policy it is the API's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_resource_stands_in_for_the_upstreams() {
    let origin = Origin::start(false).await;
    let gateway = start(&public(origin.address, "cors: { origins: [https://app.example] }")).await;
    let mut client = Client::connect(gateway.address).await;
    for (page, allowed) in [("https://app.example", Some("https://app.example")), ("https://evil.example", None)] {
        client.request("GET", "/", &format!("Origin: {page}\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(reply.field("access-control-allow-origin"), allowed);
        assert!(reply.field("access-control-allow-credentials").is_none());
        assert_eq!(reply.field("access-control-expose-headers"), Some("etag"));
        assert!(reply.head.to_ascii_lowercase().contains("vary: origin") && reply.head.contains("accept"));
    }
    let asked = origin.asked();
    client.request("OPTIONS", "/", "Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n").await;
    assert_eq!((client.reply().await.status, origin.asked()), (204, asked), "a preflight is not forwarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_of_the_caller_is_honoured() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    client.request("GET", "/", &format!("traceparent: {trace}\r\n")).await;
    assert_eq!(client.reply().await.json()["fields"]["traceparent"], serde_json::json!([trace]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_one_request_after_the_other() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    for length in [0, 5, 70_000] {
        let fields = format!("Content-Length: {length}\r\n");
        client.request("POST", "/", &fields).await;
        client.send("x".repeat(length)).await;
        assert_eq!(client.reply().await.json()["length"], length);
    }
    client.request("PUT", "/", "Transfer-Encoding: chunked\r\n").await;
    client.send("3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").await;
    let told = client.reply().await.json();
    assert_eq!((&told["length"], &told["fields"]["transfer-encoding"][0]), (&7.into(), &"chunked".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("GET", "/events", "").await;
    client.head().await;
    assert_eq!(client.bytes(14).await, b"9\r\ndata: 1\n\n\r\n");
    origin.release.notify_one();
    assert_eq!(client.bytes(14).await, b"9\r\ndata: 2\n\n\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_gets_no_chunks() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.send("GET /events HTTP/1.0\r\nHost: api.example\r\n\r\n").await;
    let head = client.head().await.to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding") && head.contains("connection: close"), "{head}");
    origin.release.notify_one();
    assert_eq!(client.bytes(18).await, b"data: 1\n\ndata: 2\n\n");
    assert!(client.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_streams_through() {
    const CHUNK: usize = 1 << 20;
    const CHUNKS: usize = 256;
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("POST", "/", &format!("Content-Length: {}\r\n", CHUNK * CHUNKS)).await;
    let before = peak_memory();
    let chunk = vec![b'x'; CHUNK];
    for _ in 0..CHUNKS {
        client.send(&chunk).await;
    }
    assert_eq!(client.reply().await.json()["length"], CHUNK * CHUNKS);
    let grown = peak_memory() - before;
    assert!(grown < 64 << 10, "{grown} KiB more for {} KiB", (CHUNK * CHUNKS) >> 10);
}

/// The most memory that this process has ever held, in KiB.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_waits_for_permission_gets_it_at_once() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    for _ in 0..2 {
        client.request("POST", "/", "Content-Length: 3\r\nExpect: 100-continue\r\n").await;
        assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("abc").await;
        let reply = client.reply().await;
        assert_eq!((reply.status, &reply.json()["length"]), (200, &3.into()));
        assert_eq!(reply.field("connection"), Some("keep-alive"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_no_content_have_no_body() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("HEAD", "/", "").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client.request("GET", "/", "").await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_trusted_is_believed() {
    let origin = Origin::start(false).await;
    let yaml = format!("trusted_proxies: [127.0.0.0/8]\n{}", public(origin.address, ""));
    let gateway = start(&yaml).await;
    let mut client = Client::connect(gateway.address).await;
    client
        .send("GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-Host: api.example\r\nX-Forwarded-For: 203.0.113.9\r\n")
        .await;
    client.send("X-Forwarded-Proto: https\r\n\r\n").await;
    let fields = client.reply().await.json()["fields"].clone();
    assert_eq!(fields["x-forwarded-for"], serde_json::json!(["203.0.113.9, 127.0.0.1"]));
    assert_eq!(fields["x-forwarded-proto"], serde_json::json!(["https"]));
    assert_eq!(fields["x-forwarded-host"], serde_json::json!(["api.example"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_nominate_its_own_credential_away() {
    let (origin, issuer) = (Origin::start(false).await, Issuer::new());
    let gateway = start_with(&protected(origin.address, "forward: token"), &issuer, |_| {}).await;
    let mut client = Client::connect(gateway.address).await;
    let credential = format!("Bearer {}", issuer.token());
    client.request("GET", "/", &format!("Authorization: {credential}\r\nConnection: Authorization\r\n")).await;
    assert_eq!(client.reply().await.json()["fields"]["authorization"][0], credential);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_behind_a_chunked_body() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let mut client = Client::connect(gateway.address).await;
    client.request("POST", "/echo", "Transfer-Encoding: chunked\r\n").await;
    client.send("3\r\nabc\r\n0\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (200, Some("close")));
}
