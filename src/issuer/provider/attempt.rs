//! What is kept of a login while the user is at the provider: to whom he was sent, in which browser, and what proves that the
//! answer is the one to that question (RFC 9700 §4.4, §4.7).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oauth::{CodeVerifier, IssuerName};
use crate::secret::{NoRandomness, Secret};

/// A login under way at a provider, good in one browser and once.
pub struct LoginAttempt {
    /// What the user is on his way to, as his browser carries it.
    pub transaction: String,
    /// The digest of what only his browser has.
    pub browser: String,
    /// Where he was sent.
    pub provider: IssuerName,
    /// The `issuer` that it said to be.
    pub issuer: String,
    /// What the ID token must say.
    pub nonce: String,
    /// What proves to the provider that we asked for the code (RFC 7636).
    pub verifier: CodeVerifier,
}

/// What a text that is no attempt is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a login in the store cannot be read")]
pub struct UnreadableAttempt;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    transaction: String,
    browser: String,
    provider: String,
    issuer: String,
    nonce: String,
    verifier: String,
}

impl LoginAttempt {
    /// A new one, with a nonce and a verifier of its own.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`].
    pub fn new(transaction: &str, browser: &str, provider: IssuerName, issuer: &str) -> Result<Self, NoRandomness> {
        let nonce = Secret::random_token()?;
        Ok(Self {
            transaction: transaction.to_owned(),
            browser: browser.to_owned(),
            provider,
            issuer: issuer.to_owned(),
            nonce: String::from_utf8_lossy(nonce.expose()).into_owned(),
            verifier: CodeVerifier::generate()?,
        })
    }

    /// As JSON, which belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let written = Written {
            transaction: self.transaction.clone(),
            browser: self.browser.clone(),
            provider: self.provider.to_string(),
            issuer: self.issuer.clone(),
            nonce: self.nonce.clone(),
            verifier: self.verifier.expose().to_owned(),
        };
        serde_json::to_vec(&written).expect("texts can be written")
    }

    /// Reads what [`LoginAttempt::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableAttempt`] for everything else.
    pub fn from_json(json: &[u8]) -> Result<Self, UnreadableAttempt> {
        let written: Written = serde_json::from_slice(json).map_err(|_| UnreadableAttempt)?;
        Ok(Self {
            transaction: written.transaction,
            browser: written.browser,
            provider: IssuerName::parse(&written.provider).map_err(|_| UnreadableAttempt)?,
            issuer: written.issuer,
            nonce: written.nonce,
            verifier: CodeVerifier::parse(&written.verifier).map_err(|_| UnreadableAttempt)?,
        })
    }
}

/// Without what proves anything.
impl fmt::Debug for LoginAttempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LoginAttempt({})", self.provider)
    }
}
