//! The decision on a small configuration, with tokens that are really signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::config::{self, Environment, JwksLocation, KeySource};
use crate::fetch::Fetcher;
use crate::oauth::Reason;
use crate::token::keys::signer::{TestSigner, jwks};
use crate::token::{Keyring, TokenCache};

mod own_issuer;

const NOW: Timestamp = Timestamp(1_790_000_000);

/// A gate for one API of one issuer, whose lines a test adds to.
struct Bench {
    gate: Gate,
    signer: TestSigner,
    tokens: TokenCache,
}

impl Bench {
    fn with(resource: &str) -> Self {
        let yaml = format!(
            "listen: 127.0.0.1:0\ntrusted_issuers:\n  corp: {{ issuer: https://corp.example, jwks: https://corp.example/jwks }}\n\
             resources:\n  https://api.example:\n    upstream: http://127.0.0.1:1/base\n{resource}"
        );
        let loaded = config::parse(&yaml, Path::new("gateway.yaml"), &Environment::default());
        let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        let signer = TestSigner::new("k1", "ES256");
        let json = jwks(&[signer.jwk()]).into();
        config.trusted_issuers[0].keys =
            KeySource::Jwks(vec![JwksLocation::File { path: PathBuf::from("jwks.json"), json }]);
        let fetcher = Fetcher::new(None).unwrap();
        let keyring = Keyring::new(config.trusted_issuers[0].clone(), fetcher);
        let gate = Gate::new(&config, vec![Arc::clone(&keyring)], None).unwrap();
        Self { gate, signer, tokens: TokenCache::new(1 << 20).unwrap() }
    }

    fn ask(&self, method: Method, target: &str, claims: Value) -> Decision {
        let mut claims = claims;
        for (name, value) in [
            ("iss", json!("https://corp.example")),
            ("aud", json!("https://api.example")),
            ("sub", json!("jane")),
            ("client_id", json!("app")),
            ("exp", json!(NOW.0 + 300)),
        ] {
            claims.as_object_mut().unwrap().entry(name).or_insert(value);
        }
        // A test takes a claim away by saying null.
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(json!({"alg": "ES256", "kid": "k1"})), encode(claims));
        let token = format!("Bearer {signed}.{}", self.signer.sign(signed.as_bytes()));
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("api.example"));
        headers.insert("authorization", HeaderValue::from_str(&token).unwrap());
        let request = RequestView {
            method: &method,
            target: target.as_bytes(),
            uri_authority: None,
            headers: &headers,
            connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 443, tls: true },
            keys_awaited: false,
        };
        self.gate.decide(&request, &self.tokens, NOW)
    }

    fn identity(&self, claims: Value) -> Vec<(String, String)> {
        let Decision::Forward(permit) = self.ask(Method::GET, "/", claims) else {
            panic!("the request is good");
        };
        let headers = permit.identity_headers(&self.gate);
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }
}

fn reason(decision: Decision) -> Option<Reason> {
    match decision {
        Decision::Deny(denial) => Some(denial.reason),
        Decision::Forward(_) => None,
        other => panic!("no verdict: {other:?}"),
    }
}

#[test]
fn a_resource_may_say_where_its_issuer_keeps_subject_and_client() {
    let bench = Bench::with(
        "    identity_headers: { X-User: sub, X-Client: client_id, X-Scope: scope }\n    scopes: [read]\n    \
         allowed_clients: [\"corp|deep\"]\n    issuers:\n      \
         corp: { claims: { subject: oid, client: /app/id, scope: /app/roles } }\n",
    );
    let claims =
        json!({"sub": null, "client_id": null, "oid": "4711", "app": {"id": "deep", "roles": ["read", "admin"]}});
    let expected = [("x-user", "corp|4711"), ("x-client", "corp|deep"), ("x-scope", "read")];
    assert_eq!(bench.identity(claims), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let other = json!({"oid": "4711", "app": {"id": "other"}});
    assert_eq!(reason(bench.ask(Method::GET, "/", other)), Some(Reason::ClientNotAllowed));
}

#[test]
fn a_missing_claim_gives_no_header() {
    let bench = Bench::with("    identity_headers: { X-User: sub, X-Mail: email, X-Issuer: iss, X-Scope: scope }\n");
    let expected = [("x-user", "corp|jane"), ("x-issuer", "https://corp.example")];
    assert_eq!(bench.identity(json!({})), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn required_claims_need_one_of_their_values() {
    let bench = Bench::with("    issuers:\n      corp: { require: { owner: [\"65\", \"66\"], /a/b: true } }\n");
    let ask = |claims: Value| reason(bench.ask(Method::GET, "/", claims));
    assert_eq!(ask(json!({"owner": "65", "a": {"b": true}})), None);
    assert_eq!(ask(json!({"owner": 66, "a": {"b": ["x", true]}})), None);
    for claims in
        [json!({"owner": "65"}), json!({"owner": "64", "a": {"b": true}}), json!({"owner": {}, "a": {"b": true}})]
    {
        assert_eq!(ask(claims.clone()), Some(Reason::ClaimNotAllowed), "{claims}");
    }
}

#[test]
fn a_scope_map_is_all_that_counts() {
    let bench = Bench::with(
        "    scopes: [read, write]\n    required_scopes: [read]\n    rules: [{ methods: [POST], scopes: [write] }]\n    \
         issuers:\n      corp: { scope_map: { Docs.Read: [read], Docs.All: [read, write] } }\n",
    );
    let ask = |method, scope: &str| reason(bench.ask(method, "/", json!({ "scope": scope })));
    assert_eq!(ask(Method::GET, "Docs.Read"), None);
    assert_eq!(ask(Method::POST, "Docs.Read"), Some(Reason::ScopeInsufficient));
    assert_eq!(ask(Method::POST, "openid Docs.All"), None);
    assert_eq!(ask(Method::GET, "read write"), Some(Reason::ScopeInsufficient), "unmapped names count for nothing");
}

#[test]
fn an_absent_scope_is_none_unless_the_operator_says_otherwise() {
    let strict = Bench::with("    scopes: [read]\n    required_scopes: [read]\n");
    assert_eq!(reason(strict.ask(Method::GET, "/", json!({}))), Some(Reason::ScopeInsufficient));
    let lenient = Bench::with(
        "    scopes: [read]\n    required_scopes: [read]\n    issuers:\n      corp: { scopes_if_none: [read] }\n",
    );
    assert_eq!(reason(lenient.ask(Method::GET, "/", json!({}))), None);
    assert_eq!(reason(lenient.ask(Method::GET, "/", json!({"scope": ""}))), Some(Reason::ScopeInsufficient));
}

#[test]
fn the_upstreams_own_path_stands_before_what_was_matched() {
    let bench = Bench::with("");
    let Decision::Forward(permit) = bench.ask(Method::GET, "/v1/a%20b?c=%2F", json!({})) else {
        panic!("the request is good");
    };
    assert_eq!(permit.target(), &UpstreamTarget::Rewritten("/base/v1/a%20b?c=%2F".into()));
}

#[test]
fn a_method_in_lower_case_is_not_passed_on() {
    let bench = Bench::with("    scopes: [write]\n    rules: [{ methods: [POST], scopes: [write] }]\n");
    for method in ["post", "Post", "get", "trace", "connect"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(reason(bench.ask(method.clone(), "/", json!({}))), Some(Reason::MethodNotAllowed), "{method}");
    }
}

#[test]
fn a_metadata_document_lies_where_the_key_is_at_home() {
    let yaml = "listen: 127.0.0.1:0\nresources:\n  https://a.example: { upstream: http://127.0.0.1:1, match: { hosts: [b.example] } }\n  \
                https://b.example: { upstream: http://127.0.0.1:2, match: { hosts: [c.example] } }\n";
    let loaded = config::parse(yaml, Path::new("gateway.yaml"), &Environment::default());
    let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let gate = Gate::new(&config, Vec::new(), None).unwrap();
    let tokens = TokenCache::new(1 << 10).unwrap();
    let described = |host: &'static str| {
        let headers = HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static(host))]);
        let request = RequestView {
            method: &Method::GET,
            target: b"/.well-known/oauth-protected-resource",
            uri_authority: None,
            headers: &headers,
            connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 443, tls: true },
            keys_awaited: false,
        };
        let Decision::Answer(document) = gate.decide(&request, &tokens, NOW) else { panic!("{host} has a document") };
        let body: Value = serde_json::from_slice(&document.answer().body).unwrap();
        body["resource"].as_str().unwrap().to_owned()
    };
    assert_eq!(described("a.example"), "https://a.example");
    assert_eq!(described("b.example"), "https://b.example");
    assert_eq!(described("c.example"), "https://b.example");
}

#[test]
fn a_plain_subject_that_reads_like_somebody_elses_is_refused() {
    let yaml = "listen: 127.0.0.1:0\ntrusted_issuers:\n  corp: { issuer: https://corp.example, subjects: plain }\n  \
                partner: { issuer: https://partner.example }\nresources: { https://api.example: { upstream: http://127.0.0.1:1 } }";
    let loaded = config::parse(yaml, Path::new("gateway.yaml"), &Environment::default());
    let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let signer = TestSigner::new("k1", "ES256");
    let json = jwks(&[signer.jwk()]).into();
    config.trusted_issuers[0].keys = KeySource::Jwks(vec![JwksLocation::File { path: PathBuf::from("j"), json }]);
    let keyring = |at: usize| Keyring::new(config.trusted_issuers[at].clone(), Fetcher::new(None).unwrap());
    let gate = Gate::new(&config, vec![keyring(0), keyring(1)], None).unwrap();
    let bench = Bench { gate, signer, tokens: TokenCache::new(1 << 20).unwrap() };
    let ask = |subject: &str| reason(bench.ask(Method::GET, "/", json!({ "sub": subject })));
    assert_eq!((ask("alice"), ask("auth0|42"), ask("corp|alice")), (None, None, None));
    assert_eq!(ask("partner|alice"), Some(Reason::ClaimInvalid));
}
