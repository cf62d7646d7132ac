//! `explain`: a request for each verdict, made from a good one that is wrong in one way.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::run::{Run, compare, narrowgate};

const API1: &str = "https://api1.example.com";
const API2: &str = "https://api2.example.com/v1";

/// A folder with the configuration and the public half of a key that was made for this test.
struct Scene {
    folder: PathBuf,
    key: EncodingKey,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn new_key() -> EncodingKey {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EncodingKey::from_ec_der(pair.as_ref())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a good token for the first API, with these changes; `null` takes a claim away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example.com",
        "sub": "alice",
        "aud": API1,
        "client_id": "reporting-app",
        "scope": "read",
        "iat": now(),
        "exp": now() + 3600,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

impl Scene {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("narrowgate-explain-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = new_key();
        let mut jwk = json!(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap());
        jwk["kid"] = json!("k1");
        std::fs::write(folder.join("keys.json"), json!({ "keys": [jwk] }).to_string()).unwrap();
        std::fs::copy("tests/fixtures/cli/explain.yaml", folder.join("gateway.yaml")).unwrap();
        Self { folder, key }
    }

    fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// A good token for the first API, with these changes.
    fn token(&self, changes: Value) -> String {
        self.sign("k1", &claims(changes))
    }

    fn explain(&self, request: &[&str], token: &str) -> Run {
        let file = self.folder.join("gateway.yaml").display().to_string();
        let run = narrowgate(&[&["explain", "-c", &file], request].concat(), token);
        let secret = token.rsplit('.').next().filter(|signature| signature.len() > 8);
        for secret in secret.into_iter().chain((!token.is_empty()).then_some(token)) {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "shows the token: {}", run.stdout);
        }
        run
    }
}

/// The output without what the clock makes of it.
fn settled(output: &str) -> String {
    let line = |line: &str| match line.split_once("expires     ").or(line.split_once("expired ")) {
        Some((before, after)) if after.ends_with(" ago") => format!("{before}expired SOME TIME ago\n"),
        Some((before, _)) if before.trim().is_empty() => format!("{before}expires     in SOME TIME\n"),
        _ => format!("{line}\n"),
    };
    output.lines().map(line).collect()
}

/// Explains each request, compares what is printed with the file of its name, and holds the exit code.
fn expect(scene: &Scene, code: i32, cases: &[(&str, &[&str], String)]) {
    for (name, request, token) in cases {
        let run = scene.explain(request, token);
        assert_eq!(run.code, Some(code), "{name}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.stderr, "", "{name}");
        compare(&format!("explain/{name}.txt"), &settled(&run.stdout));
    }
}

const READ: &[&str] = &["GET", "https://api1.example.com/documents"];
const REPORTS: &[&str] = &["GET", "https://api2.example.com/v1/reports?year=7"];

#[test]
fn what_is_allowed_says_what_the_upstream_gets() {
    let scene = Scene::new("allowed");
    let reports = json!({ "aud": ["api://7d2f", "stranger"], "scope": "Reports.Read other" });
    let metadata = &["GET", "https://api1.example.com/.well-known/oauth-protected-resource"][..];
    let approve = &["POST", "https://api1.example.com/transactions/7"][..];
    expect(
        &scene,
        0,
        &[
            ("allowed", READ, scene.token(json!({}))),
            ("allowed_by_another_name", REPORTS, scene.token(reports)),
            ("allowed_public", &["get", "https://api1.example.com/healthz"], String::new()),
            ("allowed_transaction", approve, scene.token(json!({ "scope": "read write transaction:7" }))),
            ("answered", metadata, String::new()),
        ],
    );
}

#[test]
fn a_wrong_request_is_told_what_to_send() {
    let scene = Scene::new("request");
    let good = || scene.token(json!({}));
    let twice = &["GET", "https://api1.example.com/", "-H", "Authorization: Bearer other.token.here"][..];
    expect(
        &scene,
        1,
        &[
            ("host_unknown", &["GET", "https://other.example.com/"], good()),
            ("target_invalid", &["GET", "https://api1.example.com/a/../documents"], good()),
            ("target_invalid_case", &["GET", "https://api2.example.com/V1/reports"], good()),
            ("route_not_found", &["GET", "https://api2.example.com/v2"], good()),
            ("route_not_found_rule", &["GET", "https://api2.example.com/v1/other"], good()),
            ("method_not_allowed", &["POST", "https://api2.example.com/v1/reports"], good()),
            ("credential_missing", READ, String::new()),
            ("credential_malformed", &["GET", "https://api1.example.com/?access_token=secret"], String::new()),
            ("credential_repeated", twice, good()),
        ],
    );
}

#[test]
fn a_wrong_token_is_told_what_to_ask_for() {
    let scene = Scene::new("token");
    let with = |changes| scene.token(changes);
    let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let unsigned = |header: Value, changes| format!("{}.{}.c2lnbmF0dXJl", encode(header), encode(claims(changes)));
    let encrypted = format!("{}..aXY.Y2lwaGVy.dGFn", encode(json!({ "alg": "dir", "enc": "A256GCM" })));
    let graph = json!({ "alg": "ES256", "kid": "k1", "nonce": "n" });
    let hostile = json!({ "iss": "https://evil\u{1b}[31m.example\n", "aud": "\u{202e}" });
    expect(
        &scene,
        1,
        &[
            ("token_malformed", READ, "opaque-token".into()),
            ("token_malformed_encrypted", READ, encrypted),
            ("token_too_large", READ, with(json!({ "groups": "g".repeat(9000) }))),
            ("token_type", READ, with(json!({ "nonce": "n" }))),
            ("algorithm_not_allowed", READ, unsigned(json!({ "alg": "HS256" }), json!({}))),
            ("issuer_untrusted", READ, with(json!({ "iss": "https://login.example.com/" }))),
            ("issuer_untrusted_hostile", READ, with(hostile)),
            ("key_unknown", READ, scene.sign("k2", &claims(json!({})))),
            ("signature_invalid", READ, unsigned(json!({ "alg": "ES256", "kid": "k1" }), json!({}))),
            ("signature_invalid_graph", READ, unsigned(graph, json!({}))),
            ("token_expired", READ, with(json!({ "iat": now() - 7200, "exp": now() - 3600 }))),
            ("token_not_yet_valid", READ, with(json!({ "nbf": now() + 1800 }))),
            ("claim_missing", READ, with(json!({ "exp": null }))),
            ("claim_invalid", READ, with(json!({ "exp": "tomorrow" }))),
            ("proof_missing", READ, with(json!({ "cnf": { "jkt": "x" } }))),
        ],
    );
}

#[test]
fn a_token_for_something_else_is_told_what_is_missing() {
    let scene = Scene::new("rights");
    let with = |changes| scene.token(changes);
    let foreign = json!({ "iss": "https://partner.example.com", "region": "us" });
    let client = json!({ "aud": API2, "scope": "Reports.Read", "client_id": "other" });
    let approve = &["POST", "https://api1.example.com/transactions/8"][..];
    expect(
        &scene,
        1,
        &[
            ("audience_missing", READ, with(json!({ "aud": null }))),
            ("audience_mismatch", READ, with(json!({ "aud": API2 }))),
            ("audience_mismatch_stranger", REPORTS, with(json!({ "aud": "account" }))),
            ("audience_too_broad", READ, with(json!({ "aud": [API1, "api://7d2f"] }))),
            ("scope_insufficient", approve, with(json!({ "scope": "read write transaction:7" }))),
            ("scope_insufficient_unmapped", REPORTS, with(json!({ "aud": API2, "scope": "reports" }))),
            ("client_not_allowed", REPORTS, with(client)),
            ("claim_not_allowed", READ, with(foreign)),
        ],
    );
}

#[test]
fn keys_that_cannot_be_had_are_told() {
    let scene = Scene::new("keys");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = scene.folder.join("gateway.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replacen("keys.json", &format!("http://{free}/jwks"), 2);
    std::fs::write(&file, text).unwrap();
    let run = scene.explain(READ, &scene.token(json!({})));
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("refused: 503 keys_unavailable"), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("make the keys of `corp` reachable from here: `http://{free}/jwks`")));
}

#[test]
fn a_script_reads_the_same_as_one_document() {
    let scene = Scene::new("json");
    let request = [READ, &["--format", "json"]].concat();
    let run = scene.explain(&request, &scene.token(json!({ "aud": API2 })));
    assert_eq!(run.code, Some(1));
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["verdict"], "refused");
    assert_eq!(document["reason"], "audience_mismatch");
    assert_eq!(document["token"]["proven"], true);
    assert_eq!(document["token"]["audiences"], json!([API2]));
    assert!(document["would_have_worked"][0].as_str().unwrap().contains("resource=https://api1.example.com"));
}

#[test]
fn wrong_usage_and_a_wrong_configuration_are_neither_allowed_nor_refused() {
    let scene = Scene::new("usage");
    for (request, told) in [
        (&["GET", "api1.example.com/x"][..], "error: URL is no URL"),
        (&["G T", "https://api1.example.com/"], "error: METHOD is no method"),
        (&["GET", "https://api1.example.com/", "-H", "no field"], "error: a header field is written `Name: value`"),
        (&["GET", "https://\u{7f}/"], "error: "),
    ] {
        let run = scene.explain(request, "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{request:?}");
        assert!(run.stderr.starts_with(told), "{request:?}: {}", run.stderr);
    }
    let run = scene.explain(READ, "two\nlines");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("the text on stdin is no token"), "{}", run.stderr);
    std::fs::write(scene.folder.join("gateway.yaml"), "listen: 127.0.0.1:8080\n").unwrap();
    let run = scene.explain(READ, "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("resources"), "{}", run.stderr);
}
