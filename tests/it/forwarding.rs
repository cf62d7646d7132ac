//! What an API receives: the path that was matched, identity that only the gateway wrote, and one framing (checklist
//! 6.26: RFC 9110, 9112, 7239).

use serde_json::json;

use crate::api::Seen;
use crate::client::{PROTOCOLS, Protocol, raw};
use crate::gateway::Gateway;

const API1: &str = "api1.example.com";

fn token(gateway: &Gateway, host: &str) -> String {
    gateway.issuer("ISSUER_CORP").token(&format!("https://{host}"), "x")
}

/// Whether a field is a client's copy of one that the gateway owns, in any spelling.
fn is_identity(name: &str) -> bool {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    ["x-user", "x-name", "x-client"].contains(&plain.as_str())
}

/// Exactly one way to tell where the body ends, or none where there is no body.
fn assert_one_framing(seen: &Seen) {
    let framing = seen.values("content-length").len() + seen.values("transfer-encoding").len();
    assert!(framing <= 1, "{}", seen.head);
}

#[tokio::test]
async fn the_path_arrives_byte_for_byte() {
    let gateway = Gateway::start("forwarding.yaml").await;
    for (host, api) in [(API1, "API_1"), ("api3.example.com", "API_3")] {
        for target in
            ["/", "/a", "/a/", "/a?", "/a?b=c&b=%2F%zz..//", "/%20%C3%A4%3B", "/a:b@c!$&'()*+,=", "/A/b~c-d_e.f"]
        {
            for protocol in PROTOCOLS {
                let response = gateway.get(host, target, &token(&gateway, host)).send_by(protocol).await;
                assert_eq!(response.verdict(), "200", "{target} by {protocol:?}");
                assert_eq!(gateway.api(api).last().target(), target, "9112-3.2-2 by {protocol:?}");
            }
        }
    }
    for (target, arrives) in [("/v4", "/"), ("/v4/", "/"), ("/v4/a?b", "/a?b"), ("/v4?b", "/?b")] {
        let host = "api4.example.com";
        let token = gateway.issuer("ISSUER_CORP").token("https://api4.example.com/v4", "x");
        assert_eq!(gateway.get(host, target, &token).send().await.verdict(), "200", "{target}");
        assert_eq!(gateway.api("API_4").last().target(), arrives);
    }
}

#[tokio::test]
async fn identity_is_what_the_token_says_and_never_what_the_client_wrote() {
    let gateway = Gateway::start("forwarding.yaml").await;
    let issuer = gateway.issuer("ISSUER_CORP");
    let mut claims = issuer.claims("https://api1.example.com", "x");
    claims["sub"] = json!("J\u{f6}rg\r\nX-User: root");
    let token = issuer.key().token(&claims);
    let spellings = ["X-User", "x-user", "X_User", "X.User", "x~user", "X-Client", "X_CLIENT", "X-Name", "x_name"];
    for protocol in PROTOCOLS {
        let ask = spellings.iter().fold(gateway.get(API1, "/", &token), |ask, name| ask.header(name, "root"));
        assert_eq!(ask.send_by(protocol).await.verdict(), "200");
        let seen = gateway.api("API_1").last();
        let identity: Vec<_> = seen.names().into_iter().filter(|name| is_identity(name)).collect();
        // HTTP-5.5-1: line breaks stay inside the value; a missing claim gives no header.
        assert_eq!(identity.len(), 1, "{protocol:?}: {}", seen.head);
        assert_eq!(seen.values("x-user"), ["corp|J%C3%B6rg%0D%0AX-User: root"]);
        assert!(seen.values("authorization").is_empty(), "`forward: none` is the default: {}", seen.head);
    }
    // On public ground nobody is anybody.
    let ask = spellings.iter().fold(gateway.get(API1, "/public", &token), |ask, name| ask.header(name, "root"));
    assert_eq!(ask.send().await.verdict(), "200");
    let seen = gateway.api("API_1").last();
    assert!(!seen.names().into_iter().any(is_identity), "{}", seen.head);
    assert!(seen.values("authorization").is_empty());
}

#[tokio::test]
async fn trailers_cannot_carry_identity() {
    let gateway = Gateway::start("forwarding.yaml").await;
    let token = token(&gateway, API1);
    for trailers in
        ["X-User: root\r\n", "x_user: root\r\nX-Other: 1\r\n", "Authorization: Bearer x\r\n", "Content-Length: 0\r\n"]
    {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {API1}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\nTrailer: X-User\r\n\r\n4\r\nbody\r\n0\r\n{trailers}\r\n"
        );
        let response = raw(gateway.address, request.as_bytes()).await;
        let Some(seen) = gateway.api("API_1").requests().pop() else {
            assert_eq!(response.status, 400, "{trailers:?}");
            continue;
        };
        let body = String::from_utf8_lossy(&seen.body).to_lowercase();
        assert!(!body.contains("root") && !body.contains("bearer") && !body.contains("content-length"), "{body}");
        assert_one_framing(&seen);
    }
}

#[tokio::test]
async fn trailers_of_http2_cannot_carry_identity_either() {
    let gateway = Gateway::start("forwarding.yaml").await;
    for (host, api) in [(API1, "API_1"), ("api3.example.com", "API_3")] {
        let ask = gateway.ask("POST", host, "/t").header("authorization", &format!("Bearer {}", token(&gateway, host)));
        let ask = ask.header("te", "trailers").body("body").trailer("x-user", "root").trailer("x_user", "root");
        let response =
            ask.trailer("authorization", "Bearer root").trailer("x-checksum", "7").send_by(Protocol::Http2).await;
        assert_eq!(response.verdict(), "200");
        let seen = gateway.api(api).last();
        let body = String::from_utf8_lossy(&seen.body).to_lowercase();
        assert!(body.contains("body") && !body.contains("root"), "{api}: {body}");
        assert_one_framing(&seen);
    }
}

#[tokio::test]
async fn connection_cannot_take_away_what_the_gateway_writes() {
    let gateway = Gateway::start("forwarding.yaml").await;
    for nominated in ["X-User", "x-user, X-Foo", "Authorization", "Host", "Content-Length", "X-Forwarded-For"] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {API1}\r\nAuthorization: Bearer {}\r\nConnection: close, {nominated}\r\nX-Foo: 1\r\n\
             Content-Length: 4\r\n\r\nbody",
            token(&gateway, API1)
        );
        let before = gateway.forwarded();
        let response = raw(gateway.address, request.as_bytes()).await;
        if response.status == 400 {
            assert_eq!(gateway.forwarded(), before);
            continue;
        }
        assert_eq!(response.status, 200, "HTTP-7.6.1-2 {nominated}: {response:?}");
        let seen = gateway.api("API_1").last();
        assert_eq!(seen.values("x-user"), ["corp|jane"], "{nominated}");
        assert_eq!(seen.values("host").len(), 1, "{nominated}: {}", seen.head);
        assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"], "{nominated}");
        assert!(String::from_utf8_lossy(&seen.body).contains("body"), "{nominated}: {:?}", seen.body);
        assert_one_framing(&seen);
        if nominated.contains("X-Foo") {
            assert!(seen.values("x-foo").is_empty(), "HTTP-7.6.1-1: {}", seen.head);
        }
    }
}

/// RFC 9110 §5.2: fields of one name are one list, also where the connection's end is said.
#[tokio::test]
async fn a_connection_ends_where_any_field_says_so() {
    let gateway = Gateway::start("forwarding.yaml").await;
    let token = token(&gateway, API1);
    for fields in ["Connection: close", "Connection: X-Foo\r\nConnection: close", "Connection: X-Foo, CLOSE"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {API1}\r\nAuthorization: Bearer {token}\r\n{fields}\r\n\r\n");
        // It reads until the connection ends.
        assert_eq!(raw(gateway.address, request.as_bytes()).await.status, 200, "{fields}");
    }
}

#[tokio::test]
async fn fields_of_one_hop_and_fields_that_lie_do_not_arrive() {
    let gateway = Gateway::start("forwarding.yaml").await;
    let spoofed = [
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers, deflate",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "Proxy-Authorization: Basic YTpi",
        "Forwarded: for=10.0.0.1;host=evil.example",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-User: root",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-HTTP-Method-Override: DELETE",
        "X-Method-Override: DELETE",
        "Remote-User: root",
        "X_Forwarded_For: 10.0.0.1",
    ];
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {API1}\r\nAuthorization: Bearer {}\r\nConnection: close, upgrade, te, http2-settings\r\n{}\r\n\r\n",
        token(&gateway, API1),
        spoofed.join("\r\n")
    );
    let response = raw(gateway.address, request.as_bytes()).await;
    assert_eq!(response.status, 200, "{response:?}");
    let seen = gateway.api("API_1").last();
    for field in spoofed {
        let (name, value) = field.split_once(": ").expect("a field has a value");
        assert!(!seen.values(name).contains(&value), "7239-8.1-1, HTTP-7.6.1-1 {field}: {}", seen.head);
    }
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"], "7239-4-1");
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.values("x-forwarded-host"), [API1]);
    assert!(
        !seen.head.contains("10.0.0.1") && !seen.head.contains("root") && !seen.head.contains("evil"),
        "{}",
        seen.head
    );
}

#[tokio::test]
async fn a_body_has_one_length() {
    let gateway = Gateway::start("forwarding.yaml").await;
    let start = |rest: &str| {
        let token = token(&gateway, API1);
        format!("POST / HTTP/1.1\r\nHost: {API1}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{rest}")
            .into_bytes()
    };
    for (row, rest) in [
        ("9112-6.3-1 CL.TE", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-1 TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-2", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-2", "Transfer-Encoding: identity\r\n\r\n"),
        ("9112-6.3-2", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-2", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-2", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-2", "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-2", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("9112-6.3-2", "Content-Length: +5\r\n\r\nhello"),
        ("9112-6.3-2", "Content-Length: 5, 6\r\n\r\nhello"),
        ("9112-6.3-2", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ("9112-6.3-2", "Content-Length: 0x5\r\n\r\nhello"),
        ("9112-6.3-2", "Content-Length: -1\r\n\r\nhello"),
        ("9112-6.3-2", "Content-Length: 99999999999999999999\r\n\r\nhello"),
        ("9112-6.3-2", "Content-Length:\r\n\r\nhello"),
        ("9112-7.1-1", "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n"),
        ("9112-7.1-1", "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
        ("9112-7.1-1", "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("9112-5.1-1", "X-A : 1\r\n\r\n"),
        ("9112-5.1-1 fold", "X-A: 1\r\n 2\r\n\r\n"),
        ("9112-2.2-1", "X-A: 1\rX-User: root\r\n\r\n"),
        ("9112-2.2-1 bare LF", "X-A: 1\nX-User: root\r\n\r\n"),
        ("HTTP-5.5-1 NUL", "X-A: 1\0\r\n\r\n"),
        ("9112-5.1-1 no colon", "X-A\r\n\r\n"),
    ] {
        let before = gateway.forwarded();
        let response = raw(gateway.address, &start(rest)).await;
        assert_eq!(response.status, 400, "{row} {rest:?}: {response:?}");
        // What is found wrong inside a body is found after its head was forwarded; then the exchange just ends.
        if !row.starts_with("9112-7.1") {
            assert_eq!(gateway.forwarded(), before, "{row} {rest:?}");
        }
    }
    let old = format!("POST / HTTP/1.0\r\nHost: {API1}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(raw(gateway.address, old.as_bytes()).await.status, 400, "9112-6.3-2 on HTTP/1.0");
}

#[tokio::test]
async fn a_good_body_arrives_whole_and_framed_once() {
    let gateway = Gateway::start("forwarding.yaml").await;
    for (host, api) in [(API1, "API_1"), ("api3.example.com", "API_3")] {
        for protocol in PROTOCOLS {
            for body in ["x".to_owned(), "y".repeat(40_000)] {
                let ask = gateway
                    .ask("PUT", host, "/b")
                    .header("authorization", &format!("Bearer {}", token(&gateway, host)));
                assert_eq!(ask.body(&body).send_by(protocol).await.verdict(), "200", "{protocol:?}");
                let seen = gateway.api(api).last();
                assert_one_framing(&seen);
                let arrived = String::from_utf8_lossy(&seen.body).replace("\r\n", "");
                assert_eq!(arrived.matches(body.chars().next().expect("a body")).count(), body.len(), "{protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_by_name() {
    let gateway = Gateway::start("forwarding.yaml").await;
    let ask = || gateway.get(API1, "/", &token(&gateway, API1));
    let large = ask().body("x".repeat(70_000)).send().await;
    assert_eq!(large.status, 413, "HTTP-LIM-1 body: {large:?}");
    for protocol in PROTOCOLS {
        let many = (0..80).fold(ask(), |ask, at| ask.header(&format!("x-{at}"), "1")).send_by(protocol).await;
        assert_eq!(many.status, 431, "HTTP-LIM-1 fields {protocol:?}: {many:?}");
    }
    assert_eq!(gateway.forwarded(), 0);
}

/// HTTP-11.6.1-1: a challenge of the API would lead clients elsewhere.
#[tokio::test]
async fn an_api_that_refuses_is_not_taken_at_its_word() {
    let gateway = Gateway::start("forwarding.yaml").await;
    for protocol in PROTOCOLS {
        // Without a credential the API's 401 is the gateway's own fault.
        let response = gateway.get(API1, "/answers/401", &token(&gateway, API1)).send_by(protocol).await;
        assert_eq!(response.verdict(), "502 upstream_unauthorized");
        let host = "api2.example.com";
        let response = gateway.get(host, "/answers/401", &token(&gateway, host)).send_by(protocol).await;
        assert_eq!(response.status, 401);
        assert!(!response.challenge().contains("evil"), "{}", response.challenge());
        assert!(response.challenge().contains("https://api2.example.com/.well-known/"), "{}", response.challenge());
        assert!(!response.challenge().contains("error="), "{}", response.challenge());
        let response = gateway.get(host, "/answers/403", &token(&gateway, host)).send_by(protocol).await;
        assert_eq!(response.status, 403);
        assert!(!format!("{:?}", response.headers).contains("evil"), "{:?}", response.headers);
        let response = gateway.get(host, "/", &token(&gateway, host)).send_by(Protocol::Http1).await;
        assert_eq!(response.field("x-api"), "yes");
        assert!(!gateway.api("API_2").last().values("authorization").is_empty(), "`forward: token` keeps it");
    }
}
