//! A token for the client itself (RFC 6749 §4.4): its own rights at one resource, by the matrix.

use std::collections::BTreeSet;

use super::grant::{Holder, Parts};
use super::scopes::own_scopes;
use super::target::{named_or_told, owns};
use super::{Grant, Party, Policy, Refusal, Wanted};
use crate::config::{Client, GrantType, ResourceId};
use crate::oauth::{FOR_USERS, Scope};

/// Decides what an authenticated client gets for itself.
///
/// # Errors
///
/// [`Refusal`] says what is missing: the grant, the resource, or a scope there.
pub fn client_credentials(policy: &Policy<'_>, client: &Client, wanted: &Wanted) -> Result<Grant, Refusal> {
    check_grant(client, GrantType::ClientCredentials)?;
    let asked = wanted.scopes.as_ref();
    if asked.is_some_and(|asked| asked.iter().any(|scope| FOR_USERS.contains(&scope.as_str()))) {
        return Err(Refusal::ScopeNotAvailable);
    }
    let resource = named_or_told(policy, client, wanted)?;
    let asked = asked.map(|asked| understood(policy, client, resource, asked)).transpose()?;
    let asked = asked.as_ref();
    let subject = Party::client(client);
    let available = own_scopes(client, resource, asked);
    let parts = Parts {
        resource,
        holder: Holder::Client(client),
        available,
        asked,
        subject,
        act: Vec::new(),
        expires_no_later_than: None,
        earlier: None,
    };
    Grant::new(policy, parts)
}

/// Of the scopes that are asked for those that the target understands (RFC 8707 §2.2): a client may ask for all that it
/// has anywhere, and gets what belongs to this resource.
///
/// # Errors
///
/// [`Refusal::ScopeNotAvailable`] for a scope that this client can have nowhere, and [`Refusal::ScopeNothingLeft`] if the
/// target understands none of them.
fn understood(
    policy: &Policy<'_>,
    client: &Client,
    target: ResourceId,
    asked: &BTreeSet<Scope>,
) -> Result<BTreeSet<Scope>, Refusal> {
    let is_owned = |id: ResourceId, scope: &Scope| policy.resource(id).is_some_and(|resource| owns(resource, scope));
    let is_had_elsewhere = |scope: &Scope| {
        let mut rows = client.resources.iter().filter(|(id, _)| **id != target);
        rows.any(|(id, row)| is_owned(*id, scope) && row.iter().any(|pattern| pattern.covers(scope.as_str())))
    };
    let (there, elsewhere): (BTreeSet<Scope>, BTreeSet<Scope>) =
        asked.iter().cloned().partition(|scope| is_owned(target, scope));
    if !elsewhere.iter().all(is_had_elsewhere) {
        return Err(Refusal::ScopeNotAvailable);
    }
    (!there.is_empty()).then_some(there).ok_or(Refusal::ScopeNothingLeft)
}

/// Whether a client may use a grant that is for confidential clients only.
///
/// # Errors
///
/// [`Refusal::ClientDisabled`], [`Refusal::GrantNotAllowed`] or [`Refusal::ClientPublic`].
pub(super) fn check_grant(client: &Client, grant: GrantType) -> Result<(), Refusal> {
    check_open_grant(client, grant)?;
    client.is_confidential().then_some(()).ok_or(Refusal::ClientPublic)
}

/// Whether a client may use a grant that public ones may use as well.
///
/// # Errors
///
/// [`Refusal::ClientDisabled`] or [`Refusal::GrantNotAllowed`].
pub fn check_open_grant(client: &Client, grant: GrantType) -> Result<(), Refusal> {
    if client.disabled {
        return Err(Refusal::ClientDisabled);
    }
    client.grants.contains(&grant).then_some(()).ok_or(Refusal::GrantNotAllowed)
}
