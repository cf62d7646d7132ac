//! The token that an API behind the gate gets in place of the one that was presented: the same rights there, and none
//! elsewhere (`forward: narrowed`).
//!
//! Nobody asks for it, so the matrix does not rule: the gate has let the presented token in, with these scopes, and hands
//! on what it carried there and no more. The presenter stays its client, and whoever acted stays named.

use super::facts::{TokenFacts, TokenIssuer};
use super::grant::{Holder, Parts};
use super::scopes::carried;
use super::token_exchange::{earlier_actors, party, trusted};
use super::{Grant, Party, Policy, Refusal};
use crate::config::ResourceId;
use crate::oauth::IssuerName;

/// Narrows a token that the gate let in at `resource`.
///
/// # Errors
///
/// [`Refusal::TokenIncomplete`] if it names no client, without which there is no access token (RFC 9068 §2.2), or if it is
/// ours and has no root; [`Refusal::TokenBound`], [`Refusal::SubjectAmbiguous`], and [`Refusal::TargetUnknown`] for what
/// the resource would not let in.
pub fn narrow(policy: &Policy<'_>, resource: ResourceId, token: &TokenFacts) -> Result<Grant, Refusal> {
    if token.bound {
        return Err(Refusal::TokenBound);
    }
    if token.issuer == TokenIssuer::Own && token.root.is_none() {
        return Err(Refusal::TokenIncomplete);
    }
    let is_let_in = policy.lets_in(resource, token) && policy.named_by(token).contains(&resource);
    is_let_in.then_some(()).ok_or(Refusal::TargetUnknown)?;
    let presenter = presenter(policy, token, resource)?;
    let subject = match token.claimed_at(resource).subject {
        Some(_) => party(policy, token, resource)?,
        // A client that is nobody's agent is its own subject.
        None => presenter.clone(),
    };
    let parts = Parts {
        resource,
        holder: Holder::Presenter(presenter),
        available: carried(policy, token, resource),
        asked: None,
        subject,
        act: earlier_actors(policy, token)?,
        expires_no_later_than: Some(token.expires),
        earlier: Some(token.into()),
    };
    Grant::new(policy, parts)
}

/// The client that presents the token, with its issuer. Our own tokens name ours as they are, and a foreign one, whose
/// token was narrowed before, as it is printed: no client of ours has a `|` in its id.
fn presenter(policy: &Policy<'_>, token: &TokenFacts, resource: ResourceId) -> Result<Party, Refusal> {
    let value = token.claimed_at(resource).client.clone().filter(|client| !client.is_empty());
    let value = value.ok_or(Refusal::TokenIncomplete)?;
    if let Some(trusted) = trusted(policy, token)? {
        return Ok(Party { issuer: Some(trusted.name.clone()), value });
    }
    Ok(match value.split_once('|') {
        None => Party { issuer: None, value },
        Some((issuer, id)) => {
            let issuer = IssuerName::parse(issuer).map_err(|_| Refusal::TokenIncomplete)?;
            Party { issuer: Some(issuer), value: id.to_owned() }
        }
    })
}
