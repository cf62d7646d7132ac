//! Which scopes a token may carry: what was carried before, as the matrix or an edge lets it arrive, or what the matrix
//! allows. That the resource owns them is held by [`Grant`](super::Grant).
//!
//! A pattern stands for scopes, and a token carries scopes: whoever wants one with a value must name the value, in the
//! request or in the token that came before.

use std::collections::BTreeSet;

use super::{Policy, TokenFacts, TokenIssuer};
use crate::config::{Client, EdgeScope, ResourceId};
use crate::oauth::{Scope, ScopePattern};

/// What a client may have at a resource by itself: of the scopes that it asks for those in its matrix, or else all there
/// whose pattern has no open parameter.
pub(super) fn own_scopes(client: &Client, resource: ResourceId, asked: Option<&BTreeSet<Scope>>) -> BTreeSet<Scope> {
    match asked {
        Some(asked) => kept(asked.clone(), client, resource),
        None => {
            let closed = row(client, resource).iter().filter(|pattern| pattern.parameter().is_none());
            closed.filter_map(|pattern| Scope::parse(pattern.as_str()).ok()).collect()
        }
    }
}

/// What is left of these scopes in the hands of a client: those in its matrix.
pub(super) fn kept(scopes: BTreeSet<Scope>, client: &Client, resource: ResourceId) -> BTreeSet<Scope> {
    let is_in_row = |scope: &Scope| row(client, resource).iter().any(|pattern| pattern.covers(scope.as_str()));
    scopes.into_iter().filter(is_in_row).collect()
}

/// The row of the matrix; empty where the client has none.
fn row(client: &Client, resource: ResourceId) -> &[ScopePattern] {
    client.resources.get(&resource).map_or(&[], Vec::as_slice)
}

/// What a subject's scopes are worth behind an edge.
pub(super) fn mapped(carried: &BTreeSet<Scope>, edge: &[EdgeScope]) -> BTreeSet<Scope> {
    let worth = |scope: &Scope| {
        let rules = edge.iter().filter(|rule| rule.from.covers(scope.as_str()));
        rules.flat_map(|rule| rule.to.iter().filter_map(|to| image(&rule.from, to, scope))).collect::<Vec<_>>()
    };
    carried.iter().flat_map(worth).collect()
}

/// `to`, with the value that `scope` holds in `from` if it has a parameter; nothing if that is another parameter.
fn image(from: &ScopePattern, to: &ScopePattern, scope: &Scope) -> Option<Scope> {
    let Some(parameter) = to.parameter() else {
        return Scope::parse(to.as_str()).ok();
    };
    let value = from.value_in(scope.as_str()).filter(|_| from.parameter() == Some(parameter))?;
    let (before, after) = to.affixes();
    Scope::parse(&[before, value, after].concat()).ok()
}

/// The scopes of a token as this resource sees them: by its `scope_map`, or by `scopes_if_none` where there is no scope
/// claim. Our own tokens say what they mean, and an issuer that may not vouch here says nothing.
pub(super) fn carried(policy: &Policy<'_>, token: &TokenFacts, at: ResourceId) -> BTreeSet<Scope> {
    let words = token.claimed_at(at).scopes.as_deref();
    let plain = |words: Option<&[String]>| {
        words.unwrap_or_default().iter().filter_map(|word| Scope::parse(word).ok()).collect::<BTreeSet<_>>()
    };
    if token.issuer == TokenIssuer::Own {
        return plain(words);
    }
    let Some(entry) = policy.entry(at, token.issuer) else {
        return BTreeSet::new();
    };
    match (words, &entry.scope_map) {
        (None, _) => entry.scopes_if_none.iter().cloned().collect(),
        (Some(words), None) => plain(Some(words)),
        (Some(words), Some(map)) => words.iter().filter_map(|word| map.get(word)).flatten().cloned().collect(),
    }
}
