//! What an exchange needs to know of a token that was proven: issuer, audience and claims, and nothing of its text.
//!
//! Whoever fills a [`TokenFacts`] in has proven the token by the gate's own code: signature, kind, time without leeway at its end,
//! and that it was not revoked. What a proof cannot tell, whose the token is and where it may lead, is judged from these.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Policy, Refusal};
use crate::clock::Timestamp;
use crate::config::{ClaimNames, ClaimPath, IssuerId, ResourceId, TrustedIssuer};
use crate::oauth::is_protocol_claim;
use crate::token::mint::{Actor, GrantId};
use crate::token::{ClaimArray, ClaimValue, ClaimsSet, GenuineToken, claim, has, text_at, words_at};

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
    pub root: Option<GrantId>,
    /// Whether it is bound to a key (`cnf`).
    pub bound: bool,
    /// How the user logged in; our own tokens' word only.
    pub login: Option<LoginFacts>,
    /// What it says about its user, as far as that may be carried on: everything of our own tokens, and what an issuer's
    /// `claims.carry` lists of a foreign one.
    pub user_claims: Map<String, Value>,
}

/// How a user logged in (RFC 9068 §2.2.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginFacts {
    /// `auth_time`; nothing where nobody who was there says it.
    pub time: Option<Timestamp>,
    /// `acr`.
    pub acr: Option<String>,
    /// `amr`.
    pub amr: Vec<String>,
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
    /// Reduces a proven token to what an exchange for `target` asks of it.
    ///
    /// # Errors
    ///
    /// [`Refusal::TokenIncomplete`] for an `act` that cannot be read: a chain of actors is never cut.
    pub fn of(policy: &Policy<'_>, token: &GenuineToken, target: ResourceId) -> Result<Self, Refusal> {
        let claims = token.claims();
        let trusted = policy.config.trusted_issuers.get(token.issuer().0);
        let issuer = trusted.map_or(TokenIssuer::Own, |_| TokenIssuer::Trusted(token.issuer()));
        let mut facts = Self {
            issuer,
            audiences: token.audiences().map(str::to_owned).collect(),
            expires: token.expires(),
            claimed: Claimed {
                subject: token.subject().map(str::to_owned),
                client: token.client().map(str::to_owned),
                scopes: token.scopes().map(|words| words.iter().map(str::to_owned).collect()),
            },
            claimed_at: BTreeMap::new(),
            refused_at: BTreeSet::new(),
            may_act: claims.get("may_act").map(|may_act| MayAct::read(policy, token, may_act)),
            act: claims.get("act").map_or(Ok(Vec::new()), |act| actors(&act.to_value()))?,
            root: None,
            bound: claims.contains("cnf"),
            login: None,
            user_claims: Map::new(),
        };
        let Some(trusted) = trusted else {
            let text = |name: &str| claims.get(name).and_then(ClaimValue::as_str);
            facts.root = text("jti").and_then(|jti| GrantId::of_jti(jti).ok());
            facts.login = LoginFacts::read(claims);
            let told = claims.as_object().members().filter(|(name, _)| !is_protocol_claim(name));
            facts.user_claims = told.map(|(name, value)| (name.to_owned(), value.to_value())).collect();
            return Ok(facts);
        };
        facts.user_claims = carried_claims(policy, trusted, token, target);
        for at in policy.named_by(&facts).into_iter().chain([target]) {
            facts.look_from(policy, trusted, token, at);
        }
        Ok(facts)
    }

    /// Notes what a resource has of its own to say about a foreign token.
    fn look_from(&mut self, policy: &Policy<'_>, trusted: &TrustedIssuer, token: &GenuineToken, at: ResourceId) {
        let Some(entry) = policy.entry(at, self.issuer) else {
            return;
        };
        if let Some(names) = &entry.claims {
            self.claimed_at.insert(at, Claimed::read(token.claims(), names));
        }
        if !trusted.require.iter().chain(&entry.require).all(|requirement| has(token.claims(), requirement)) {
            self.refused_at.insert(at);
        }
    }

    /// Subject, client and scopes, where this resource says that they are.
    pub fn claimed_at(&self, resource: ResourceId) -> &Claimed {
        self.claimed_at.get(&resource).unwrap_or(&self.claimed)
    }
}

impl Claimed {
    /// What stands where this resource says; a claim of an unusable form says nothing.
    fn read(claims: &ClaimsSet, names: &ClaimNames) -> Self {
        let text = |paths: &[ClaimPath]| text_at(claims, paths).ok().flatten().map(String::from);
        let scopes = match words_at(claims, &names.scope) {
            Ok(words) => words.map(|words| words.iter().map(str::to_owned).collect()),
            // Present, but unusable: not the same as absent, for which `scopes_if_none` may speak.
            Err(_) => Some(Vec::new()),
        };
        Self { subject: text(&names.subject), client: text(&names.client), scopes }
    }
}

impl MayAct {
    fn read(policy: &Policy<'_>, token: &GenuineToken, may_act: ClaimValue<'_>) -> Self {
        let members = may_act.as_object().unwrap_or_default();
        let text = |name: &str| members.get(name).map(|value| value.as_str().filter(|text| !text.is_empty()));
        let (Some(Some(id)), iss) = (text("sub"), text("iss")) else {
            return Self::Stranger;
        };
        let issuer = match iss {
            None => Some(token.iss()),
            Some(iss) => iss,
        };
        let issuer = issuer.and_then(|iss| policy.issuer_named(iss));
        issuer.map_or(Self::Stranger, |issuer| Self::Client { issuer, id: id.to_owned() })
    }
}

impl LoginFacts {
    fn read(claims: &ClaimsSet) -> Option<Self> {
        let time = claims.get("auth_time").and_then(ClaimValue::as_u64).map(Timestamp);
        let acr = claims.get("acr").and_then(ClaimValue::as_str).map(str::to_owned);
        let amr = claims.get("amr").and_then(ClaimValue::as_array).into_iter().flat_map(ClaimArray::iter);
        let amr: Vec<String> = amr.filter_map(|method| method.as_str().map(str::to_owned)).collect();
        let says_something = time.is_some() || acr.is_some() || !amr.is_empty();
        says_something.then_some(Self { time, acr, amr })
    }
}

/// The names in an `act`, the outermost first.
fn actors(act: &Value) -> Result<Vec<String>, Refusal> {
    let outermost = Actor::from_claim(act).map_err(|_| Refusal::TokenIncomplete)?;
    let chain = std::iter::successors(Some(&outermost), |actor| actor.earlier());
    Ok(chain.map(|actor| actor.subject().to_owned()).collect())
}

/// What a foreign token says about its user, as far as its issuer's `carry` lists it (that of the target's entry, where
/// it has one), under the last name of its path.
fn carried_claims(
    policy: &Policy<'_>,
    trusted: &TrustedIssuer,
    token: &GenuineToken,
    target: ResourceId,
) -> Map<String, Value> {
    let entry = policy.entry(target, TokenIssuer::Trusted(token.issuer()));
    let names = entry.and_then(|entry| entry.claims.as_ref()).unwrap_or(&trusted.claims);
    let found = names.carry.iter().filter_map(|path| Some((path.steps.last()?, claim(token.claims(), path)?)));
    found.filter(|(name, _)| !is_protocol_claim(name)).map(|(name, value)| (name.clone(), value.to_value())).collect()
}
