//! What our own issuer makes of each provider's tokens: by an exchange where they name no API, and in place of the token that
//! came where they name several.

use std::sync::Arc;

use narrowgate::clock::Timestamp;
use narrowgate::config::{Config, ResourceId};
use narrowgate::guard::Gate;
use narrowgate::issuer::{Exchange, Grant, Policy, TokenFacts, Wanted, narrow, token_exchange};
use narrowgate::token::{GenuineToken, Presented, TokenCache};

use super::case::cases;
use super::{configured, decide, gate_of, provider};

const API1: ResourceId = ResourceId(0);

/// The token of a case, proven as for an exchange at the first API.
fn proven(configuration: &str, case: &str, patch: &str) -> (Config, Gate, Arc<GenuineToken>, String) {
    let cases = cases(provider(configuration));
    let found = cases.iter().find(|known| known.name.starts_with(case)).expect("the case is there");
    let (token, jwks) = found.signed(patch);
    let config = configured(configuration, &jwks);
    let gate = gate_of(&config);
    let tokens = TokenCache::new(1 << 20).expect("the system has randomness");
    let presented = Presented { compact: &token, now: Timestamp::now(), keys_awaited: true };
    let genuine = gate.prove_for_exchange(API1, &presented, &tokens).expect("the token is genuine");
    (config, gate, genuine, token)
}

/// Subject, client and scopes of a grant, or why there is none.
fn told(grant: Result<Grant, narrowgate::issuer::Refusal>) -> String {
    match grant {
        Err(refusal) => refusal.error().as_str().to_owned(),
        Ok(grant) => {
            let scopes: Vec<_> = grant.scopes().iter().map(|scope| scope.as_str()).collect();
            format!("{} by {} for {}: {}", grant.subject(), grant.client(), grant.audience(), scopes.join(" "))
        }
    }
}

fn exchanged(configuration: &str, case: &str, patch: &str, name: &str) -> String {
    let (config, gate, genuine, _) = proven(configuration, case, patch);
    let server = config.issuer.as_ref().expect("it has an issuer");
    let policy = Policy { server, config: &config, audiences: gate.audiences() };
    let subject = TokenFacts::of(&policy, &genuine, API1).expect("it can be read");
    let wanted = Wanted { names: vec![name.to_owned()], scopes: None };
    let client = server.client("app").expect("the client is there");
    told(token_exchange(&policy, &Exchange { client, wanted: &wanted, subject: &subject, actor: None }))
}

#[test]
fn keycloaks_plain_tokens_become_tokens_for_one_api() {
    let case = "access: user, new realm";
    let expected = "corp|8a4c0c52-3c1f-4f0e-9a77-6f2b1d9c4e30 by app for https://api1.example.com: read";
    assert_eq!(exchanged("keycloak.exchange", case, "", "https://api1.example.com"), expected);
    let other_api = exchanged("keycloak.exchange", case, "", "https://api2.example.com");
    assert_eq!(other_api, "invalid_request", "it does not admit the issuer");
    let other_client = exchanged("keycloak.exchange", case, r#"{"azp": "other"}"#, "https://api1.example.com");
    assert_eq!(other_client, "invalid_request");
    let other_audience = exchanged("keycloak.exchange", case, r#"{"aud": "broker"}"#, "https://api1.example.com");
    assert_eq!(other_audience, "invalid_target", "only what is addressed to the gateway is for exchange");
}

#[test]
fn oktas_shared_server_serves_single_apis() {
    let expected = "okta|jane@example.com by app for https://api1.example.com: read";
    assert_eq!(exchanged("okta.exchange", "access: custom server, user", "", "https://api1.example.com"), expected);
}

#[test]
fn identityservers_broad_tokens_are_narrowed_on_the_way() {
    let (config, gate, genuine, token) =
        proven("identityserver.narrow", "access: user, scopes of two ApiResources", "");
    assert_eq!(decide(&gate, "api1.example.com", &token), "forward");
    assert_eq!(decide(&gate, "api2.example.com", &token), "audience_too_broad");
    let server = config.issuer.as_ref().expect("it has an issuer");
    let policy = Policy { server, config: &config, audiences: gate.audiences() };
    let facts = TokenFacts::of(&policy, &genuine, API1).expect("it can be read");
    let expected = "ids|818727 by ids|reporting-web for https://api1.example.com: read";
    assert_eq!(told(narrow(&policy, API1, &facts)), expected);
}
