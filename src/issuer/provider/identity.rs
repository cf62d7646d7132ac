//! Who a user is after a login: read where the trusted issuer's configuration says, so that the same person is the same
//! subject at the gate and here.

use serde_json::{Map, Value};

use super::ProvenLogin;
use crate::config::{Config, IssuerId, PlainSubjects, TrustedIssuer};
use crate::issuer::{LoginFacts, Party, prefix};
use crate::oauth::is_protocol_claim;
use crate::token::mint::UserClaims;
use crate::token::{claim, has, text_at};

/// The longest subject, in bytes (OpenID Connect Core §2).
const MAX_SUBJECT: usize = 255;

/// The longest that all carried claims may be together, and what is said of how the user logged in, as JSON in bytes: all of
/// it lies in every token.
const MAX_CLAIMS: usize = 4 << 10;

/// Who logged in, and what is known of him.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Who.
    pub subject: Party,
    /// How and when.
    pub login: LoginFacts,
    /// What `claims.carry` lists of what the provider says.
    pub user_claims: Map<String, Value>,
}

/// Why a login makes nobody known.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdentityFault {
    /// The configuration has no such issuer.
    #[error("the provider is not among `trusted_issuers`")]
    NoIssuer,
    /// No name where the configuration says that it is.
    #[error("no claim that the issuer's `claims.subject` lists holds a name of 255 bytes at most")]
    Subject,
    /// A name that is somebody else's.
    #[error("the subject reads like another issuer's, or like a client (`subjects: plain`)")]
    ReadsLikeAnother,
    /// A claim that every token of the issuer must have is not there, or says something else.
    #[error("a claim that the issuer's `require` demands is missing, or has another value")]
    Required,
    /// More than a token can carry.
    #[error("what the issuer's `claims.carry` lists takes more than 4 KiB, or is nested too deeply")]
    TooMuch,
}

impl ProvenLogin {
    /// Who logged in at this issuer.
    ///
    /// # Errors
    ///
    /// [`IdentityFault`] says why nobody is known by it.
    pub fn identity(&self, config: &Config, issuer: IssuerId) -> Result<Identity, IdentityFault> {
        let trusted = config.trusted_issuers.get(issuer.0).ok_or(IdentityFault::NoIssuer)?;
        let claims = self.claims();
        if !trusted.require.iter().all(|requirement| has(claims, requirement)) {
            return Err(IdentityFault::Required);
        }
        let value = text_at(claims, &trusted.claims.subject).ok().flatten();
        let value = value.filter(|value| value.len() <= MAX_SUBJECT).ok_or(IdentityFault::Subject)?;
        if PlainSubjects::of(config).is_some_and(|plain| plain.reads_like_another(issuer, &value)) {
            return Err(IdentityFault::ReadsLikeAnother);
        }
        let user_claims = carried(trusted, claims)?;
        let login = self.facts()?;
        Ok(Identity { subject: Party { issuer: prefix(trusted), value: value.into() }, login, user_claims })
    }

    /// How and when he logged in. What has another form than it may have says nothing.
    fn facts(&self) -> Result<LoginFacts, IdentityFault> {
        let acr = self.claims().get("acr").and_then(Value::as_str).map(str::to_owned);
        let amr = self.claims().get("amr").and_then(Value::as_array).into_iter().flatten();
        let amr: Vec<String> = amr.filter_map(Value::as_str).map(str::to_owned).collect();
        let length = acr.iter().chain(&amr).map(|word| word.len() + 3).sum::<usize>();
        if length > MAX_CLAIMS {
            return Err(IdentityFault::TooMuch);
        }
        Ok(LoginFacts { time: self.auth_time(), acr, amr })
    }
}

/// What may be carried on, each under the last name of its path.
fn carried(trusted: &TrustedIssuer, claims: &Map<String, Value>) -> Result<Map<String, Value>, IdentityFault> {
    let found = trusted.claims.carry.iter().filter_map(|path| Some((path.steps.last()?, claim(claims, path)?)));
    let found = found.filter(|(name, _)| !is_protocol_claim(name));
    let carried: Map<String, Value> = found.map(|(name, value)| (name.clone(), value.to_value())).collect();
    let length = serde_json::to_vec(&carried).map_or(usize::MAX, |json| json.len());
    let checked = UserClaims::new(carried).ok().filter(|_| length <= MAX_CLAIMS).ok_or(IdentityFault::TooMuch)?;
    Ok(checked.as_map().clone())
}
