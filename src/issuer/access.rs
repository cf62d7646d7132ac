//! Which users may have a token for an API at all (`access` of a resource), from what is known of them.
//!
//! It is asked of every token of a user: when he consents, at each code and refresh, when a token of his is exchanged, and
//! when an operator makes one in his name. What is not known of him he has not got, so a token that does not carry the claim
//! is refused. Deliberately absent: clients for themselves, as there is no user whose token could be refused and the matrix
//! says what they may have; and narrowing, as the gate has let that token in at this very resource, and its own `require`
//! says whose.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Asked, Party, Policy, TokenFacts, TokenIssuer};
use crate::config::{LocalUser, ResourceId, UserLogin};
use crate::oauth::AuthorizationError;
use crate::token::has;

impl<'a> Policy<'a> {
    /// Whether a user of whom this is known may have a token for the resource.
    pub fn admits(&self, resource: ResourceId, user_claims: &Map<String, Value>) -> bool {
        self.resource(resource)
            .is_some_and(|known| known.access.iter().all(|requirement| has(user_claims, requirement)))
    }

    /// Whether the token's user may have one for `resource`, or it has no user.
    pub(super) fn admits_subject_of(&self, token: &TokenFacts, subject: &Party, resource: ResourceId) -> bool {
        self.is_of_a_client(token, subject) || self.admits(resource, &token.user_claims)
    }

    /// Whether a token is one that a client of ours got for itself. What another issuer calls a client may be a user here,
    /// and somebody who logged in is one.
    fn is_of_a_client(&self, token: &TokenFacts, subject: &Party) -> bool {
        let is_ours = token.issuer == TokenIssuer::Own && token.login.is_none() && subject.issuer.is_none();
        is_ours && self.server.client(&subject.value).is_some()
    }

    /// The local user that a subject is, if there is one of that name.
    pub(super) fn local_user(&self, subject: &Party) -> Option<&'a LocalUser> {
        let is_local = subject.issuer.as_ref().is_some_and(|issuer| issuer.as_str() == UserLogin::LOCAL);
        self.server.login.as_ref().filter(|_| is_local)?.user(&subject.value)
    }

    /// Whether there are local users, whose subjects begin with `local|`.
    pub(super) fn has_local_users(&self) -> bool {
        self.server.login.as_ref().is_some_and(|login| !login.users.is_empty())
    }
}

impl Asked {
    /// What is asked for, without the resources that are not for this user; those come beside it.
    ///
    /// # Errors
    ///
    /// [`AuthorizationError::AccessDenied`] if nothing is left.
    pub fn within_reach_of(
        self,
        policy: &Policy<'_>,
        user_claims: &Map<String, Value>,
    ) -> Result<(Self, Vec<ResourceId>), AuthorizationError> {
        let is_within = |resource: &ResourceId| policy.admits(*resource, user_claims);
        let (grant, beyond): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.grant.into_iter().partition(|(resource, _)| is_within(resource));
        match grant.is_empty() {
            true => Err(AuthorizationError::AccessDenied),
            false => Ok((Self { grant, ..self }, beyond.into_keys().collect())),
        }
    }
}
