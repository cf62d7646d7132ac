//! A user who has logged in, in one browser.
//!
//! A session never changes: another login begins another one. It counts for as long as the configuration still lets the
//! user log in that way. Deliberately absent: what he may have; that is asked for each client.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Consenting, LoginFacts, Party};
use crate::clock::Timestamp;
use crate::config::{AuthorizationServer, Config, SubjectForm, TrustedIssuer, UserLogin};
use crate::oauth::IssuerName;

/// A user who has logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// The provider that vouches for him; nothing for a local user.
    pub provider: Option<IssuerName>,
    /// Who he is.
    pub subject: Party,
    /// How he logged in.
    pub login: LoginFacts,
    /// What is known of him, as far as that may be carried on.
    pub user_claims: Map<String, Value>,
    /// When the login here was complete.
    pub begun: Timestamp,
    /// Until when it counts.
    pub ends: Timestamp,
}

/// What a text that is no session is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a session in the store cannot be read")]
pub struct UnreadableSession;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    provider: Option<String>,
    issuer: Option<String>,
    subject: String,
    auth_time: u64,
    acr: Option<String>,
    amr: Vec<String>,
    user_claims: Map<String, Value>,
    begun: u64,
    ends: u64,
}

impl Session {
    /// Whether the user is still logged in at `now`: the configuration knows his provider, or himself, and prints him as it
    /// did when he logged in.
    pub fn counts(&self, config: &Config, server: &AuthorizationServer, now: Timestamp) -> bool {
        now < self.ends && may_log_in(config, server, self.provider.as_ref(), &self.subject)
    }

    /// The user as he consents.
    pub fn consenting(&self) -> Consenting {
        Consenting {
            provider: self.provider.clone(),
            subject: self.subject.clone(),
            login: self.login.clone(),
            user_claims: self.user_claims.clone(),
        }
    }

    /// The session as it is kept; it says who somebody is, and belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let written = Written {
            provider: self.provider.as_ref().map(ToString::to_string),
            issuer: self.subject.issuer.as_ref().map(ToString::to_string),
            subject: self.subject.value.clone(),
            auth_time: self.login.time.0,
            acr: self.login.acr.clone(),
            amr: self.login.amr.clone(),
            user_claims: self.user_claims.clone(),
            begun: self.begun.0,
            ends: self.ends.0,
        };
        serde_json::to_vec(&written).expect("texts, numbers and JSON can be written")
    }

    /// Reads what [`Session::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableSession`] for everything else.
    pub fn from_json(json: &[u8]) -> Result<Self, UnreadableSession> {
        let written: Written = serde_json::from_slice(json).map_err(|_| UnreadableSession)?;
        let name = |name: Option<String>| name.map(|name| IssuerName::parse(&name)).transpose();
        Ok(Self {
            provider: name(written.provider).map_err(|_| UnreadableSession)?,
            subject: Party { issuer: name(written.issuer).map_err(|_| UnreadableSession)?, value: written.subject },
            login: LoginFacts { time: Timestamp(written.auth_time), acr: written.acr, amr: written.amr },
            user_claims: written.user_claims,
            begun: Timestamp(written.begun),
            ends: Timestamp(written.ends),
        })
    }
}

/// Whether the configuration lets this user log in, at the provider that vouched for him or by the list of local users, and
/// prints him as it did then. Under another provider whose subjects are plain he would be somebody else of the same name.
pub(super) fn may_log_in(
    config: &Config,
    server: &AuthorizationServer,
    provider: Option<&IssuerName>,
    subject: &Party,
) -> bool {
    let Some(login) = &server.login else { return false };
    let Some(provider) = provider else {
        return subject.issuer == Some(UserLogin::local()) && login.user(&subject.value).is_some();
    };
    let mut trusted = login.openid.iter().filter_map(|login| config.trusted_issuers.get(login.issuer.0));
    trusted.any(|trusted| trusted.name == *provider && prefix(trusted) == subject.issuer)
}

/// What stands before an issuer's subjects.
pub fn prefix(trusted: &TrustedIssuer) -> Option<IssuerName> {
    match trusted.subjects {
        SubjectForm::Qualified => Some(trusted.name.clone()),
        SubjectForm::Plain => None,
    }
}
