//! Which resource a token request means (RFC 8707 §2): one, or `invalid_target`.
//!
//! What a client sends is compared by [`ResourceIndicator::meant_by`];
//! what comes of it is the resource, never the client's spelling. Unknown and out of reach are one refusal.

use std::collections::BTreeSet;

use super::{Policy, Refusal};
use crate::config::{Client, Resource, ResourceId};
use crate::oauth::{ResourceIndicator, Scope};

/// What a client wants a token for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// The names of the target, as they were sent: `resource`, and `audience` at an exchange.
    pub names: Vec<String>,
    /// The scopes; nothing if no `scope` was sent.
    pub scopes: Option<BTreeSet<Scope>>,
}

/// The resource that is named; nothing if none is. Names that mean the same one are one name.
///
/// # Errors
///
/// [`Refusal::TargetUnknown`] if a name means nothing that is within the client's reach: in its matrix, or under its
/// `exchange`; [`Refusal::TargetAmbiguous`] if two names mean two.
pub(super) fn named(policy: &Policy<'_>, client: &Client, wanted: &Wanted) -> Result<Option<ResourceId>, Refusal> {
    let mut target = None;
    for name in &wanted.names {
        // A key means itself, and most clients send it as it is.
        let as_written = || ResourceIndicator::meant_by(name).and_then(|key| policy.audiences.resource(key.as_str()));
        let meant = policy
            .audiences
            .resource(name)
            .or_else(as_written)
            .filter(|meant| is_within_reach(policy, client, *meant))
            .ok_or(Refusal::TargetUnknown)?;
        if target.is_some_and(|target| target != meant) {
            return Err(Refusal::TargetAmbiguous);
        }
        target = Some(meant);
    }
    Ok(target)
}

/// The resource that is named, or else the one that can be told from the client: its `default_resource`, its only one,
/// or the only one in its matrix that owns every scope asked for.
///
/// # Errors
///
/// Those of [`named`]; [`Refusal::TargetMissing`] if none can be told; [`Refusal::TargetUnknown`] if the client cannot
/// have a token there.
pub(super) fn named_or_told(policy: &Policy<'_>, client: &Client, wanted: &Wanted) -> Result<ResourceId, Refusal> {
    let target = match named(policy, client, wanted)? {
        Some(named) => named,
        None => told(policy, client, wanted.scopes.as_ref()).ok_or(Refusal::TargetMissing)?,
    };
    let is_in_matrix = client.resources.contains_key(&target) && policy.can_mint(target, client);
    is_in_matrix.then_some(target).ok_or(Refusal::TargetUnknown)
}

/// The resource that is meant when none is named, as far as the client tells it: its `default_resource`, its only one, or
/// the only one in its matrix that owns every scope asked for.
pub(super) fn told(policy: &Policy<'_>, client: &Client, scopes: Option<&BTreeSet<Scope>>) -> Option<ResourceId> {
    let matrix = || client.resources.keys().copied();
    let owns_all = |target: &ResourceId| {
        let owner = policy.resource(*target);
        scopes.zip(owner).is_some_and(|(scopes, owner)| scopes.iter().all(|scope| owns(owner, scope)))
    };
    client.default_resource.or_else(|| only(matrix())).or_else(|| only(matrix().filter(owns_all)))
}

/// Whether a resource declares this scope.
pub(super) fn owns(resource: &Resource, scope: &Scope) -> bool {
    resource.scopes.iter().any(|(pattern, _)| pattern.covers(scope.as_str()))
}

fn is_within_reach(policy: &Policy<'_>, client: &Client, target: ResourceId) -> bool {
    let is_listed = client.resources.contains_key(&target) || client.exchange.contains_key(&target);
    is_listed && policy.can_mint(target, client)
}

fn only<T>(mut candidates: impl Iterator<Item = T>) -> Option<T> {
    candidates.next().filter(|_| candidates.next().is_none())
}
