//! What a user has granted to a client: each API with its scopes, from when until when.
//!
//! Every token that a code or a refresh token brings comes from here. It says a subset of the record, and of what the
//! configuration allows at that moment: a resource is found by its key, so that one which was removed or renamed is gone,
//! and whatever matrix, owner or resource has taken back since is taken back. The other way round nothing happens: what the
//! configuration allows later was not consented to. `read` at one API says nothing about `read` at another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::authorization::without_words_for_users;
use super::facts::LoginFacts;
use super::grant::{Earlier, Holder, Parts};
use super::scopes::kept;
use super::session::may_log_in;
use super::target::{owns, told};
use super::{Asked, Grant, Party, Policy, Refusal, Wanted};
use crate::clock::Timestamp;
use crate::config::{Client, ResourceId, SubjectForm, UserLogin};
use crate::oauth::{AuthorizationError, IssuerName, ResourceIndicator, Scope};
use crate::token::mint::GrantId;

mod consented;
mod written;

pub use consented::consent_covers;
pub use written::UnreadableRecord;

/// What a user has granted to a client. Nothing adds to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GrantRecord {
    root: GrantId,
    client: String,
    /// Who vouched for the user; nothing for a local one.
    provider: Option<IssuerName>,
    subject: Party,
    resources: BTreeMap<ResourceIndicator, BTreeSet<Scope>>,
    login: LoginFacts,
    user_claims: Map<String, Value>,
    begun: Timestamp,
    ends: Timestamp,
}

/// The user who consents, and what is known of him.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Consenting {
    /// The provider that vouches for him; nothing for a local user.
    pub provider: Option<IssuerName>,
    /// Who he is.
    pub subject: Party,
    /// How he logged in.
    pub login: LoginFacts,
    /// What his provider says of him, as far as that may be carried on.
    pub user_claims: Map<String, Value>,
}

impl GrantRecord {
    /// What is left of `asked` after the user has ticked: those scopes, and those that a ticked resource requires of every
    /// request. A resource that is no key of `ticked` is declined whole, and one that is not for this user is left out. A tick
    /// beside what was asked counts for nothing.
    ///
    /// # Errors
    ///
    /// [`AuthorizationError::AccessDenied`] if nothing is left.
    pub fn after_consent(
        policy: &Policy<'_>,
        asked: &Asked,
        ticked: &BTreeMap<ResourceId, BTreeSet<Scope>>,
        user: Consenting,
        root: GrantId,
        now: Timestamp,
    ) -> Result<Self, AuthorizationError> {
        let mut resources = BTreeMap::new();
        for (id, scopes) in &asked.grant {
            let Some((known, ticked)) = policy.resource(*id).zip(ticked.get(id)) else {
                continue;
            };
            if !policy.admits(*id, &user.user_claims) {
                continue;
            }
            let is_required =
                |scope: &Scope| known.required_scopes.iter().any(|pattern| pattern.covers(scope.as_str()));
            let left = scopes.iter().filter(|scope| ticked.contains(*scope) || is_required(scope));
            let left: BTreeSet<Scope> = left.cloned().collect();
            if !left.is_empty() || known.scopes.is_empty() {
                resources.insert(known.key.clone(), left);
            }
        }
        if resources.is_empty() {
            return Err(AuthorizationError::AccessDenied);
        }
        let Consenting { provider, subject, login, user_claims } = user;
        let ends = Timestamp(now.0.saturating_add(policy.server.refresh_token_lifetime.as_secs()));
        Ok(Self {
            root,
            client: asked.client.clone(),
            provider,
            subject,
            resources,
            login,
            user_claims,
            begun: now,
            ends,
        })
    }

    /// The grant's name: the root of every token that comes from it.
    pub fn root(&self) -> GrantId {
        self.root
    }

    /// The client that it was granted to.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The user who granted it.
    pub fn subject(&self) -> &Party {
        &self.subject
    }

    /// Each API, by its key, with the scopes there.
    pub fn resources(&self) -> &BTreeMap<ResourceIndicator, BTreeSet<Scope>> {
        &self.resources
    }

    /// How the user logged in.
    pub fn login(&self) -> &LoginFacts {
        &self.login
    }

    /// When it was granted.
    pub fn begun(&self) -> Timestamp {
        self.begun
    }

    /// When it ends at the latest, whatever was refreshed in between.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// One token of this grant, by what the configuration allows now.
    ///
    /// # Errors
    ///
    /// [`Refusal::GrantNotTheirs`], [`Refusal::SubjectGone`], `invalid_target` (also where the user may not have the API) and
    /// `invalid_scope`.
    pub(super) fn grant(&self, policy: &Policy<'_>, client: &Client, wanted: &Wanted) -> Result<Grant, Refusal> {
        self.check_theirs(client)?;
        self.is_still_somebody(policy).then_some(()).ok_or(Refusal::SubjectGone)?;
        let asked = wanted.scopes.clone().and_then(without_words_for_users);
        let (resource, granted) = self.target(policy, client, wanted, asked.as_ref())?;
        let user_claims = self.user_claims(policy);
        policy.admits(resource, user_claims).then_some(()).ok_or(Refusal::UserNotAdmitted)?;
        let asked = asked.map(|asked| self.understood(policy, resource, asked)).transpose()?;
        let parts = Parts {
            resource,
            holder: Holder::Client(client),
            available: kept(granted.clone(), client, resource),
            asked: asked.as_ref(),
            subject: self.subject.clone(),
            act: Vec::new(),
            expires_no_later_than: Some(self.ends),
            earlier: Some(Earlier { root: Some(self.root), login: Some(&self.login), user_claims }),
        };
        Grant::new(policy, parts)
    }

    /// What is known of the user: what the configuration says now of one of its own, else what his provider said.
    fn user_claims<'c>(&'c self, policy: &Policy<'c>) -> &'c Map<String, Value> {
        policy.local_user(&self.subject).map_or(&self.user_claims, |user| &user.claims)
    }

    /// Whether it was granted to this client.
    pub(super) fn check_theirs(&self, client: &Client) -> Result<(), Refusal> {
        (self.client == client.id).then_some(()).ok_or(Refusal::GrantNotTheirs)
    }

    /// The resource that is meant, with what was granted there: the one that is named, or the grant's only one, or the one
    /// that can be told from the client.
    fn target(
        &self,
        policy: &Policy<'_>,
        client: &Client,
        wanted: &Wanted,
        asked: Option<&BTreeSet<Scope>>,
    ) -> Result<(ResourceId, &BTreeSet<Scope>), Refusal> {
        let mut keys = BTreeSet::new();
        for name in &wanted.names {
            let meant = ResourceIndicator::meant_by(name);
            keys.insert(meant.filter(|key| self.resources.contains_key(key)).ok_or(Refusal::TargetUnknown)?);
        }
        let key = match (keys.pop_first(), keys.is_empty()) {
            (Some(named), true) => named,
            (Some(_), false) => return Err(Refusal::TargetAmbiguous),
            (None, _) => self.only_or_told(policy, client, asked)?,
        };
        let resource = policy.audiences.resource(key.as_str()).ok_or(Refusal::TargetUnknown)?;
        let granted = self.resources.get(&key).filter(|_| client.resources.contains_key(&resource));
        granted.map(|granted| (resource, granted)).ok_or(Refusal::TargetUnknown)
    }

    fn only_or_told(
        &self,
        policy: &Policy<'_>,
        client: &Client,
        asked: Option<&BTreeSet<Scope>>,
    ) -> Result<ResourceIndicator, Refusal> {
        let mut granted = self.resources.keys();
        if let (Some(only), None) = (granted.next(), granted.next()) {
            return Ok(only.clone());
        }
        let told = told(policy, client, asked).ok_or(Refusal::TargetMissing)?;
        policy.resource(told).map(|resource| resource.key.clone()).ok_or(Refusal::TargetUnknown)
    }

    /// Of the scopes that are asked for those that the target understands (RFC 8707 §2.2). The others must be of this grant
    /// at another resource; what is of none is beyond it.
    fn understood(
        &self,
        policy: &Policy<'_>,
        target: ResourceId,
        asked: BTreeSet<Scope>,
    ) -> Result<BTreeSet<Scope>, Refusal> {
        let known = policy.resource(target).ok_or(Refusal::TargetUnknown)?;
        let (there, elsewhere): (BTreeSet<Scope>, BTreeSet<Scope>) =
            asked.into_iter().partition(|scope| owns(known, scope));
        let is_granted_elsewhere = |scope: &Scope| {
            let mut others = self.resources.iter().filter(|(key, _)| **key != known.key);
            others.any(|(_, granted)| granted.contains(scope))
        };
        if !elsewhere.iter().all(is_granted_elsewhere) {
            return Err(Refusal::ScopeNotAvailable);
        }
        (!there.is_empty()).then_some(there).ok_or(Refusal::ScopeNothingLeft)
    }

    /// Whether the subject still means this user: he may log in as he did, and nobody else reads like him.
    fn is_still_somebody(&self, policy: &Policy<'_>) -> bool {
        if !may_log_in(policy, self.provider.as_ref(), &self.subject) {
            return false;
        }
        if self.subject.issuer.is_some() {
            return true;
        }
        let prefix = self.subject.value.split_once('|').map(|(prefix, _)| prefix);
        let trusted = policy.config.trusted_issuers.iter();
        let mut qualified = trusted.filter(|known| known.subjects == SubjectForm::Qualified);
        let is_local = policy.has_local_users() && prefix == Some(UserLogin::LOCAL);
        let reads_like_a_user = is_local || qualified.any(|known| Some(known.name.as_str()) == prefix);
        !reads_like_a_user && policy.server.client(&self.subject.value).is_none()
    }
}
