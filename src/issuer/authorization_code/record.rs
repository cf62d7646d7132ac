//! What is kept of a code until it is redeemed: the grant, and what the code is bound to (RFC 6749 §4.1.2, RFC 7636 §4.4).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::CodeBinding;
use crate::issuer::GrantRecord;
use crate::oauth::CodeChallenge;

/// A grant that waits for whoever asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeRecord {
    /// What the user granted.
    pub grant: GrantRecord,
    /// Where the code went.
    pub redirect_uri: String,
    /// What whoever redeems it has to prove.
    pub challenge: CodeChallenge,
}

/// What a text that is no such record is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a code in the store cannot be read")]
pub struct UnreadableCode;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    grant: Box<RawValue>,
    redirect_uri: String,
    challenge: String,
}

impl CodeRecord {
    /// What the code is bound to.
    pub fn binding(&self) -> CodeBinding<'_> {
        CodeBinding { redirect_uri: &self.redirect_uri, challenge: &self.challenge }
    }

    /// As it is kept: JSON, which belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let grant = String::from_utf8(self.grant.to_json()).expect("JSON is UTF-8");
        let grant = RawValue::from_string(grant).expect("a grant record is written in JSON");
        let (redirect_uri, challenge) = (self.redirect_uri.clone(), self.challenge.to_string());
        serde_json::to_vec(&Written { grant, redirect_uri, challenge }).expect("texts and JSON can be written")
    }

    /// Reads what [`CodeRecord::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableCode`] for everything else.
    pub fn from_json(json: &[u8]) -> Result<Self, UnreadableCode> {
        let written: Written = serde_json::from_slice(json).map_err(|_| UnreadableCode)?;
        Ok(Self {
            grant: GrantRecord::from_json(written.grant.get().as_bytes()).map_err(|_| UnreadableCode)?,
            redirect_uri: written.redirect_uri,
            challenge: CodeChallenge::parse(&written.challenge).map_err(|_| UnreadableCode)?,
        })
    }
}
