//! How a token travels, and how a refusal is told (checklist 6.4: RFC 6750).

use crate::client::{PROTOCOLS, Protocol, raw};
use crate::gateway::Gateway;

const METADATA: &str = r#"resource_metadata="https://api1.example.com/.well-known/oauth-protected-resource""#;

/// The parameters of a Bearer challenge, each once (6750-3-3), in the characters that RFC 6750 §3 allows (6750-3-4).
fn parameters(challenge: &str) -> Vec<(&str, &str)> {
    let rest = challenge.strip_prefix("Bearer ").expect("the challenge is a Bearer one");
    let parameters: Vec<_> = rest
        .split("\", ")
        .map(|parameter| parameter.trim_end_matches('"').split_once("=\"").expect("a parameter has a quoted value"))
        .collect();
    let mut names: Vec<_> = parameters.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), parameters.len(), "{challenge}");
    let legal = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(parameters.iter().all(|(_, value)| value.bytes().all(legal)), "{challenge}");
    parameters
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api1.example.com", "read");
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let ask = gateway.ask("GET", "api1.example.com", "/x").header("authorization", &format!("{scheme} {token}"));
        for protocol in PROTOCOLS {
            assert_eq!(ask.send_by(protocol).await.verdict(), "200", "6750-2.1-1 {scheme} {protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_credential_in_the_wrong_form_is_400_and_a_bad_token_401() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let good = format!("Bearer {}", gateway.issuer("ISSUER_CORP").token("https://api1.example.com", "read"));
    let get = || gateway.ask("GET", "api1.example.com", "/x");
    for (row, fields, verdict) in [
        ("6750-2.1-2", vec!["Bearer"], "400 credential_malformed"),
        ("6750-2.1-2", vec!["Bearer a b"], "400 credential_malformed"),
        ("6750-2.1-2", vec!["Bearer a,b"], "400 credential_malformed"),
        ("6750-2.1-2", vec!["Bearer abc"], "401 token_malformed"),
        ("6750-2.1-3", vec![&good, "Bearer abc"], "400 credential_repeated"),
        ("6750-2.1-3", vec!["Bearer abc", &good], "400 credential_repeated"),
        ("6750-2.1-3", vec![&good, "Basic YTpi"], "400 credential_repeated"),
        ("6750-3.1 Basic", vec!["Basic YTpi"], "401 credential_missing"),
        ("6750-3.1 none", vec![], "401 credential_missing"),
    ] {
        let ask = fields.iter().fold(get(), |ask, field| ask.header("authorization", field));
        for protocol in PROTOCOLS {
            let response = ask.send_by(protocol).await;
            assert_eq!(response.verdict(), verdict, "{row} {fields:?} {protocol:?}");
            let parameters = parameters(response.challenge());
            let error = parameters.iter().find(|(name, _)| *name == "error").map(|(_, value)| *value);
            let expected = match response.status {
                400 => Some("invalid_request"),
                _ if verdict.ends_with("missing") => None,
                _ => Some("invalid_token"),
            };
            // 6750-3-1, 6750-3-2, 9728-5.1-1.
            assert_eq!(error, expected, "{row} {fields:?}");
            assert!(response.challenge().contains(METADATA), "{row}: {}", response.challenge());
            assert_eq!(response.field("cache-control"), "no-store", "{row}");
        }
    }
    let text = "GET /x HTTP/1.1\r\nHost: api1.example.com\r\nConnection: close\r\nAuthorization: Bearer \u{e4}\r\n\r\n";
    assert_eq!(raw(gateway.address, text.as_bytes()).await.status, 400, "6750-2.1-2 beyond ASCII");
    assert_eq!(gateway.forwarded(), 0);
}

#[tokio::test]
async fn a_token_in_the_query_is_refused_and_one_in_the_body_is_none() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api1.example.com", "read write");
    for target in [
        format!("/x?access_token={token}"),
        "/x?a=1&access_token=".into(),
        "/x?access%5Ftoken=x".into(),
        "/x?%61ccess_token=x".into(),
    ] {
        for protocol in PROTOCOLS {
            let response = gateway.ask("GET", "api1.example.com", &target).send_by(protocol).await;
            assert_eq!(response.status, 400, "6750-2.3-1 {target}");
            let response = gateway.get("api1.example.com", &target, &token).send_by(protocol).await;
            assert_eq!(response.status, 400, "6750-2.3-1 beside a good one {target}");
        }
    }
    let form = gateway
        .ask("POST", "api1.example.com", "/x")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("access_token={token}"));
    assert_eq!(form.send().await.verdict(), "401 credential_missing", "6750-2.2-1");
    assert_eq!(gateway.forwarded(), 0);
}

#[tokio::test]
async fn a_missing_scope_is_403_and_names_all_that_are_needed() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api1.example.com", "read");
    let response = gateway.ask("POST", "api1.example.com", "/transactions/7");
    let response = response.header("authorization", &format!("Bearer {token}")).send().await;
    assert_eq!(response.verdict(), "403 scope_insufficient", "9068-4-9");
    let parameters = parameters(response.challenge());
    assert!(parameters.contains(&("error", "insufficient_scope")), "{parameters:?}");
    // 6750-3.1-2, MCP-A-8: all of them at once, with the path's own value.
    assert!(parameters.contains(&("scope", "read write transaction:7")), "{parameters:?}");
    assert!(response.challenge().contains(METADATA));
}

/// 6750-3-4: what a client sends never comes back in a challenge.
#[tokio::test]
async fn nothing_is_echoed() {
    let gateway = Gateway::start("two_resources.yaml").await;
    for canary in ["canary-7f3a", "canary%22-7f3a"] {
        let target = format!("/{canary}?{canary}=1");
        let ask = gateway.ask("GET", "api1.example.com", &target).header("authorization", &format!("Bearer {canary}"));
        for protocol in PROTOCOLS {
            let response = ask.send_by(protocol).await;
            assert!(!format!("{:?}{}", response.headers, response.body).contains("7f3a"), "{response:?}");
        }
    }
}

/// C2 and §3.1: the audience is refused with 401, and the caller learns what to ask for.
#[tokio::test]
async fn a_wrong_audience_tells_what_to_ask_for() {
    let gateway = Gateway::start("two_resources.yaml").await;
    let token = gateway.issuer("ISSUER_CORP").token("https://api2.example.com", "reports");
    let response = gateway.get("api1.example.com", "/x", &token).send_by(Protocol::Http1).await;
    assert_eq!(response.verdict(), "401 audience_mismatch");
    let parameters = parameters(response.challenge());
    assert!(parameters.contains(&("error", "invalid_token")));
    let description = parameters.iter().find(|(name, _)| *name == "error_description").expect("it is told").1;
    assert!(description.contains("resource=https://api1.example.com"), "{description}");
    assert!(!description.contains("api2"), "the description lists no audience of the token: {description}");
    let body = response.json();
    assert_eq!(body["error"], "invalid_token");
    assert!(body["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
}
