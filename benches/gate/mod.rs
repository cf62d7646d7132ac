//! A gate made of YAML and tokens signed for it, without sockets, and the same in every run: one key, one time.

// Each program that has this takes what it needs.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method};
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Environment, JwksLocation, KeySource};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, Gate, RequestView};
use narrowgate::token::{Keyring, TokenCache};
use serde_json::{Value, json};

/// When everything happens.
pub const NOW: Timestamp = Timestamp(1_790_000_000);

/// A configuration with rules of every kind, as an API of some size has them.
pub const USUAL: &str = r#"
listen: 127.0.0.1:0
trusted_issuers:
  corp: { issuer: https://login.example, jwks: https://login.example/jwks }
defaults: { identity_headers: { X-User: sub, X-Client: client_id } }
resources:
  https://api1.example.com:
    upstream: http://127.0.0.1:9001
    scopes: { read: Read, write: Write, "transaction:{id}": Approve }
    required_scopes: [read]
    rules:
      - { path: /healthz, public: true }
      - { methods: [POST, PUT, PATCH, DELETE], scopes: [write] }
      - { path: "/transactions/{id}", methods: [POST], scopes: ["transaction:{id}"] }
  https://api2.example.com: { upstream: "http://127.0.0.1:9002", scopes: [reports] }
"#;

/// A gate, and the tokens that it has seen.
pub struct House {
    pub gate: Gate,
    pub tokens: TokenCache,
}

/// One request, ready to be asked about again and again.
pub struct Asked {
    pub method: Method,
    pub target: &'static str,
    pub headers: HeaderMap,
}

impl House {
    /// A gate of this configuration, all of whose issuers sign with these keys.
    pub fn of(yaml: &str, keys: &[Value], cache_bytes: usize) -> Self {
        let loaded = config::parse(yaml, Path::new("gateway.yaml"), &Environment::default());
        let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        for issuer in &mut config.trusted_issuers {
            let json = json!({ "keys": keys }).to_string().into_bytes().into();
            issuer.keys = KeySource::Jwks(vec![JwksLocation::File { path: PathBuf::from("jwks.json"), json }]);
        }
        let fetcher = Fetcher::new(None).expect("the platform's roots can be read");
        let issuers = config.trusted_issuers.iter();
        let keyrings = issuers.map(|issuer| Keyring::new(issuer.clone(), fetcher.clone())).collect();
        let gate = Gate::new(&config, keyrings, None).expect("the loader found no fault");
        Self { gate, tokens: TokenCache::new(cache_bytes).expect("the system has randomness") }
    }

    /// Decides a request.
    pub fn decide(&self, asked: &Asked) -> Decision {
        let request = RequestView {
            method: &asked.method,
            target: asked.target.as_bytes(),
            uri_authority: None,
            headers: &asked.headers,
            connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 8080, tls: false },
            keys_awaited: true,
        };
        self.gate.decide(&request, &self.tokens, NOW)
    }

    /// Whether it lets the request through.
    pub fn forwards(&self, asked: &Asked) -> bool {
        matches!(self.decide(asked), Decision::Forward(_))
    }
}

impl Asked {
    /// A request with a token, and the header fields that every request has.
    pub fn new(method: Method, host: &str, target: &'static str, token: &str) -> Self {
        let mut headers = HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(text).expect("it is a header value");
        headers.insert("host", value(host));
        headers.insert("user-agent", value("bench"));
        headers.insert("accept", value("*/*"));
        headers.insert("authorization", value(&format!("Bearer {token}")));
        Self { method, target, headers }
    }

    /// What most requests are: to change something at the first API.
    pub fn usual(token: &str) -> Self {
        Self::new(Method::POST, "api1.example.com", "/documents/42?expand=all", token)
    }
}

/// What a usual token says, but for what tells it from others.
pub fn claims(serial: u64) -> Value {
    json!({
        "iss": "https://login.example", "aud": "https://api1.example.com", "sub": "8a4c0c52-3c1f-4f0e-9a77-6f2b1d9c4e30",
        "client_id": "reporting-app", "scope": "openid profile read write", "iat": NOW.0, "exp": NOW.0 + 3600,
        "jti": format!("5d0f1c1e-7a3b-4a51-9b0e-{serial:012}"),
    })
}

/// The one key that signs, unless a run wants others: Ed25519 gives every token one signature.
fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed")
}

/// Its public half.
pub fn jwk() -> Value {
    let x = URL_SAFE_NO_PAD.encode(key().public_key().as_ref());
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "x": x })
}

/// Signs claims with it.
pub fn sign(claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": "EdDSA", "kid": "k1", "typ": "at+jwt" })), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key().sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
