//! The ID token of a login (OpenID Connect Core §2, §3.1.3.7), proven with the provider's keys.
//!
//! It came over the provider's own TLS, and its signature counts all the same. Deliberately absent: HMAC and `none`, which no
//! [`Compact`] has; encrypted tokens; audiences beside ours.

use aws_lc_rs::digest::{Algorithm as Hash, SHA256, SHA384, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::config::TrustedIssuer;
use crate::issuer::client::time;
use crate::oauth::Algorithm;
use crate::secret::Secret;
use crate::token::keys::{KeyMiss, KeySet};
use crate::token::{Compact, LEEWAY};

/// How old an ID token may be that was made for this very login, in seconds.
const OLDEST: u64 = 600;

/// An ID token that was taken apart and not believed yet.
#[derive(Debug)]
pub struct IdToken<'a>(Compact<'a>);

/// What an ID token must be.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedIdToken<'a> {
    /// Whose keys they are.
    pub trusted: &'a TrustedIssuer,
    /// The `issuer` that was asked.
    pub issuer: &'a str,
    /// Our name there.
    pub client_id: &'a str,
    /// What this login was begun with.
    pub nonce: &'a str,
    /// What came along, if it did.
    pub access_token: Option<&'a Secret>,
}

/// What a provider has proven of a login; only [`IdToken::judge`] makes one.
#[derive(Debug)]
pub struct ProvenLogin {
    claims: Map<String, Value>,
    auth_time: Option<Timestamp>,
}

/// Why an ID token is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdTokenFault {
    /// It is no signed JWT, or its algorithm is none that is accepted anywhere.
    #[error("the ID token is no JWT, or not signed with an asymmetric algorithm")]
    Malformed,
    /// It is another kind of JWT.
    #[error("the ID token's `typ` is that of another kind of token")]
    Kind,
    /// The provider's `algorithms` do not list it.
    #[error("the ID token's algorithm is not among the provider's `algorithms`")]
    Algorithm,
    /// The provider has no such key.
    #[error("the ID token names a key that the provider does not publish")]
    KeyUnknown,
    /// Somebody else signed it.
    #[error("the ID token's signature does not verify")]
    Signature,
    /// It is another issuer's.
    #[error("the ID token's `iss` is not the provider that was asked")]
    Issuer,
    /// It is for somebody else too, or only.
    #[error("the ID token's `aud` is not our client_id alone")]
    Audience,
    /// It was issued to somebody else.
    #[error("the ID token's `azp` is not our client_id")]
    AuthorizedParty,
    /// It has ended, or has no end.
    #[error("the ID token has expired, or has no `exp`")]
    Expired,
    /// It was not made just now.
    #[error("the ID token's `iat` is missing, in the future, or more than ten minutes ago")]
    NotRecent,
    /// It is the answer to another login.
    #[error("the ID token's `nonce` is not that of this login")]
    Nonce,
    /// It does not belong to the access token beside it.
    #[error("the ID token's `at_hash` is not that of the access token")]
    AccessToken,
    /// It does not say of whom it is.
    #[error("the ID token's `sub` is missing, or no text")]
    Subject,
    /// `auth_time` is no time, or lies in the future.
    #[error("the ID token's `auth_time` is no time, or in the future")]
    AuthTime,
}

/// Why the answer of a UserInfo endpoint is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UserInfoFault {
    /// It is no JSON object with one reading.
    #[error("the UserInfo answer is no JSON object")]
    Malformed,
    /// It is about somebody else (OpenID Connect Core §5.3.2).
    #[error("the UserInfo answer's `sub` is not that of the ID token")]
    OtherSubject,
}

impl<'a> IdToken<'a> {
    /// Takes one apart.
    ///
    /// # Errors
    ///
    /// [`IdTokenFault::Malformed`] or [`IdTokenFault::Kind`].
    pub fn parse(text: &'a str) -> Result<Self, IdTokenFault> {
        let compact = Compact::parse(text).map_err(|_| IdTokenFault::Malformed)?;
        match compact.header.media_type.as_deref() {
            None | Some("jwt") => Ok(Self(compact)),
            Some(_) => Err(IdTokenFault::Kind),
        }
    }

    /// Holds it against the provider's keys, this login, and the time.
    ///
    /// # Errors
    ///
    /// [`IdTokenFault`] with the first thing that is wrong: algorithm, key and signature, then the claims.
    pub fn judge(
        &self,
        keys: &KeySet,
        expected: &ExpectedIdToken<'_>,
        now: Timestamp,
    ) -> Result<ProvenLogin, IdTokenFault> {
        let Compact { signed, signature, header, .. } = &self.0;
        let claims = self.0.claims.to_map();
        let is_configured = |known: &Algorithm| known.same_computation(header.algorithm);
        if !expected.trusted.algorithms.iter().any(is_configured) {
            return Err(IdTokenFault::Algorithm);
        }
        let key = keys.find(header.key_id.as_deref(), header.algorithm).map_err(|miss| match miss {
            KeyMiss::Unknown => IdTokenFault::KeyUnknown,
            KeyMiss::Algorithm => IdTokenFault::Signature,
        })?;
        if !key.verify(signed.as_bytes(), signature) {
            return Err(IdTokenFault::Signature);
        }
        check_parties(&claims, expected)?;
        let auth_time = check_times(&claims, now)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("nonce") != Some(expected.nonce) {
            return Err(IdTokenFault::Nonce);
        }
        if let (Some(at_hash), Some(access_token)) = (claims.get("at_hash"), expected.access_token)
            && at_hash.as_str() != Some(&half_hash(header.algorithm, access_token))
        {
            return Err(IdTokenFault::AccessToken);
        }
        if text("sub").is_none_or(str::is_empty) {
            return Err(IdTokenFault::Subject);
        }
        Ok(ProvenLogin { claims, auth_time })
    }
}

/// Who speaks, and to whom.
fn check_parties(claims: &Map<String, Value>, expected: &ExpectedIdToken<'_>) -> Result<(), IdTokenFault> {
    let iss = claims.get("iss").and_then(Value::as_str);
    let is_trusted = expected.trusted.issuers.iter().any(|known| known == expected.issuer);
    if iss != Some(expected.issuer) || !is_trusted {
        return Err(IdTokenFault::Issuer);
    }
    let is_ours = match claims.get("aud") {
        Some(Value::String(aud)) => aud == expected.client_id,
        Some(Value::Array(all)) => matches!(all.as_slice(), [Value::String(aud)] if aud == expected.client_id),
        _ => false,
    };
    if !is_ours {
        return Err(IdTokenFault::Audience);
    }
    match claims.get("azp") {
        Some(azp) if azp.as_str() != Some(expected.client_id) => Err(IdTokenFault::AuthorizedParty),
        Some(_) | None => Ok(()),
    }
}

/// When it was made, and when the user logged in, if it says that.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Option<Timestamp>, IdTokenFault> {
    let soon = now.0.saturating_add(LEEWAY);
    let exp = time(claims, "exp").ok().flatten().ok_or(IdTokenFault::Expired)?;
    if exp.saturating_add(LEEWAY) <= now.0 {
        return Err(IdTokenFault::Expired);
    }
    if time(claims, "nbf").map_err(|()| IdTokenFault::NotRecent)?.is_some_and(|start| start > soon) {
        return Err(IdTokenFault::NotRecent);
    }
    let issued = time(claims, "iat").ok().flatten().ok_or(IdTokenFault::NotRecent)?;
    if issued > soon || issued.saturating_add(OLDEST) < now.0 {
        return Err(IdTokenFault::NotRecent);
    }
    let auth_time = time(claims, "auth_time").map_err(|()| IdTokenFault::AuthTime)?;
    if auth_time.is_some_and(|at| at > soon) {
        return Err(IdTokenFault::AuthTime);
    }
    // Another clock's future is our present.
    Ok(auth_time.map(|at| Timestamp(at.min(now.0))))
}

/// The left half of a token's hash, by the algorithm of the ID token beside it (OpenID Connect Core §3.1.3.6).
fn half_hash(algorithm: Algorithm, token: &Secret) -> String {
    let hash: &'static Hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa | Algorithm::Ed25519 => &SHA512,
    };
    let whole = digest(hash, token.expose());
    URL_SAFE_NO_PAD.encode(&whole.as_ref()[..whole.as_ref().len() / 2])
}

impl ProvenLogin {
    /// Adds what a UserInfo endpoint says beside it. What the ID token says stays.
    ///
    /// # Errors
    ///
    /// [`UserInfoFault`] if that is about somebody else.
    pub fn with_userinfo(mut self, json: &[u8]) -> Result<Self, UserInfoFault> {
        let told = crate::token::parse_object(json).map_err(|_| UserInfoFault::Malformed)?;
        if told.get("sub") != self.claims.get("sub") {
            return Err(UserInfoFault::OtherSubject);
        }
        for (name, value) in told {
            self.claims.entry(name).or_insert(value);
        }
        Ok(self)
    }

    /// What is said of the user.
    pub(super) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// When he logged in, if the provider says so.
    pub fn auth_time(&self) -> Option<Timestamp> {
        self.auth_time
    }
}
