//! Rules: they add up, they name the methods that would do, and a parameterized scope is bound to its path.

use crate::client::PROTOCOLS;
use crate::gateway::Gateway;

const API1: &str = "api1.example.com";
const API2: &str = "api2.example.com";

async fn holds(gateway: &Gateway, host: &str, cases: &[(&str, &str, Option<&str>, &str)]) {
    for (method, target, scope, verdict) in cases {
        let mut ask = gateway.ask(method, host, target);
        if let Some(scope) = scope {
            let token = gateway.issuer("ISSUER_CORP").token(&format!("https://{host}"), scope);
            ask = ask.header("authorization", &format!("Bearer {token}"));
        }
        for protocol in PROTOCOLS {
            let before = gateway.forwarded();
            let response = ask.send_by(protocol).await;
            assert_eq!(response.verdict(), *verdict, "{method} {target} with {scope:?} by {protocol:?}");
            assert_eq!(gateway.forwarded() - before, usize::from(response.status == 200));
        }
    }
}

#[tokio::test]
async fn a_request_needs_the_scopes_of_every_rule_that_matches_it() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let cases = [
        ("GET", "/x", Some("read"), "200"),
        ("GET", "/x", Some("read reports admin"), "200"),
        ("GET", "/x", Some(""), "403 scope_insufficient"),
        ("GET", "/x", Some("write"), "403 scope_insufficient"),
        ("GET", "/x", Some("Read"), "403 scope_insufficient"),
        ("POST", "/x", Some("read"), "403 scope_insufficient"),
        ("POST", "/x", Some("read write"), "200"),
        ("DELETE", "/files", Some("read"), "403 scope_insufficient"),
        ("PUT", "/files", Some("read"), "403 scope_insufficient"),
        ("PUT", "/files", Some("read write"), "200"),
        ("GET", "/files", Some("read"), "200"),
        ("OPTIONS", "/x", Some("read"), "200"),
        ("OPTIONS", "/x", None, "401 credential_missing"),
    ];
    holds(&gateway, API1, &cases).await;
}

#[tokio::test]
async fn a_parameterized_scope_is_good_for_its_own_value() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let cases = [
        ("POST", "/transactions/7", Some("read write transaction:7"), "200"),
        ("POST", "/transactions/8", Some("read write transaction:7"), "403 scope_insufficient"),
        ("POST", "/transactions/7", Some("read write"), "403 scope_insufficient"),
        ("POST", "/transactions/7", Some("read write transaction:{id}"), "403 scope_insufficient"),
        ("POST", "/transactions/7", Some("read write transaction:*"), "403 scope_insufficient"),
        ("POST", "/transactions/7", Some("transaction:7"), "403 scope_insufficient"),
        ("GET", "/transactions/7", Some("read"), "200"),
        // Scoped rules ignore case: an API that does would take these for transactions.
        ("POST", "/Transactions/7", Some("read write"), "403 scope_insufficient"),
        ("POST", "/Transactions/7", Some("read write transaction:7"), "200"),
    ];
    holds(&gateway, API1, &cases).await;
}

#[tokio::test]
async fn a_public_rule_asks_for_nothing_and_forwards_no_credential() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let cases = [
        ("GET", "/healthz", None, "200"),
        ("HEAD", "/healthz", None, "200"),
        ("GET", "/healthz/", None, "200"),
        ("GET", "/healthz/x", None, "401 credential_missing"),
        ("GET", "/healthzz", None, "401 credential_missing"),
        // Public rules do not ignore case.
        ("GET", "/Healthz", None, "401 credential_missing"),
    ];
    holds(&gateway, API1, &cases).await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api1.example.com", "read");
    let ask = gateway.get(API1, "/healthz", &token).header("x-user", "root");
    assert_eq!(ask.send().await.status, 200);
    let seen = gateway.api("API_1").last();
    assert!(seen.values("authorization").is_empty() && seen.values("x-user").is_empty(), "{}", seen.head);
}

#[tokio::test]
async fn what_no_rule_serves_is_404_or_tells_the_methods() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let cases = [
        ("GET", "/reports/7", Some("reports"), "200"),
        ("HEAD", "/reports/7", Some("reports"), "200"),
        ("GET", "/reports", Some("reports"), "200"),
        ("GET", "/open", None, "200"),
        ("GET", "/nothing", Some("reports"), "404 route_not_found"),
        ("POST", "/reports/7", Some("reports"), "405 method_not_allowed"),
        ("POST", "/open", Some("reports"), "405 method_not_allowed"),
    ];
    for case in cases {
        let case = if case.0 == "HEAD" { (case.0, case.1, case.2, "200") } else { case };
        holds(&gateway, API2, &[case]).await;
    }
    let response = gateway.ask("DELETE", API2, "/reports/7").send().await;
    assert_eq!(response.field("allow"), "GET, HEAD");
}
