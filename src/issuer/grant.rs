//! What may be minted (P3): one resource, scopes that it owns, an end no later than what it came from.
//!
//! Only the grants of this room make a [`Grant`], all of them by the same lines, so that none can forget a bound.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::target::owns;
use super::{Policy, Refusal};
use crate::clock::Timestamp;
use crate::config::{Client, ResourceId};
use crate::oauth::{IssuerName, ResourceIndicator, Scope, Subject};

/// A token that may be minted, without its signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    resource: ResourceId,
    audience: ResourceIndicator,
    scopes: BTreeSet<Scope>,
    subject: Party,
    client: String,
    act: Vec<Party>,
    lifetime: Duration,
    expires_no_later_than: Option<Timestamp>,
    root: Option<String>,
}

/// Somebody as a token names him: bound to the issuer that vouches for him.
///
/// Printed `<issuer name>|<value>`; without an issuer, the value is printed alone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Party {
    /// Who vouches; nothing for our own clients, for what our own tokens say, and for `subjects: plain`.
    pub issuer: Option<IssuerName>,
    /// The name there.
    pub value: String,
}

/// What a grant is made of, before it is held against its resource.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) resource: ResourceId,
    pub(super) client: &'a Client,
    /// All scopes that may be had.
    pub(super) available: BTreeSet<Scope>,
    /// Those that are asked for; all if nothing is asked for.
    pub(super) asked: Option<&'a BTreeSet<Scope>>,
    pub(super) subject: Party,
    pub(super) act: Vec<Party>,
    pub(super) expires_no_later_than: Option<Timestamp>,
    pub(super) root: Option<String>,
}

impl Grant {
    /// Holds the parts against what the resource owns and takes.
    ///
    /// # Errors
    ///
    /// [`Refusal::TargetUnknown`] if the resource takes no token of this client, [`Refusal::ScopeNotAvailable`] if more is
    /// asked for than may be had there, [`Refusal::ScopeNothingLeft`] if nothing is left though the resource declares
    /// scopes, [`Refusal::ChainTooLong`].
    pub(super) fn new(policy: &Policy<'_>, parts: Parts<'_>) -> Result<Self, Refusal> {
        let resource = policy.resource(parts.resource).filter(|_| policy.can_mint(parts.resource, parts.client));
        let resource = resource.ok_or(Refusal::TargetUnknown)?;
        let owned: BTreeSet<Scope> = parts.available.into_iter().filter(|scope| owns(resource, scope)).collect();
        let scopes = match parts.asked {
            None => owned,
            Some(asked) if asked.is_subset(&owned) => asked.clone(),
            Some(_) => return Err(Refusal::ScopeNotAvailable),
        };
        if scopes.is_empty() && !resource.scopes.is_empty() {
            return Err(Refusal::ScopeNothingLeft);
        }
        if parts.act.len() > policy.server.exchange_depth {
            return Err(Refusal::ChainTooLong);
        }
        Ok(Self {
            resource: parts.resource,
            audience: resource.key.clone(),
            scopes,
            subject: parts.subject,
            client: parts.client.id.clone(),
            act: parts.act,
            lifetime: resource.access_token_lifetime.unwrap_or(policy.server.access_token_lifetime),
            expires_no_later_than: parts.expires_no_later_than,
            root: parts.root,
        })
    }

    /// The one resource that the token opens.
    pub fn resource(&self) -> ResourceId {
        self.resource
    }

    /// The one `aud`: the key of that resource.
    pub fn audience(&self) -> &ResourceIndicator {
        &self.audience
    }

    /// The scopes; empty only if the resource declares none.
    pub fn scopes(&self) -> &BTreeSet<Scope> {
        &self.scopes
    }

    /// `sub`.
    pub fn subject(&self) -> &Party {
        &self.subject
    }

    /// `client_id`: the client that asked.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// `act`: who acts, the outermost first; nobody if the client acts for itself or for whoever handed it the token.
    pub fn act(&self) -> &[Party] {
        &self.act
    }

    /// The end of the token that this one came from, or of the earliest of them.
    pub fn expires_no_later_than(&self) -> Option<Timestamp> {
        self.expires_no_later_than
    }

    /// The root of the grant that this one came from; nothing if it begins one.
    pub fn root(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// `exp` of a token minted now: after the resource's lifetime, but no later than what it came from.
    pub fn expires(&self, now: Timestamp) -> Timestamp {
        let end = Timestamp(now.0.saturating_add(self.lifetime.as_secs()));
        self.expires_no_later_than.map_or(end, |latest| latest.min(end))
    }
}

impl Party {
    /// One of our own clients.
    pub(super) fn client(client: &Client) -> Self {
        Self { issuer: None, value: client.id.clone() }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Subject { issuer: self.issuer.as_ref(), value: &self.value }.fmt(formatter)
    }
}
