//! What an exchange needs to know of a token that was proven: issuer, audience and claims, and nothing of its text.
//!
//! Whoever fills a [`TokenFacts`] in has proven the token by the gate's own code: signature, kind, time without leeway,
//! and that it was not revoked. What a proof cannot tell, whose the token is and where it may lead, is judged from these.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::config::{IssuerId, ResourceId};

/// Who signed a token.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TokenIssuer {
    /// Our own issuer.
    Own,
    /// One of `trusted_issuers`.
    Trusted(IssuerId),
}

/// A proven token, reduced to what an exchange asks of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenFacts {
    /// Who signed it.
    pub issuer: TokenIssuer,
    /// `aud`, as it was sent.
    pub audiences: Vec<String>,
    /// `exp`.
    pub expires: Timestamp,
    /// Subject, client and scopes, where the issuer keeps them.
    pub claimed: Claimed,
    /// The same, for each resource whose entry says that this issuer keeps them elsewhere.
    pub claimed_at: BTreeMap<ResourceId, Claimed>,
    /// The resources at which it lacks a claim that `require` demands.
    pub refused_at: BTreeSet<ResourceId>,
    /// `may_act`; a claim of an unusable form is [`MayAct::Stranger`].
    pub may_act: Option<MayAct>,
    /// `act`: each actor's `sub`, the outermost first. All of them are the issuer's word.
    pub act: Vec<String>,
    /// The root of the grant, from our own tokens' `jti`.
    pub root: Option<String>,
    /// Whether it is bound to a key (`cnf`).
    pub bound: bool,
}

/// Subject, client and scopes of a token, as its issuer names them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claimed {
    /// The subject.
    pub subject: Option<String>,
    /// The client.
    pub client: Option<String>,
    /// The words of the scope claim; nothing if there is no such claim, which is not the same as no words.
    pub scopes: Option<Vec<String>>,
}

/// Who may act for the subject (RFC 8693 §4.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MayAct {
    /// A client of this issuer: the one that `iss` names, or the token's own.
    Client {
        /// Whose client.
        issuer: TokenIssuer,
        /// Its `sub` there.
        id: String,
    },
    /// Somebody of whom nothing is known here.
    Stranger,
}

impl TokenFacts {
    /// Subject, client and scopes, where this resource says that they are.
    pub fn claimed_at(&self, resource: ResourceId) -> &Claimed {
        self.claimed_at.get(&resource).unwrap_or(&self.claimed)
    }
}
