//! Which APIs a user is asked for, and which scopes there (RFC 8707 §2.1).
//!
//! Each resource gets those of the scopes that it owns and that this client may have there. Unknown and forbidden are the
//! same all along: a scope that the matrix denies is none that the resource owns, as far as this client can tell.

use std::collections::{BTreeMap, BTreeSet};

use super::{AuthorizationFault, AuthorizationRequest};
use crate::config::{Client, ResourceId};
use crate::issuer::request::scopes;
use crate::issuer::scopes::own_scopes;
use crate::issuer::target::{named_or_told, owns};
use crate::issuer::{Policy, Refusal, Wanted};
use crate::oauth::{FOR_USERS, Scope};

/// What is asked for, sorted to its owners.
///
/// # Errors
///
/// [`Refusal::ScopeMalformed`], [`Refusal::TargetUnknown`] or [`Refusal::TargetMissing`];
/// [`AuthorizationFault::ScopeOfNone`] for a scope that none of the resources gets, and
/// [`AuthorizationFault::TargetWithoutScope`] for a resource that gets none though it declares some.
pub(super) fn resources_and_scopes(
    policy: &Policy<'_>,
    client: &Client,
    request: &AuthorizationRequest,
) -> Result<BTreeMap<ResourceId, BTreeSet<Scope>>, AuthorizationFault> {
    let asked = request.one("scope").map(scopes).transpose()?.and_then(without_words_for_users);
    let mut grant = BTreeMap::new();
    for resource in resources(policy, client, request, asked.as_ref())? {
        let known = policy.resource(resource).ok_or(Refusal::TargetUnknown)?;
        let mut available = own_scopes(client, resource, asked.as_ref());
        available.retain(|scope| owns(known, scope));
        grant.insert(resource, available);
    }
    let is_had = |scope: &Scope| grant.values().any(|had| had.contains(scope));
    if !asked.iter().flatten().all(is_had) {
        return Err(AuthorizationFault::ScopeOfNone);
    }
    let gets_nothing = |(resource, had): (&ResourceId, &BTreeSet<Scope>)| {
        had.is_empty() && policy.resource(*resource).is_none_or(|known| !known.scopes.is_empty())
    };
    match grant.iter().any(gets_nothing) {
        true => Err(AuthorizationFault::TargetWithoutScope),
        false => Ok(grant),
    }
}

/// The scopes without those that an OpenID provider would understand, which change nothing here; nothing if no other is
/// asked for.
pub(in crate::issuer) fn without_words_for_users(mut asked: BTreeSet<Scope>) -> Option<BTreeSet<Scope>> {
    asked.retain(|scope| !FOR_USERS.contains(&scope.as_str()));
    (!asked.is_empty()).then_some(asked)
}

/// The resources that are named, or else the one that can be told from the client.
fn resources(
    policy: &Policy<'_>,
    client: &Client,
    request: &AuthorizationRequest,
    asked: Option<&BTreeSet<Scope>>,
) -> Result<BTreeSet<ResourceId>, Refusal> {
    let one = |names: Vec<String>| named_or_told(policy, client, &Wanted { names, scopes: asked.cloned() });
    let mut names = request.all("resource").peekable();
    if names.peek().is_none() {
        return Ok(BTreeSet::from([one(Vec::new())?]));
    }
    names.map(|name| one(vec![name.to_owned()])).collect()
}
