//! A token that an operator asks for in place of a user who logs in: for any subject, and else by every rule of the other
//! grants (`narrowgate token`).
//!
//! The line `development_tokens: true` opens this, and the subject only: one resource, scopes of the client's own matrix, the
//! resource's lifetime, its owner's veto. It stands for a login, so the client's `grants` and its proof do not matter.
//! An API that is for some users only (`access`) is for those of `login.users` who may have it: of all others nothing is known
//! here. Deliberately absent: actors, claims of the user, and anything that was sent in a message: it may be a secret.

use serde::{Deserialize, Serialize};

use super::grant::{Holder, Parts};
use super::request::scopes;
use super::scopes::own_scopes;
use super::token_exchange::vouched_for;
use super::{Grant, Party, Policy, Refusal};
use crate::config::{Client, IssuerId, ResourceId, SubjectForm, UserLogin};
use crate::oauth::{OAuthError, ResourceIndicator};

/// The longest subject, in characters (OpenID Connect Core §2 has the same bound).
const MAX_SUBJECT: usize = 255;

/// What is asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DevelopmentToken {
    /// The resource, as a client would name it (RFC 8707 §2).
    pub resource: String,
    /// The scopes, with a space between; left out, all in the client's matrix that need no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The subject, as it is to be printed.
    pub sub: String,
    /// The client; left out, the only one that may have a token there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// Why there is no such token. What stands in it is of the configuration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DevelopmentFault {
    /// Nobody opened this.
    #[error("there are no development tokens here: `issuer` does not say `development_tokens: true`")]
    Off,
    /// No resource is meant.
    #[error("no resource has this key; `narrowgate check` lists them")]
    ResourceUnknown,
    /// No token of ours is taken there.
    #[error("`{0}` takes no token of this issuer: it is public, or says `own: false`")]
    ResourceClosed(ResourceIndicator),
    /// There is no such client.
    #[error("`issuer.clients` has no client of this name")]
    ClientUnknown,
    /// The client is switched off.
    #[error("the client is disabled")]
    ClientDisabled,
    /// The client cannot have a token there.
    #[error("the client cannot have a token for `{0}`: its `resources` or the `allowed_clients` there leave it out")]
    ClientElsewhere(ResourceIndicator),
    /// No client can.
    #[error(
        "no client can have a token for `{0}`: it stands in the `resources` of none, or its `allowed_clients` lists none"
    )]
    NobodyThere(ResourceIndicator),
    /// Several clients can, and none is named.
    #[error("several clients can have a token for `{resource}`, so one must be named: {}", listed(clients))]
    ClientAmbiguous {
        /// The resource.
        resource: ResourceIndicator,
        /// The clients.
        clients: Vec<String>,
    },
    /// The scopes are no words of RFC 6749 §3.3, or too many.
    #[error("a scope is a word, and between two of them is one space")]
    ScopeMalformed,
    /// More is asked for than the client may have there, or nothing is left.
    #[error("the client `{client}` can have these scopes at `{resource}`, and no others: {}", listed(available))]
    ScopeNotAvailable {
        /// The client.
        client: String,
        /// The resource.
        resource: ResourceIndicator,
        /// What it can have, as patterns.
        available: Vec<String>,
    },
    /// No text for a subject.
    #[error("a subject has 1 to 255 characters, and no control character")]
    SubjectMalformed,
    /// It would read like a subject of an issuer that is none.
    #[error("what stands before the first `|` of a subject is the name of a trusted issuer; these are: {}", listed(.0))]
    SubjectIssuerUnknown(Vec<String>),
    /// It would read like a subject of the one issuer whose subjects are printed alone.
    #[error("such a subject is one of `{0}`, which says `subjects: plain`; write `{0}|` before it")]
    SubjectOfPlainIssuer(String),
    /// It would read like somebody else's.
    #[error("the subject would read like a client of this issuer, or like a subject of another trusted one")]
    SubjectAmbiguous,
    /// Refused by what rules every grant.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Decides what such a token says.
///
/// # Errors
///
/// [`DevelopmentFault`] says what is not allowed, or what is not clear.
pub fn development_token(policy: &Policy<'_>, wanted: &DevelopmentToken) -> Result<Grant, DevelopmentFault> {
    if !policy.server.development_tokens {
        return Err(DevelopmentFault::Off);
    }
    let meant = ResourceIndicator::meant_by(&wanted.resource);
    let resource = meant.and_then(|key| policy.audiences.resource(key.as_str()));
    // Public resources are no audience, but they have a key.
    let resource = resource.ok_or_else(|| unknown_or_closed(policy, &wanted.resource))?;
    let client = client(policy, resource, wanted.client_id.as_deref())?;
    let asked = wanted.scope.as_deref().map(scopes).transpose().map_err(|_| DevelopmentFault::ScopeMalformed)?;
    let subject = subject(policy, &wanted.sub)?;
    let known_of_him = policy.local_user(&subject).map(|user| user.claims.clone()).unwrap_or_default();
    policy.admits(resource, &known_of_him).then_some(()).ok_or(Refusal::UserNotAdmitted)?;
    let parts = Parts {
        resource,
        holder: Holder::Client(client),
        available: own_scopes(client, resource, asked.as_ref()),
        asked: asked.as_ref(),
        subject,
        act: Vec::new(),
        expires_no_later_than: None,
        earlier: None,
    };
    Grant::new(policy, parts).map_err(|refusal| match refusal {
        Refusal::ScopeNotAvailable | Refusal::ScopeNothingLeft => not_available(policy, client, resource),
        other => DevelopmentFault::Refused(other),
    })
}

fn unknown_or_closed(policy: &Policy<'_>, name: &str) -> DevelopmentFault {
    let meant = ResourceIndicator::meant_by(name);
    match meant.filter(|key| policy.config.resources.iter().any(|resource| resource.key == *key)) {
        Some(key) => DevelopmentFault::ResourceClosed(key),
        None => DevelopmentFault::ResourceUnknown,
    }
}

/// The client that is named, or the only one that may have a token there.
fn client<'a>(policy: &Policy<'a>, resource: ResourceId, name: Option<&str>) -> Result<&'a Client, DevelopmentFault> {
    let known = policy.resource(resource).ok_or(DevelopmentFault::ResourceUnknown)?;
    if !known.own_issuer {
        return Err(DevelopmentFault::ResourceClosed(known.key.clone()));
    }
    let may = |client: &Client| client.resources.contains_key(&resource) && policy.can_mint(resource, client);
    if let Some(name) = name {
        let client = policy.server.client(name).ok_or(DevelopmentFault::ClientUnknown)?;
        return match (client.disabled, may(client)) {
            (true, _) => Err(DevelopmentFault::ClientDisabled),
            (false, false) => Err(DevelopmentFault::ClientElsewhere(known.key.clone())),
            (false, true) => Ok(client),
        };
    }
    let clients: Vec<_> = policy.server.clients.iter().filter(|client| !client.disabled && may(client)).collect();
    match clients[..] {
        [client] => Ok(client),
        [] => Err(DevelopmentFault::NobodyThere(known.key.clone())),
        _ => {
            let clients = clients.iter().map(|client| client.id.clone()).collect();
            Err(DevelopmentFault::ClientAmbiguous { resource: known.key.clone(), clients })
        }
    }
}

/// Whom the token speaks of. `corp|alice` is corp's alice, printed as all of corp's subjects are; a name alone is nobody's
/// but ours, and so it must be.
fn subject(policy: &Policy<'_>, text: &str) -> Result<Party, DevelopmentFault> {
    if text.is_empty() || text.chars().count() > MAX_SUBJECT || text.chars().any(char::is_control) {
        return Err(DevelopmentFault::SubjectMalformed);
    }
    let issuers = &policy.config.trusted_issuers;
    if let Some((name, value)) = text.split_once('|') {
        let local = Party { issuer: Some(UserLogin::local()), value: value.to_owned() };
        if name == UserLogin::LOCAL && policy.local_user(&local).is_some() {
            return Ok(local);
        }
        let Some(issuer) = issuers.iter().position(|trusted| trusted.name.as_str() == name) else {
            let names = issuers.iter().map(|trusted| trusted.name.to_string()).collect();
            return Err(DevelopmentFault::SubjectIssuerUnknown(names));
        };
        if value.is_empty() {
            return Err(DevelopmentFault::SubjectMalformed);
        }
        let party = vouched_for(policy, IssuerId(issuer), value.to_owned());
        return party.map_err(|_| DevelopmentFault::SubjectAmbiguous);
    }
    if policy.server.client(text).is_some() {
        return Err(DevelopmentFault::SubjectAmbiguous);
    }
    if let Some(plain) = issuers.iter().find(|trusted| trusted.subjects == SubjectForm::Plain) {
        return Err(DevelopmentFault::SubjectOfPlainIssuer(plain.name.to_string()));
    }
    Ok(Party { issuer: None, value: text.to_owned() })
}

/// What there is instead: the client's matrix, in which nothing stands but what the resource declares.
fn not_available(policy: &Policy<'_>, client: &Client, resource: ResourceId) -> DevelopmentFault {
    let Some(known) = policy.resource(resource) else {
        return DevelopmentFault::ResourceUnknown;
    };
    let row = client.resources.get(&resource).into_iter().flatten();
    let available = row.map(ToString::to_string).collect();
    DevelopmentFault::ScopeNotAvailable { client: client.id.clone(), resource: known.key.clone(), available }
}

impl DevelopmentFault {
    /// The nearest code of the token endpoint, for whoever counts.
    pub fn error(&self) -> OAuthError {
        match self {
            Self::Off | Self::ClientDisabled | Self::ClientElsewhere(_) | Self::NobodyThere(_) => {
                OAuthError::UnauthorizedClient
            }
            Self::ResourceUnknown | Self::ResourceClosed(_) => OAuthError::InvalidTarget,
            Self::ClientUnknown => OAuthError::InvalidClient,
            Self::ScopeMalformed | Self::ScopeNotAvailable { .. } => OAuthError::InvalidScope,
            Self::ClientAmbiguous { .. }
            | Self::SubjectMalformed
            | Self::SubjectIssuerUnknown(_)
            | Self::SubjectOfPlainIssuer(_)
            | Self::SubjectAmbiguous => OAuthError::InvalidRequest,
            Self::Refused(refusal) => refusal.error(),
        }
    }
}

/// Names in backticks, or that there are none.
fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        _ => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}
