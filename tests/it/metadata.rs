//! Protected resource metadata (checklist 6.5 and 1.6: RFC 9728).

use serde_json::json;

use crate::client::PROTOCOLS;
use crate::gateway::Gateway;

const PREFIX: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn every_resource_has_its_document_at_its_own_place() {
    let gateway = Gateway::start("metadata.yaml").await;
    for (host, path, resource) in [
        ("api.example.com", "", Some("https://api.example.com")),
        ("api.example.com", "/orders", Some("https://api.example.com/orders")),
        ("api.example.com", "/v1/", Some("https://api.example.com/v1/")),
        ("mcp.example.com", "/mcp", Some("https://mcp.example.com/mcp")),
        // 9728-3.3-1: never another resource's document.
        ("mcp.example.com", "", None),
        ("api.example.com", "/nope", None),
        ("api.example.com", "/orders/42", None),
        ("api.example.com", "/v1", None),
        ("api.example.com", "/Orders", None),
        ("public.example.com", "", None),
    ] {
        for protocol in PROTOCOLS {
            let response = gateway.ask("GET", host, &format!("{PREFIX}{path}")).send_by(protocol).await;
            let Some(resource) = resource else {
                assert_eq!(response.status, 404, "9728-3.3-1 {host} {path} {protocol:?}: {}", response.body);
                continue;
            };
            assert_eq!(response.status, 200, "9728-3-1 {host} {path} {protocol:?}");
            assert_eq!(response.field("content-type"), "application/json", "9728-3.2-1");
            assert_eq!(response.field("access-control-allow-origin"), "*", "CORS-1");
            assert_eq!(response.field("access-control-allow-credentials"), "", "CORS-6");
            let document = response.json();
            assert_eq!(document["resource"], resource, "9728-2-1");
            assert_eq!(document["bearer_methods_supported"], json!(["header"]), "9728-2-4");
            assert!(document["resource_name"].is_string(), "9728-2-5 {document}");
            let empty = document.as_object().expect("one object").values().any(|value| *value == json!([]));
            assert!(!empty, "9728-3.2-1: no empty arrays: {document}");
        }
    }
    // 9728-3.2-2: never forwarded, and no catch-all wins.
    assert_eq!(gateway.forwarded(), 0);
}

#[tokio::test]
async fn a_document_names_the_issuers_and_scopes_of_its_own_resource() {
    let gateway = Gateway::start("metadata.yaml").await;
    let document = async |path| gateway.ask("GET", "api.example.com", path).send().await;
    let (corp, partner) = (gateway.issuer("ISSUER_CORP").url(), gateway.issuer("ISSUER_PARTNER").url());
    let root = document(PREFIX).await.json();
    assert_eq!(root["authorization_servers"], json!([corp]), "9728-2-2");
    assert_eq!(root["resource_name"], "The root", "9728-2-5");
    assert_eq!(root.get("scopes_supported"), None, "9728-2-3");
    let orders = document("/.well-known/oauth-protected-resource/orders").await.json();
    assert_eq!(orders["authorization_servers"], json!([corp, partner]), "9728-2-2");
    assert_eq!(orders["scopes_supported"], json!(["orders.read"]), "9728-2-3");
}

#[tokio::test]
async fn a_document_is_read_and_nothing_else() {
    let gateway = Gateway::start("metadata.yaml").await;
    let head = gateway.ask("HEAD", "api.example.com", PREFIX).send().await;
    assert_eq!((head.status, head.body.as_str()), (200, ""), "9728-3.1-1");
    for method in ["POST", "PUT", "DELETE"] {
        let response = gateway.ask(method, "api.example.com", PREFIX).send().await;
        assert_eq!(response.status, 405, "9728-3.1-1 {method}");
        assert!(response.field("allow").contains("GET"), "{:?}", response.headers);
    }
}

/// 9728-7.3-1: what a client says about the host changes no URL.
#[tokio::test]
async fn urls_come_from_the_configuration() {
    let gateway = Gateway::start("metadata.yaml").await;
    let ask = |target| gateway.ask("GET", "api.example.com", target).header("x-forwarded-host", "evil.example");
    let forged = ask(PREFIX).header("forwarded", "host=evil.example").header("x-forwarded-proto", "http");
    assert_eq!(forged.send().await.json()["resource"], "https://api.example.com");
    let refused = ask("/orders/42").send().await;
    let expected = "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/orders\"";
    // 9728-3.3-2: a sub-path's challenge points to the resource that covers it.
    assert!(refused.challenge().contains(expected), "{}", refused.challenge());
    assert_eq!(gateway.ask("GET", "evil.example", PREFIX).send().await.status, 421);
}
