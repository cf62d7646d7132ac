//! Which resource a request belongs to, and what is never guessed (checklist 1.5 and the targets of 6.26).

use crate::client::{PROTOCOLS, Protocol, raw};
use crate::gateway::Gateway;

/// The API that a target of `api.example.com` reaches, with a token for each; or the refusal.
async fn reaches(gateway: &Gateway, host: &str, target: &str, protocol: Protocol) -> String {
    let mut verdicts = Vec::new();
    for resource in ["https://api.example.com", "https://api.example.com/orders", "https://api.example.com/v1/"] {
        let token = gateway.issuer("ISSUER_CORP").token(resource, "orders.read");
        let response = gateway.get(host, target, &token).send_by(protocol).await;
        match response.status {
            200 => return response.body,
            _ => verdicts.push(response.verdict()),
        }
    }
    verdicts.dedup();
    verdicts.join(", ")
}

#[tokio::test]
async fn a_request_belongs_to_the_longest_prefix_of_whole_segments() {
    let gateway = Gateway::start("isolation.yaml").await;
    for (target, api) in [
        ("/orders", "API_ORDERS"),
        ("/orders/", "API_ORDERS"),
        ("/orders/42", "API_ORDERS"),
        ("/orders?x=1", "API_ORDERS"),
        ("/orders/42/%20x?y=%2f..%2f", "API_ORDERS"),
        ("/ordersadmin", "API_ROOT"),
        ("/order", "API_ROOT"),
        ("/v1/", "API_V1"),
        ("/v1/a", "API_V1"),
        ("/", "API_ROOT"),
        ("/other", "API_ROOT"),
    ] {
        for protocol in PROTOCOLS {
            assert_eq!(reaches(&gateway, "api.example.com", target, protocol).await, api, "1.5 {target} {protocol:?}");
            // 9112-3.2-2: what was matched is what was forwarded.
            assert_eq!(gateway.api(api).last().target(), target);
        }
    }
    for host in ["api.example.com:443", "API.Example.COM"] {
        for protocol in PROTOCOLS {
            assert_eq!(reaches(&gateway, host, "/orders", protocol).await, "API_ORDERS", "1.5 {host}");
        }
    }
    let own_port = format!("api.example.com:{}", gateway.address.port());
    assert_eq!(reaches(&gateway, &own_port, "/orders", Protocol::Http1).await, "API_ORDERS");
}

#[tokio::test]
async fn a_target_with_two_readings_is_refused() {
    let gateway = Gateway::start("isolation.yaml").await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api.example.com/orders", "orders.read");
    for target in [
        "/orders/../billing",
        "/orders/./x",
        "/orders/..",
        "/orders/%2e%2e/x",
        "/orders/%2E%2e/x",
        "/orders/.%2e/x",
        "/orders/..;/billing",
        "/orders%2F42",
        "/orders%2f42",
        "/orders%5c42",
        "//orders",
        "/orders//42",
        "/orders\\x",
        "/orders/%00",
        "/orders/%0d%0a",
        "/orders/%252e%252e/x",
        "/orders/%zz",
        "/orders/%4",
        "/order%73",
        "/orders;x=1",
        "/orders/a;x",
        "/orders#a",
        // A case-insensitive API would take these for the orders (agreement).
        "/Orders",
        "/ORDERS/42",
        "/V1/a",
    ] {
        let text = format!(
            "GET {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let response = raw(gateway.address, text.as_bytes()).await;
        assert_eq!(response.status, 400, "1.5 {target}: {}", response.body);
    }
    for target in ["orders", "*", "api.example.com:443", "http:/orders", ""] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n");
        let response = raw(gateway.address, text.as_bytes()).await;
        assert_eq!(response.status, 400, "{target}: {response:?}");
    }
    assert_eq!(gateway.forwarded(), 0);
}

#[tokio::test]
async fn a_host_that_nobody_configured_has_no_default() {
    let gateway = Gateway::start("isolation.yaml").await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api.example.com", "");
    for host in ["evil.example", "api.example.com.evil.example", "127.0.0.1", "example.com", "api.example.com:8443"] {
        for protocol in PROTOCOLS {
            let response = gateway.get(host, "/", &token).send_by(protocol).await;
            assert_eq!(response.status, 421, "1.5 {host} {protocol:?}: {}", response.body);
        }
    }
    let dotted = gateway.get("api.example.com.", "/", &token).send().await;
    assert_eq!(dotted.status, 421, "{dotted:?}");
    // Absolute form names a host too; it is refused outright.
    for target in ["http://evil.example/orders", "https://evil.example/orders", "http://u@api.example.com/orders"] {
        let response = gateway.get("api.example.com", target, &token).send().await;
        assert_eq!(response.status, 400, "9112-3.2-1 {target}: {response:?}");
    }
    assert_eq!(gateway.forwarded(), 0);
}

#[tokio::test]
async fn exactly_one_host_is_sent() {
    let gateway = Gateway::start("isolation.yaml").await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api.example.com", "");
    let request = |hosts: &str| {
        format!("GET / HTTP/1.1\r\n{hosts}Authorization: Bearer {token}\r\nConnection: close\r\n\r\n").into_bytes()
    };
    for hosts in [
        "",
        "Host: api.example.com\r\nHost: api.example.com\r\n",
        "Host: api.example.com\r\nHost: evil.example\r\n",
        "Host: api.example.com, evil.example\r\n",
        "Host: u@api.example.com\r\n",
        "Host: api.example.com/orders\r\n",
        "Host: api.example.com:\r\n",
        "Host:\r\n",
        "Host: api example.com\r\n",
    ] {
        let response = raw(gateway.address, &request(hosts)).await;
        assert_eq!(response.status, 400, "9112-3.2-1 {hosts:?}: {response:?}");
    }
    // H2-8.2-1: `:authority` and `Host` must agree.
    let ask = gateway.get("api.example.com", "/", &token).header("host", "evil.example");
    assert_eq!(ask.send_by(Protocol::Http2).await.status, 400);
    assert_eq!(gateway.forwarded(), 0);
}

#[tokio::test]
async fn connect_and_trace_are_not_served() {
    let gateway = Gateway::start("isolation.yaml").await;
    for (method, target) in [("TRACE", "/orders"), ("CONNECT", "api.example.com:443"), ("CONNECT", "/orders")] {
        let response = gateway.ask(method, "api.example.com", target).send().await;
        assert_eq!(response.status, 405, "HTTP-9.3-1 {method} {target}: {response:?}");
    }
    let trace = gateway.ask("TRACE", "api.example.com", "/orders").send_by(Protocol::Http2).await;
    assert_eq!(trace.status, 405);
    assert_eq!(gateway.forwarded(), 0);
}
