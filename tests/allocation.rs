//! What a decision takes from the heap: nothing, where the token is known; and what a kept token takes, at most what it is
//! counted for.
//!
//! A target of its own, because an allocator counts for a whole program.

#[path = "allocation/counting.rs"]
mod counting;
#[path = "../benches/gate/mod.rs"]
mod gate;

use counting::{Counting, held, taken};
use gate::{Asked, House, claims, jwk, sign};
use http::Method;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const GATEWAY: &str = r#"
listen: 127.0.0.1:0
trusted_issuers:
  corp:
    issuer: https://login.example
    jwks: https://login.example/jwks
    require: { tenant: [65, staff], level: [1.5] }
  plain: { issuer: https://plain.example, jwks: https://plain.example/jwks, subjects: plain }
defaults: { identity_headers: { X-User: sub, X-Client: client_id } }
resources:
  https://api.example.com:
    upstream: http://127.0.0.1:1
    scopes: { read: Read, write: Write, "transaction:{id}": Approve }
    required_scopes: [read]
    rules:
      - { path: /healthz, public: true }
      - { methods: [POST, PUT], scopes: [write] }
      - { path: "/transactions/{id}", methods: [POST], scopes: ["transaction:{id}"] }
  https://api.example.com/files:
    upstream: http://127.0.0.1:2/base
    strip_prefix: true
    scopes: [files]
    required_scopes: [files]
    allowed_clients: [corp|app]
    cors: { origins: [https://app.example.com] }
    issuers:
      corp:
        audiences: ["api://files"]
        claims: { scope: [/realm/roles], client: [azp], subject: [oid] }
        scope_map: { Files.Read: [files] }
  https://broad.example.com: { upstream: "http://127.0.0.1:3", scopes: [read], required_scopes: [read], broad_tokens: accept }
  https://strict.example.com: { upstream: "http://127.0.0.1:4", broad_tokens: strict }
"#;

/// Claims that differ from the usual ones in these.
fn with(changes: Value) -> Value {
    let mut all = claims(1);
    let members = all.as_object_mut().unwrap();
    members
        .extend(json!({ "aud": "https://api.example.com", "tenant": 65, "level": [1.5] }).as_object().unwrap().clone());
    members.extend(changes.as_object().unwrap().clone());
    // A test takes a claim away by saying null.
    members.retain(|_, value| !value.is_null());
    all
}

fn house() -> House {
    House::of(GATEWAY, &[jwk()], 1 << 20)
}

/// How often a decision wants memory, once its token is known.
fn takes(house: &House, asked: &Asked) -> u64 {
    assert!(house.forwards(asked), "{:?}", house.decide(asked));
    let before = taken();
    let decision = house.decide(asked);
    let times = taken() - before;
    assert!(matches!(decision, narrowgate::guard::Decision::Forward(_)));
    times
}

#[test]
fn the_counter_counts() {
    let before = taken();
    let kept = std::hint::black_box(vec![1u8; 100]);
    assert_eq!((taken() - before, kept.len()), (1, 100));
}

#[test]
fn a_decision_with_a_known_token_takes_nothing() {
    let house = house();
    let scopes = json!({ "scope": "read write transaction:7" });
    let ask = |method: Method, host: &str, target: &'static str, changes: Value| {
        takes(&house, &Asked::new(method, host, target, &sign(&with(changes))))
    };
    let api = "api.example.com";
    assert_eq!(ask(Method::GET, api, "/documents/42?expand=all", scopes.clone()), 0, "a scope that is always required");
    assert_eq!(ask(Method::POST, api, "/documents", scopes.clone()), 0, "rules that add up");
    assert_eq!(ask(Method::POST, api, "/transactions/7", scopes.clone()), 0, "a scope with a value of the path");
    assert_eq!(ask(Method::GET, "API.example.com:8080", "/Documents/", scopes.clone()), 0, "upper case, and a port");
    assert_eq!(ask(Method::GET, api, "/healthz", json!({})), 0, "a public path");
    assert_eq!(
        ask(Method::GET, api, "/", json!({ "aud": [api, "https://api.example.com"], "scope": "read" })),
        0,
        "a list"
    );
    assert_eq!(ask(Method::GET, api, "/", json!({ "scope": null, "scp": ["read", "x"] })), 0, "scopes in a list");
}

#[test]
fn nor_does_one_of_an_issuer_with_words_of_its_own() {
    let house = house();
    let said = json!({
        "aud": "api://files", "azp": "app", "oid": "jane", "realm": { "roles": ["Other", "Files.Read"] },
        "tenant": ["other", "staff"],
    });
    let asked = Asked::new(Method::GET, "api.example.com", "/files/a/b?c=d", &sign(&with(said)));
    assert_eq!(takes(&house, &asked), 0, "claims elsewhere, a map of scopes, clients by name, another target");
}

#[test]
fn nor_does_a_broad_token_or_one_of_plain_subjects() {
    let house = house();
    let both = json!({ "aud": ["https://broad.example.com", "https://api.example.com"], "scope": "read" });
    let broad = Asked::new(Method::GET, "broad.example.com", "/", &sign(&with(both)));
    assert_eq!(takes(&house, &broad), 0, "a token for several resources");
    let plain = json!({ "iss": "https://plain.example", "aud": "https://strict.example.com", "sub": "jane" });
    let plain = Asked::new(Method::GET, "strict.example.com", "/", &sign(&with(plain)));
    assert_eq!(takes(&house, &plain), 0, "a subject without its issuer's name");
}

/// How much more memory is held after so many tokens, and how many of them were forgotten.
fn growth(house: &House, tokens: std::ops::Range<u64>) -> i64 {
    let before = held();
    for serial in tokens {
        assert!(house.forwards(&Asked::new(
            Method::GET,
            "api.example.com",
            "/",
            &sign(&with(json!({ "jti": serial })))
        )));
    }
    held() - before
}

#[test]
fn what_is_kept_stays_below_its_bound_and_close_to_it() {
    const BOUND: i64 = 2 << 20;
    let house = House::of(GATEWAY, &[jwk()], BOUND as usize);
    let full = growth(&house, 0..4000);
    assert!((BOUND / 2..BOUND).contains(&full), "{full} of {BOUND} bytes");
    let more = growth(&house, 4000..8000);
    assert!(full + more < BOUND, "{full} and {more} of {BOUND} bytes");
}
