//! A token for the client itself (RFC 6749 §4.4): its own rights at one resource, by the matrix.

use super::grant::{Holder, Parts};
use super::scopes::own_scopes;
use super::target::named_or_told;
use super::{Grant, Party, Policy, Refusal, Wanted};
use crate::config::{Client, GrantType};
use crate::oauth::FOR_USERS;

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
        source: None,
    };
    Grant::new(policy, parts)
}

/// Whether a client may use a grant that is for confidential clients only.
///
/// # Errors
///
/// [`Refusal::ClientDisabled`], [`Refusal::GrantNotAllowed`] or [`Refusal::ClientPublic`].
pub(super) fn check_grant(client: &Client, grant: GrantType) -> Result<(), Refusal> {
    if client.disabled {
        return Err(Refusal::ClientDisabled);
    }
    if !client.grants.contains(&grant) {
        return Err(Refusal::GrantNotAllowed);
    }
    client.is_confidential().then_some(()).ok_or(Refusal::ClientPublic)
}
