//! A user who has logged in, in one browser.
//!
//! A session never changes: another login begins another one. It counts for as long as the configuration still lets the
//! user log in that way. Deliberately absent: what he may have; that is asked for each client.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Consenting, LoginFacts, Party, Policy, Transaction};
use crate::clock::Timestamp;
use crate::config::{LocalUser, SubjectForm, TrustedIssuer, UserLogin};
use crate::oauth::IssuerName;

/// A user who has logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// Who vouches for him.
    pub voucher: Voucher,
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
    /// What he logged in for: the name of the transaction.
    pub made_for: String,
}

/// Who vouches for a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Voucher {
    /// A provider.
    Provider(IssuerName),
    /// His password here: a digest of its hash, so that another one ends the session.
    Password(String),
}

impl Voucher {
    /// The password of a local user, as it is now.
    pub fn password_of(user: &LocalUser) -> Self {
        Self::Password(URL_SAFE_NO_PAD.encode(digest(&SHA256, user.password.expose())))
    }

    /// The provider, if it is one.
    pub fn provider(&self) -> Option<&IssuerName> {
        match self {
            Self::Provider(provider) => Some(provider),
            Self::Password(_) => None,
        }
    }
}

/// What a text that is no session is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a session in the store cannot be read")]
pub struct UnreadableSession;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    provider: Option<String>,
    password: Option<String>,
    issuer: Option<String>,
    subject: String,
    auth_time: Option<u64>,
    acr: Option<String>,
    amr: Vec<String>,
    user_claims: Map<String, Value>,
    begun: u64,
    ends: u64,
    made_for: String,
}

impl Session {
    /// The session as it is at `now`, if the user is still logged in: the configuration knows his provider, or himself and his
    /// password, and prints him as it did when he logged in. Of a local user is known what the configuration says now.
    pub fn at(self, policy: &Policy<'_>, now: Timestamp) -> Option<Self> {
        if now >= self.ends || !may_log_in(policy, self.voucher.provider(), &self.subject) {
            return None;
        }
        match &self.voucher {
            Voucher::Provider(_) => Some(self),
            Voucher::Password(_) => {
                let user =
                    policy.local_user(&self.subject).filter(|user| Voucher::password_of(user) == self.voucher)?;
                Some(Self { user_claims: user.claims.clone(), ..self })
            }
        }
    }

    /// Whether the user logged in since he was sent to do so by this transaction: for that one itself, or later. Clocks of
    /// nodes differ, so that the former is not told from times.
    pub fn is_since(&self, transaction: &Transaction) -> bool {
        self.made_for == transaction.name() || self.begun >= transaction.begun
    }

    /// The user as he consents.
    pub fn consenting(&self) -> Consenting {
        Consenting {
            provider: self.voucher.provider().cloned(),
            subject: self.subject.clone(),
            login: self.login.clone(),
            user_claims: self.user_claims.clone(),
        }
    }

    /// The session as it is kept; it says who somebody is, and belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let (provider, password) = match &self.voucher {
            Voucher::Provider(name) => (Some(name.to_string()), None),
            Voucher::Password(digest) => (None, Some(digest.clone())),
        };
        let written = Written {
            provider,
            password,
            issuer: self.subject.issuer.as_ref().map(ToString::to_string),
            subject: self.subject.value.clone(),
            auth_time: self.login.time.map(|time| time.0),
            acr: self.login.acr.clone(),
            amr: self.login.amr.clone(),
            user_claims: self.user_claims.clone(),
            begun: self.begun.0,
            ends: self.ends.0,
            made_for: self.made_for.clone(),
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
        let provider = name(written.provider).map_err(|_| UnreadableSession)?;
        let voucher = match (provider, written.password) {
            (Some(name), None) => Voucher::Provider(name),
            (None, Some(digest)) => Voucher::Password(digest),
            _ => return Err(UnreadableSession),
        };
        Ok(Self {
            voucher,
            subject: Party { issuer: name(written.issuer).map_err(|_| UnreadableSession)?, value: written.subject },
            login: LoginFacts { time: written.auth_time.map(Timestamp), acr: written.acr, amr: written.amr },
            user_claims: written.user_claims,
            begun: Timestamp(written.begun),
            ends: Timestamp(written.ends),
            made_for: written.made_for,
        })
    }
}

/// Whether the configuration lets this user log in, at the provider that vouched for him or by the list of local users, and
/// prints him as it did then. Under another provider whose subjects are plain he would be somebody else of the same name.
pub(super) fn may_log_in(policy: &Policy<'_>, provider: Option<&IssuerName>, subject: &Party) -> bool {
    let Some(login) = &policy.server.login else { return false };
    let Some(provider) = provider else {
        return subject.issuer == Some(UserLogin::local()) && login.user(&subject.value).is_some();
    };
    let mut trusted = login.openid.iter().filter_map(|login| policy.config.trusted_issuers.get(login.issuer.0));
    trusted.any(|trusted| trusted.name == *provider && prefix(trusted) == subject.issuer)
}

/// What stands before an issuer's subjects.
pub fn prefix(trusted: &TrustedIssuer) -> Option<IssuerName> {
    match trusted.subjects {
        SubjectForm::Qualified => Some(trusted.name.clone()),
        SubjectForm::Plain => None,
    }
}
