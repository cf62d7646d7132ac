//! The access and ID tokens of sixteen identity providers, each under the configuration that its provider needs.
//!
//! `tests/fixtures/idp/NAME.json` holds a provider's published shapes, with their sources. `NAME.yaml` is the
//! configuration for it, and `NAME.VARIANT.yaml` another one. [`verdicts`] says what becomes of which token under which
//! of them. Each token is signed anew with a fresh key under its own `alg` and `kid`, that key is published in the
//! provider's own JWKS shape, and the times are shifted to now. [`exchanges`] says what our own issuer makes of them.

mod case;
mod exchanges;
mod verdicts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, iter};

use http::{HeaderMap, HeaderValue, Method};
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Config, Environment, JwksLocation, KeySource};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, Gate, RequestView};
use narrowgate::token::{Keyring, TokenCache};
use serde_json::Value;

use case::{Case, cases};
use verdicts::{VERDICTS, Verdict};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/idp")
}

/// The provider of a configuration: `keycloak` for `keycloak.allow_nonce`.
fn provider(configuration: &str) -> &str {
    configuration.split('.').next().unwrap_or(configuration)
}

/// The configuration, whose issuers all publish `jwks`.
fn configured(configuration: &str, jwks: &Value) -> Config {
    let path = folder().join(format!("{configuration}.yaml"));
    let loaded = config::load(&path, &Environment::default());
    let mut config: Config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let json: Arc<[u8]> = jwks.to_string().into_bytes().into();
    for issuer in &mut config.trusted_issuers {
        issuer.keys = KeySource::Jwks(vec![JwksLocation::File { path: "jwks.json".into(), json: Arc::clone(&json) }]);
    }
    config
}

/// A gate with the configuration's issuers.
fn gate_of(config: &Config) -> Gate {
    let fetcher = Fetcher::new(None).expect("the platform's roots can be read");
    let keyrings = config.trusted_issuers.iter().map(|issuer| Keyring::new(issuer.clone(), fetcher.clone())).collect();
    Gate::new(config, keyrings, None).expect("the loader found no clash")
}

fn gate(configuration: &str, jwks: &Value) -> Gate {
    gate_of(&configured(configuration, jwks))
}

/// What the gate says to `GET /` at `host`: `forward`, or the reason of the refusal.
fn decide(gate: &Gate, host: &'static str, token: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static(host));
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is a header value");
    headers.insert("authorization", bearer);
    let request = RequestView {
        method: &Method::GET,
        target: b"/",
        uri_authority: None,
        headers: &headers,
        connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 443, tls: true },
        keys_awaited: true,
    };
    let tokens = TokenCache::new(1 << 20).expect("the system has randomness");
    match gate.decide(&request, &tokens, Timestamp::now()) {
        Decision::Forward(_) => "forward".into(),
        Decision::Deny(denial) => denial.reason.as_str().into(),
        other => format!("{other:?}"),
    }
}

/// Holds every verdict on one provider's tokens, at the API that they are for; its neighbour never takes one.
fn hold(name: &str) {
    let cases = cases(name);
    let verdicts: Vec<_> = VERDICTS.iter().filter(|verdict| provider(verdict.configuration) == name).collect();
    let mut wrong = Vec::new();
    for Verdict { configuration, case, patch, expected } in &verdicts {
        let found: Vec<_> = cases.iter().filter(|known| known.name.starts_with(case)).collect();
        let [case] = found[..] else { panic!("`{case}` names {} cases of {name}", found.len()) };
        let (token, jwks) = case.signed(patch);
        let gate = gate(configuration, &jwks);
        let verdict = decide(&gate, "api1.example.com", &token);
        if verdict != *expected {
            wrong.push(format!("{configuration}: `{}` {patch}: {verdict}, expected {expected}", case.name));
        }
        let elsewhere = decide(&gate, "api2.example.com", &token);
        if elsewhere == "forward" {
            wrong.push(format!("{configuration}: `{}` {patch}: opens the neighbour too", case.name));
        }
    }
    let judged = |case: &&Case| verdicts.iter().any(|verdict| case.name.starts_with(verdict.case));
    let forgotten = cases.iter().filter(|case| !judged(case)).map(|case| format!("`{}` has no verdict", case.name));
    wrong.extend(forgotten);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

macro_rules! providers {
    ($($name:ident)*) => {
        const PROVIDERS: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { hold(stringify!($name)); })*
    };
}

providers! {
    auth0 authentik cognito entra fusionauth github_actions gitlab google hydra identityserver keycloak kubernetes okta
    pingfederate pingone zitadel
}

#[test]
fn every_fixture_is_used() {
    let files = fs::read_dir(folder()).expect("the fixtures are there").map(|entry| entry.expect("they can be listed"));
    let files: BTreeSet<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    let used = VERDICTS.iter().map(|verdict| format!("{}.yaml", verdict.configuration));
    let exchanged = ["keycloak.exchange", "okta.exchange", "identityserver.narrow"].map(|name| format!("{name}.yaml"));
    let used = used.chain(exchanged).chain(PROVIDERS.iter().map(|name| format!("{name}.json")));
    let used: BTreeSet<String> = used.chain(iter::once("cluster-jwks.json".into())).collect();
    assert_eq!(files, used);
}

/// Microsoft signs the tokens of Graph over another header than the one it sends.
#[test]
fn a_signature_over_another_header_is_invalid() {
    let cases = cases("entra");
    let graph = cases.iter().find(|case| case.name.contains("Graph")).expect("the case is there");
    let (token, jwks) = graph.signed("");
    let (head, rest) = token.split_once('.').expect("three parts");
    let header = case::header_of(head);
    let mut shown = header.clone();
    shown["nonce"] = "as the client sees it, before it is hashed".into();
    let shown = format!("{}.{rest}", crate::keys::base64url(shown.to_string()));
    assert_eq!(decide(&gate("entra", &jwks), "api1.example.com", &shown), "signature_invalid");
}
