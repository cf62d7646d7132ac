//! What an API may know about a token (RFC 7662 §2.2): all of it, if it is that API's own, and else nothing at all.
//!
//! A token that is good somewhere else is as inactive here as one that nobody ever made (RFC 7662 §4), so the same `None`
//! stands for all of them.

use serde_json::{Map, Value};

use super::target::owns;
use super::{Policy, TokenFacts, TokenIssuer};
use crate::config::Client;
use crate::oauth::Scope;

/// The claims that are shown as they are.
const SHOWN: [&str; 11] = ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "auth_time", "acr", "act", "may_act"];

/// What `client` may know about a token that is genuine, in time and not revoked; nothing if it is none of its business.
pub fn introspect(
    policy: &Policy<'_>,
    client: &Client,
    token: &TokenFacts,
    claims: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let id = client.serves?;
    let resource = policy.resource(id)?;
    let is_for_it =
        token.issuer == TokenIssuer::Own && matches!(&*token.audiences, [only] if *only == resource.key.as_str());
    if !is_for_it || token.bound || !policy.lets_in(id, token) {
        return None;
    }
    let mut shown = Map::new();
    shown.insert("active".to_owned(), true.into());
    for name in SHOWN {
        if let Some(value) = claims.get(name) {
            shown.insert(name.to_owned(), value.clone());
        }
    }
    // What the resource has given up meanwhile counts for nothing here, as it does at the gate.
    let words = token.claimed.scopes.iter().flatten();
    let owned = |word: &&String| Scope::parse(word).is_ok_and(|scope| owns(resource, &scope));
    let scope: Vec<&str> = words.filter(owned).map(String::as_str).collect();
    if !scope.is_empty() {
        shown.insert("scope".to_owned(), scope.join(" ").into());
    }
    shown.insert("token_type".to_owned(), "Bearer".into());
    Some(shown)
}
