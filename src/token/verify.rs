//! From the text of a token to a [`VerifiedToken`]: genuine, in time, and minted for this very audience (RFC 9068 §4).
//!
//! The order is fixed: size, form, algorithm, issuer, key, signature, kind, claims, time, audience. The issuer is chosen
//! before the key, so that a `kid` which two issuers share means nothing (RFC 8725 §3.8), and nothing in a token ever
//! causes a fetch from a place that the configuration does not name.
//!
//! Deliberately absent: `jsonwebtoken::Validation`, which lets a token without a readable `aud` pass, and that crate
//! altogether: it takes a key apart again for every signature.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::keys::KeyMiss;
use super::{Audience, ClaimValue, Compact, GenuineToken, Keyring, Refused, Revocations, TokenCache, TokenDigest};
use crate::clock::Timestamp;
use crate::config::{ClaimNames, IssuerId, ResourceId};
use crate::oauth::{Reason, Rejection};

/// A genuine access token that is good now, for one resource. Only [`verify()`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    genuine: Arc<GenuineToken>,
    resource: ResourceId,
    digest: TokenDigest,
}

impl VerifiedToken {
    /// What the signature proved.
    pub fn genuine(&self) -> &Arc<GenuineToken> {
        &self.genuine
    }

    /// The resource for which the token was judged.
    pub fn resource(&self) -> ResourceId {
        self.resource
    }

    /// The digest of its text.
    pub fn digest(&self) -> &TokenDigest {
        &self.digest
    }
}

/// Whose signatures count, and within which bounds.
#[derive(Debug)]
pub struct TrustedKeys {
    keyrings: Vec<Arc<Keyring>>,
    by_iss: HashMap<Box<str>, IssuerId, FixedState>,
    /// Our own issuer, whose keyring is the last one.
    own: Option<(IssuerId, Arc<Revocations>)>,
    max_bytes: usize,
    max_lifetime: u64,
}

/// Our own issuer, as far as its tokens are verified.
#[derive(Clone, Debug)]
pub struct OwnIssuer {
    /// Its keys.
    pub keyring: Arc<Keyring>,
    /// What it has taken back.
    pub revocations: Arc<Revocations>,
}

/// How far the clocks of issuer and gateway may differ, in seconds.
pub const LEEWAY: u64 = 30;

impl TrustedKeys {
    /// Trusts the issuers of `keyrings`, each by its place, and our own behind them; `max_bytes` bounds a token's length,
    /// `max_lifetime` (in seconds) the time from its issue to its end.
    pub fn new(mut keyrings: Vec<Arc<Keyring>>, own: Option<OwnIssuer>, max_bytes: usize, max_lifetime: u64) -> Self {
        let own = own.map(|OwnIssuer { keyring, revocations }| {
            keyrings.push(keyring);
            (IssuerId(keyrings.len() - 1), revocations)
        });
        let mut by_iss = HashMap::default();
        for (at, keyring) in keyrings.iter().enumerate() {
            for iss in &keyring.issuer().issuers {
                by_iss.insert(iss.as_str().into(), IssuerId(at));
            }
        }
        Self { keyrings, by_iss, own, max_bytes, max_lifetime }
    }

    /// The keyring of an issuer.
    pub fn keyring(&self, issuer: IssuerId) -> &Arc<Keyring> {
        &self.keyrings[issuer.0]
    }

    /// The place of our own issuer, if there is one.
    pub fn own(&self) -> Option<IssuerId> {
        self.own.as_ref().map(|(own, _)| *own)
    }

    /// All keyrings, in the order of their issuers.
    pub fn keyrings(&self) -> &[Arc<Keyring>] {
        &self.keyrings
    }

    /// Whose current keys proved a token: the issuer that it was proven for, which may have another place by now.
    fn place_of(&self, token: &GenuineToken, now: Timestamp) -> Option<IssuerId> {
        let proves =
            |issuer: &IssuerId| self.keyrings.get(issuer.0).is_some_and(|ring| ring.is_current(token.key_set, now));
        Some(token.issuer).filter(proves).or_else(|| (0..self.keyrings.len()).map(IssuerId).find(proves))
    }
}

/// One token, and what the request that carries it brings along.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The token's text.
    pub compact: &'a str,
    /// The present.
    pub now: Timestamp,
    /// Whether this request has already waited for keys, so that it must be answered now.
    pub keys_awaited: bool,
}

/// An issuer that may vouch for an audience.
#[derive(Clone, Copy, Debug)]
pub struct Voucher<'a> {
    /// Where its tokens for this audience keep scope, client and subject, if not where they always do.
    pub claims: Option<&'a ClaimNames>,
}

/// Verifies a token for an audience.
///
/// `voucher` says whether an issuer may vouch for that audience at all.
///
/// # Errors
///
/// [`Refused::Rejected`] with the first reason in the order above, or [`Refused::AwaitKeys`] if reading the issuer's
/// keys (again) could make the difference.
pub fn verify<'a>(
    audience: &Audience<'_>,
    presented: &Presented<'_>,
    trusted: &TrustedKeys,
    tokens: &TokenCache,
    voucher: impl Fn(IssuerId) -> Option<Voucher<'a>>,
) -> Result<VerifiedToken, Refused> {
    let (genuine, digest) = prove(presented, trusted, tokens, |issuer| voucher(issuer).is_some())?;
    let Some(Voucher { claims }) = voucher(genuine.issuer) else {
        return Err(untrusted().into());
    };
    let rejected =
        |rejection, genuine, presented_for| Refused::Rejected { rejection, genuine: Some(genuine), presented_for };
    let is_sound = genuine
        .check_parties(claims)
        .and_then(|()| check_time(&genuine, presented.now, LEEWAY, trusted.max_lifetime))
        .and_then(|()| check_own(&genuine, trusted));
    if let Err(rejection) = is_sound {
        return Err(rejected(rejection, genuine, None));
    }
    match audience.judge(genuine.issuer, genuine.audiences()) {
        Ok(()) => Ok(VerifiedToken { genuine, resource: audience.resource, digest }),
        Err((rejection, presented_for)) => Err(rejected(rejection, genuine, presented_for)),
    }
}

/// Proves a token that is not for an API but is asked about: to be exchanged, introspected or revoked. The same steps as
/// [`verify()`], without leeway at the end, so that nothing is made of what has ended; a clock that is a little behind the
/// issuer's may take a fresh token all the same. What it is good for is judged by whoever asks.
///
/// # Errors
///
/// As [`verify()`], but for the audience.
pub fn prove_asked_about<'a>(
    presented: &Presented<'_>,
    trusted: &TrustedKeys,
    tokens: &TokenCache,
    voucher: impl Fn(IssuerId) -> Option<Voucher<'a>>,
) -> Result<Arc<GenuineToken>, Refused> {
    let (genuine, _) = prove(presented, trusted, tokens, |issuer| voucher(issuer).is_some())?;
    let Some(Voucher { claims }) = voucher(genuine.issuer) else {
        return Err(untrusted().into());
    };
    genuine.check_parties(claims)?;
    check_time(&genuine, presented.now, 0, trusted.max_lifetime)?;
    check_own(&genuine, trusted)?;
    Ok(genuine)
}

/// The signature's proof: kept from an earlier request, or made now.
fn prove(
    presented: &Presented<'_>,
    trusted: &TrustedKeys,
    tokens: &TokenCache,
    admits: impl Fn(IssuerId) -> bool,
) -> Result<(Arc<GenuineToken>, TokenDigest), Refused> {
    if presented.compact.len() > trusted.max_bytes {
        let detail = "the token is longer than `limits.token_bytes`";
        return Err(Rejection { reason: Reason::TokenTooLarge, detail }.into());
    }
    let digest = tokens.digest(presented.compact);
    if let Some((genuine, issuer)) = tokens.get(&digest, |token| trusted.place_of(token, presented.now)) {
        if issuer == genuine.issuer {
            return Ok((genuine, digest));
        }
        // The configuration lists its issuers in another order now; what the signature proved stays proven.
        let mut moved = GenuineToken::clone(&genuine);
        moved.issuer = issuer;
        let moved = Arc::new(moved);
        tokens.insert(digest, Arc::clone(&moved));
        return Ok((moved, digest));
    }
    let genuine = Arc::new(prove_anew(presented, trusted, admits)?);
    tokens.insert(digest, Arc::clone(&genuine));
    Ok((genuine, digest))
}

fn prove_anew(
    presented: &Presented<'_>,
    trusted: &TrustedKeys,
    admits: impl Fn(IssuerId) -> bool,
) -> Result<GenuineToken, Refused> {
    let compact = Compact::parse(presented.compact)?;
    let issuer = claimed_issuer(&compact, trusted)?;
    if !admits(issuer) {
        return Err(untrusted().into());
    }
    let keyring = trusted.keyring(issuer);
    let algorithm = compact.header.algorithm;
    if !keyring.issuer().algorithms.iter().any(|allowed| allowed.same_computation(algorithm)) {
        let detail = "`alg` is not among the algorithms of this issuer";
        return Err(Rejection { reason: Reason::AlgorithmNotAllowed, detail }.into());
    }
    let unavailable = |rejection: Rejection| match !presented.keys_awaited && keyring.wants_refetch(presented.now) {
        true => Refused::AwaitKeys(issuer),
        false => rejection.into(),
    };
    let Some(keys) = keyring.current(presented.now) else {
        let detail = "no key of the issuer could be had";
        return Err(unavailable(Rejection { reason: Reason::KeysUnavailable, detail }));
    };
    let key = keys.find(compact.header.key_id.as_deref(), algorithm).map_err(|miss| match miss {
        KeyMiss::Unknown => {
            let detail = "the issuer has no such key";
            unavailable(Rejection { reason: Reason::KeyUnknown, detail })
        }
        KeyMiss::Algorithm => {
            let detail = "the key is for another algorithm";
            Rejection { reason: Reason::AlgorithmNotAllowed, detail }.into()
        }
    })?;
    if !key.verify(compact.signed.as_bytes(), &compact.signature) {
        let detail = "the signature does not verify with the issuer's key";
        return Err(Rejection { reason: Reason::SignatureInvalid, detail }.into());
    }
    Ok(GenuineToken::read(&compact.header, compact.claims, keyring.issuer(), issuer, keys.id())?)
}

/// The issuer that the token claims, which must be one of ours: one string, byte for byte.
fn claimed_issuer(compact: &Compact<'_>, trusted: &TrustedKeys) -> Result<IssuerId, Rejection> {
    match compact.claims.get("iss") {
        Some(ClaimValue::Text(iss)) => trusted.by_iss.get(iss).copied().ok_or_else(untrusted),
        Some(_) => Err(Rejection { reason: Reason::ClaimInvalid, detail: "`iss` is no string" }),
        None => Err(Rejection { reason: Reason::ClaimMissing, detail: "`iss` is missing" }),
    }
}

fn untrusted() -> Rejection {
    Rejection { reason: Reason::IssuerUntrusted, detail: "the issuer is not trusted for this API" }
}

/// What our own tokens are beyond all others: for one audience, and not taken back.
fn check_own(token: &GenuineToken, trusted: &TrustedKeys) -> Result<(), Rejection> {
    let Some((_, revocations)) = trusted.own.as_ref().filter(|(own, _)| *own == token.issuer) else {
        return Ok(());
    };
    if token.audiences().count() != 1 {
        let detail = "a token of our own issuer has exactly one audience";
        return Err(Rejection { reason: Reason::AudienceTooBroad, detail });
    }
    let Some(jti) = token.jti() else {
        return Err(Rejection { reason: Reason::ClaimMissing, detail: "`jti` is missing" });
    };
    match revocations.contain(jti) {
        true => Err(Rejection { reason: Reason::TokenRevoked, detail: "the token, or its grant, was taken back" }),
        false => Ok(()),
    }
}

/// `exp`, `nbf` and `iat` against the present, the end with this leeway in seconds and the beginning always with
/// [`LEEWAY`]; and the lifetime's bound, without any.
fn check_time(token: &GenuineToken, now: Timestamp, after_end: u64, max_lifetime: u64) -> Result<(), Rejection> {
    if token.expires.0.saturating_add(after_end) <= now.0 {
        return Err(Rejection { reason: Reason::TokenExpired, detail: "`exp` has passed" });
    }
    if token.not_before.is_some_and(|start| start.0 > now.0.saturating_add(LEEWAY)) {
        return Err(Rejection { reason: Reason::TokenNotYetValid, detail: "`nbf` or `iat` lies in the future" });
    }
    let start = token.issued.unwrap_or(now);
    match token.expires.0.saturating_sub(start.0) > max_lifetime {
        true => Err(Rejection {
            reason: Reason::ClaimInvalid,
            detail: "the token lives longer than `limits.token_lifetime`",
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
