//! What one decision costs: finding the resource, proving a token, deciding with a known and with a new one.
//!
//! `cargo bench --bench decide`; figures and how to read them are in BENCHMARKS.md.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Environment};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, RequestView};
use narrowgate::route::{Authority, HostPattern, HostTable, Target};
use narrowgate::snapshot::Snapshot;
use narrowgate::token::{Keyring, TokenCache};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

/// A configuration with rules of every kind, as an API of some size has them.
const CONFIGURATION: &str = r#"
listen: 127.0.0.1:0
trusted_issuers:
  corp: { issuer: https://login.example, jwks: jwks.json }
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

struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

fn signers() -> [Signer; 2] {
    let point = |key: &KeyPair, range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&key.public_key_raw()[range]);
    let es256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("the system has randomness");
    let eddsa = KeyPair::generate_for(&PKCS_ED25519).expect("the system has randomness");
    [
        Signer {
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(&es256.serialize_der()),
            jwk: json!({"kty": "EC", "crv": "P-256", "kid": "ES256", "x": point(&es256, 1..33), "y": point(&es256, 33..65)}),
        },
        Signer {
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(&eddsa.serialize_der()),
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": point(&eddsa, 0..32)}),
        },
    ]
}

impl Signer {
    fn sign(&self, serial: u64) -> String {
        let now = Timestamp::now().0;
        let header = Header { kid: Some(format!("{:?}", self.algorithm)), ..Header::new(self.algorithm) };
        let claims = json!({
            "iss": "https://login.example", "aud": "https://api1.example.com", "sub": "8a4c0c52-3c1f-4f0e-9a77-6f2b1d9c4e30",
            "client_id": "reporting-app", "scope": "openid profile read write", "iat": now, "exp": now + 3600,
            "jti": format!("5d0f1c1e-7a3b-4a51-9b0e-{serial:012}"),
        });
        jsonwebtoken::encode(&header, &claims, &self.key).expect("the key signs")
    }
}

fn snapshot(signers: &[Signer]) -> Snapshot {
    let folder = std::env::temp_dir().join(format!("narrowgate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    std::fs::write(folder.join("jwks.json"), json!({ "keys": keys }).to_string())
        .expect("the temporary folder can be written");
    let loaded = config::parse(CONFIGURATION, &folder.join(Path::new("gateway.yaml")), &Environment::default());
    let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let fetcher = Fetcher::new(None).expect("the platform's roots can be read");
    let keyrings = config.trusted_issuers.iter().map(|issuer| Keyring::new(issuer.clone(), fetcher.clone())).collect();
    Snapshot::new(Arc::new(config), keyrings, None, Vec::new()).expect("the loader found no fault")
}

fn headers(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("api1.example.com"));
    headers.insert("user-agent", HeaderValue::from_static("bench"));
    headers.insert("accept", HeaderValue::from_static("*/*"));
    let credential = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is a header value");
    headers.insert("authorization", credential);
    headers
}

fn decide(snapshot: &Snapshot, tokens: &TokenCache, headers: &HeaderMap) -> Decision {
    let request = RequestView {
        method: &Method::POST,
        target: b"/documents/42?expand=all",
        uri_authority: None,
        headers,
        connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 8080, tls: false },
        keys_awaited: true,
    };
    let decision = snapshot.gate.decide(&request, tokens, Timestamp::now());
    assert!(matches!(decision, Decision::Forward(_)), "{decision:?}");
    decision
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for count in [10usize, 1_000, 100_000] {
        let mut table = HostTable::default();
        for at in 0..count {
            let host = HostPattern::parse(&format!("api{}.example.com", at / 10)).expect("a host");
            table.insert(&host, 443, &format!("/v{}/orders", at % 10), at).expect("no two are equal");
        }
        let host = format!("api{}.example.com", count / 20);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let target = Target::parse(black_box(b"/v3/orders/42?expand=all")).expect("a plain target");
                let authority = Authority::parse(black_box(&host)).expect("a host");
                black_box(table.find(&authority, 8443, target.path().as_bytes()));
            });
        });
    }
}

fn decisions(criterion: &mut Criterion) {
    let signers = signers();
    let snapshot = snapshot(&signers);
    let tokens = TokenCache::new(32 << 20).expect("the system has randomness");
    let known = headers(&signers[0].sign(0));
    decide(&snapshot, &tokens, &known);
    criterion.bench_function("decide/hit", |bencher| bencher.iter(|| decide(&snapshot, &tokens, black_box(&known))));
    for signer in &signers {
        let mut serial = 0;
        let name = format!("decide/miss/{:?}", signer.algorithm);
        criterion.bench_function(&name, |bencher| {
            let new_token = || {
                serial += 1;
                headers(&signer.sign(serial))
            };
            bencher.iter_batched(new_token, |headers| decide(&snapshot, &tokens, &headers), BatchSize::SmallInput);
        });
    }
}

criterion_group!(benches, route, decisions);
criterion_main!(benches);
