//! What may be minted (P3): one resource, scopes that it owns, an end no later than what it came from.
//!
//! Only the grants of this room make a [`Grant`], all of them by the same lines, so that none can forget a bound.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::facts::LoginFacts;
use super::target::owns;
use super::{Policy, Refusal, TokenFacts};
use crate::clock::Timestamp;
use crate::config::{Client, Resource, ResourceId, UserClaim};
use crate::oauth::{ClientRef, IssuerName, ResourceIndicator, Scope, Subject};
use crate::token::mint::{
    AccessToken, Actor, GrantId, Login, NewAccessToken, NotMinted, Source, TokenSubject, UserClaims,
};

/// A token that may be minted, without its signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    resource: ResourceId,
    audience: ResourceIndicator,
    scopes: BTreeSet<Scope>,
    subject: Party,
    client: Party,
    act: Vec<Party>,
    lifetime: Duration,
    expires_no_later_than: Option<Timestamp>,
    root: Option<GrantId>,
    login: Option<LoginFacts>,
    user_claims: UserClaims,
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
    pub(super) holder: Holder<'a>,
    /// All scopes that may be had.
    pub(super) available: BTreeSet<Scope>,
    /// Those that are asked for; all if nothing is asked for.
    pub(super) asked: Option<&'a BTreeSet<Scope>>,
    pub(super) subject: Party,
    pub(super) act: Vec<Party>,
    pub(super) expires_no_later_than: Option<Timestamp>,
    /// What it is made from; nothing if a grant begins here.
    pub(super) earlier: Option<Earlier<'a>>,
}

/// The step before, a token or a user's consent, whose grant goes on.
#[derive(Debug)]
pub(super) struct Earlier<'a> {
    pub(super) root: Option<GrantId>,
    pub(super) login: Option<&'a LoginFacts>,
    pub(super) user_claims: &'a Map<String, Value>,
}

/// In whose hands the token comes.
#[derive(Debug)]
pub(super) enum Holder<'a> {
    /// A client of ours asked for it.
    Client(&'a Client),
    /// The gate makes it in place of the one that this client presented at the resource, which let it in.
    Presenter(Party),
}

impl Grant {
    /// Holds the parts against what the resource owns and takes.
    ///
    /// # Errors
    ///
    /// [`Refusal::TargetUnknown`] if the resource takes no token of this client, [`Refusal::ScopeNotAvailable`] if more is
    /// asked for than may be had there, [`Refusal::ScopeNothingLeft`] if nothing is left for a client that asks though the
    /// resource declares scopes, [`Refusal::ChainTooLong`].
    pub(super) fn new(policy: &Policy<'_>, parts: Parts<'_>) -> Result<Self, Refusal> {
        let is_good_there = |resource: &&Resource| match &parts.holder {
            Holder::Client(client) => policy.can_mint(parts.resource, client),
            Holder::Presenter(_) => !resource.public,
        };
        let resource = policy.resource(parts.resource).filter(is_good_there).ok_or(Refusal::TargetUnknown)?;
        let owned: BTreeSet<Scope> = parts.available.into_iter().filter(|scope| owns(resource, scope)).collect();
        let scopes = match parts.asked {
            None => owned,
            Some(asked) if asked.is_subset(&owned) => asked.clone(),
            Some(_) => return Err(Refusal::ScopeNotAvailable),
        };
        let asks = matches!(parts.holder, Holder::Client(_));
        if asks && scopes.is_empty() && !resource.scopes.is_empty() {
            return Err(Refusal::ScopeNothingLeft);
        }
        // Where nobody asks, the chain is what it was.
        if asks && parts.act.len() > policy.server.exchange_depth {
            return Err(Refusal::ChainTooLong);
        }
        let client = match parts.holder {
            Holder::Client(client) => Party::client(client),
            Holder::Presenter(presenter) => presenter,
        };
        Ok(Self {
            resource: parts.resource,
            audience: resource.key.clone(),
            user_claims: told_claims(resource, &scopes, parts.earlier.as_ref()),
            scopes,
            subject: parts.subject,
            client,
            act: parts.act,
            lifetime: resource.access_token_lifetime.unwrap_or(policy.server.access_token_lifetime),
            expires_no_later_than: parts.expires_no_later_than,
            root: parts.earlier.as_ref().and_then(|earlier| earlier.root),
            login: parts.earlier.and_then(|earlier| earlier.login.cloned()),
        })
    }

    /// What the token will say, at `now`; it only has to be signed.
    ///
    /// # Errors
    ///
    /// [`NotMinted`] if it would have ended already, or could not be read again.
    pub fn access_token(&self, policy: &Policy<'_>, now: Timestamp) -> Result<AccessToken, NotMinted> {
        let resource = policy.resource(self.resource).ok_or(NotMinted::PublicAudience)?;
        let root = self.root.map_or_else(GrantId::generate, Ok).map_err(|_| NotMinted::Randomness)?;
        let source = match self.expires_no_later_than {
            None => Source::Grant(root),
            Some(ends) => Source::Ending { root, ends },
        };
        let mut actor = None;
        for party in self.act.iter().rev() {
            actor = Some(Actor::new(&party.to_string(), None, actor).map_err(|_| NotMinted::Actors)?);
        }
        let scopes: Vec<Scope> = self.scopes.iter().cloned().collect();
        let client = ClientRef { issuer: self.client.issuer.as_ref(), id: &self.client.value };
        let subject = Subject { issuer: self.subject.issuer.as_ref(), value: &self.subject.value };
        AccessToken::new(
            resource,
            &NewAccessToken {
                issuer: &policy.server.issuer,
                subject: TokenSubject::Named(subject),
                client,
                scopes: &scopes,
                now,
                lifetime: self.lifetime,
                source,
                login: self.login.as_ref().map(|login| Login {
                    time: login.time,
                    acr: login.acr.as_deref(),
                    amr: &login.amr,
                }),
                actor: actor.as_ref(),
                user_claims: &self.user_claims,
            },
        )
    }

    /// The same, ending no later than at `time`.
    #[must_use]
    pub fn ending_by(self, time: Timestamp) -> Self {
        let ends = self.expires_no_later_than.map_or(time, |ends| ends.min(time));
        Self { expires_no_later_than: Some(ends), ..self }
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

    /// `client_id`: the client that asked, or that presented what the gate narrows.
    pub fn client(&self) -> &Party {
        &self.client
    }

    /// `act`: who acts, the outermost first; nobody if the client acts for itself or for whoever handed it the token.
    pub fn act(&self) -> &[Party] {
        &self.act
    }

    /// The end of what this one came from: a token, the earliest of several, or a user's grant.
    pub fn expires_no_later_than(&self) -> Option<Timestamp> {
        self.expires_no_later_than
    }

    /// The root of the grant that this one came from; nothing if it begins one.
    pub fn root(&self) -> Option<GrantId> {
        self.root
    }

    /// What the resource is told about the user.
    pub fn user_claims(&self) -> &UserClaims {
        &self.user_claims
    }
}

/// Of what is known about the user, what this resource is to be told with these scopes. A claim that no token could
/// carry is left out.
fn told_claims(resource: &Resource, scopes: &BTreeSet<Scope>, earlier: Option<&Earlier<'_>>) -> UserClaims {
    let known = earlier.into_iter().flat_map(|earlier| earlier.user_claims);
    let is_granted = |wanted: &UserClaim| {
        wanted.scopes.iter().all(|pattern| scopes.iter().any(|scope| pattern.covers(scope.as_str())))
    };
    let is_told = |name: &str| resource.user_claims.iter().any(|wanted| wanted.name == name && is_granted(wanted));
    let told = known.filter(|(name, _)| is_told(name));
    let one = |(name, value): (&String, &Value)| {
        let claim = [(name.clone(), value.clone())].into_iter().collect();
        UserClaims::new(claim).is_ok().then(|| (name.clone(), value.clone()))
    };
    UserClaims::new(told.filter_map(one).collect()).unwrap_or_default()
}

impl<'a> From<&'a TokenFacts> for Earlier<'a> {
    fn from(token: &'a TokenFacts) -> Self {
        Self { root: token.root, login: token.login.as_ref(), user_claims: &token.user_claims }
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
