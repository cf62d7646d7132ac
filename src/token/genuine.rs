//! What a signature proved: the claims of a token, typed, and that it is an access token at all.
//!
//! Nothing here depends on the request, so a [`GenuineToken`] may be kept. Nothing here says that the token is good
//! *now* or *here*: that is judged at every request, see [`super::verify()`].

use serde_json::{Map, Value};

use super::Header;
use super::claims::{Words, text_at, words_at};
use super::keys::KeySetId;
use crate::clock::Timestamp;
use crate::config::{ClaimNames, IssuerId, TokenProfile, TrustedIssuer};
use crate::oauth::{Reason, Rejection};

/// A token whose signature was proven with a key of its issuer, and which is an access token by its form.
#[derive(Clone, Debug)]
pub struct GenuineToken {
    /// Who signed it.
    pub(super) issuer: IssuerId,
    /// The key set that proved it.
    pub(super) key_set: KeySetId,
    /// `iss`, as it was sent.
    pub(super) iss: Box<str>,
    /// `aud`; possibly nothing.
    pub(super) audiences: Box<[Box<str>]>,
    /// `exp`.
    pub(super) expires: Timestamp,
    /// The later of `nbf` and `iat`.
    pub(super) not_before: Option<Timestamp>,
    /// `iat`.
    pub(super) issued: Option<Timestamp>,
    /// The subject, where the issuer keeps it.
    pub(super) subject: Option<Box<str>>,
    /// The client, where the issuer keeps it.
    pub(super) client: Option<Box<str>>,
    /// The scopes, where the issuer keeps them; nothing if there is no such claim.
    pub(super) scopes: Option<Words>,
    /// Every claim.
    pub(super) claims: Map<String, Value>,
    /// About how much memory all of this takes, in bytes.
    pub(super) weight: usize,
}

/// The most audiences that one token may name.
const MAX_AUDIENCES: usize = 64;

/// Claims that only other kinds of token have: ID tokens, logout tokens, security events (RFC 8725 §3.12).
const MARKS_OF_OTHER_KINDS: [(&str, &str); 3] = [
    ("at_hash", "`at_hash` marks an ID token; send the access token"),
    ("c_hash", "`c_hash` marks an ID token; send the access token"),
    ("events", "`events` marks a logout or security event token"),
];

impl GenuineToken {
    /// Reads the claims of a token whose signature was just proven.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with [`Reason::ProofMissing`], [`Reason::TokenType`], [`Reason::ClaimMissing`] or
    /// [`Reason::ClaimInvalid`].
    pub(super) fn read(
        header: &Header,
        claims: Map<String, Value>,
        trusted: &TrustedIssuer,
        issuer: IssuerId,
        key_set: KeySetId,
    ) -> Result<Self, Rejection> {
        // Before the kind: a bound token also has a kind of its own at some providers, and the proof is what is missing.
        if claims.contains_key("cnf") {
            return Err(reject(Reason::ProofMissing, "`cnf` binds the token to a key; a plain bearer cannot use it"));
        }
        let scopes =
            words_at(&claims, &trusted.claims.scope).map_err(|_| invalid("the scope claim has no usable form"))?;
        let client = text_at(&claims, &trusted.claims.client).map_err(|_| invalid("the client claim is no text"))?;
        check_kind(header, &claims, trusted)?;
        let subject = text_at(&claims, &trusted.claims.subject).map_err(|_| invalid("the subject claim is no text"))?;
        let iss = match claims.get("iss") {
            Some(Value::String(iss)) => iss.as_str().into(),
            Some(_) => return Err(invalid("`iss` is no string")),
            None => return Err(reject(Reason::ClaimMissing, "`iss` is missing")),
        };
        let expires = time(&claims, "exp")?.ok_or_else(|| reject(Reason::ClaimMissing, "`exp` is missing"))?;
        let issued = time(&claims, "iat")?;
        let not_before = time(&claims, "nbf")?.max(issued);
        let audiences = audiences(&claims)?;
        let weight = weight(&claims) + scopes.as_ref().map_or(0, Words::weight);
        Ok(Self {
            issuer,
            key_set,
            iss,
            audiences,
            expires,
            not_before,
            issued,
            subject,
            client,
            scopes,
            claims,
            weight,
        })
    }

    /// Whether it says what an access token must say: a scope or a client, and whom it is about. A resource may have its
    /// own words on where its issuer keeps these.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with [`Reason::TokenType`], [`Reason::ClaimMissing`] or [`Reason::ClaimInvalid`].
    pub(super) fn check_parties(&self, elsewhere: Option<&ClaimNames>) -> Result<(), Rejection> {
        let (scope, client, subject) = match elsewhere {
            None => (self.scopes.is_some(), self.client.is_some(), self.subject.is_some()),
            Some(names) => {
                let text = |paths| text_at(&self.claims, paths).map_err(|_| invalid("subject or client is no text"));
                let scopes = words_at(&self.claims, &names.scope);
                let scopes = scopes.map_err(|_| invalid("the scope claim has no usable form"))?;
                (scopes.is_some(), text(&names.client)?.is_some(), text(&names.subject)?.is_some())
            }
        };
        if !scope && !client {
            let detail = "the token has neither a scope nor a client, so it is no access token";
            return Err(reject(Reason::TokenType, detail));
        }
        match subject || client {
            true => Ok(()),
            false => Err(reject(Reason::ClaimMissing, "the token names neither a subject nor a client")),
        }
    }

    /// Who signed it.
    pub fn issuer(&self) -> IssuerId {
        self.issuer
    }

    /// `iss`, as it was sent.
    pub fn iss(&self) -> &str {
        &self.iss
    }

    /// `aud`; possibly nothing.
    pub fn audiences(&self) -> &[Box<str>] {
        &self.audiences
    }

    /// `exp`.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The subject, as its issuer names it.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The client, as its issuer names it.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The scopes, where the issuer keeps them; nothing if there is no such claim.
    pub fn scopes(&self) -> Option<&Words> {
        self.scopes.as_ref()
    }

    /// Every claim.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

/// Whether the token is an access token (RFC 9068 §2.1, RFC 8725 §3.11).
fn check_kind(header: &Header, claims: &Map<String, Value>, trusted: &TrustedIssuer) -> Result<(), Rejection> {
    let wrong = |detail| Err(reject(Reason::TokenType, detail));
    let is_typed = header.media_type.as_deref() == Some("at+jwt");
    match trusted.token_type {
        TokenProfile::AtJwt if !is_typed => {
            return wrong("`typ` is not `at+jwt`, which this issuer's tokens must have");
        }
        TokenProfile::AtJwt => require_rfc_9068(claims)?,
        TokenProfile::Any => match header.media_type.as_deref() {
            None | Some("at+jwt" | "jwt") => {}
            Some(_) => return wrong("`typ` names another kind of token"),
        },
    }
    for (name, detail) in MARKS_OF_OTHER_KINDS {
        if claims.contains_key(name) {
            return wrong(detail);
        }
    }
    if claims.contains_key("nonce") && !trusted.allow_nonce {
        return wrong(
            "`nonce` marks an ID token (an issuer that puts it into access tokens needs `allow_nonce: true`)",
        );
    }
    match claims.get("typ") {
        None => {}
        Some(Value::String(kind)) if kind == "Bearer" => {}
        Some(Value::String(_)) => return wrong("the claim `typ` names another kind of token"),
        Some(_) => return Err(invalid("the claim `typ` is no string")),
    }
    Ok(())
}

/// Every claim that RFC 9068 §2.2 requires; `aud` is judged with the audience.
fn require_rfc_9068(claims: &Map<String, Value>) -> Result<(), Rejection> {
    const REQUIRED: [(&str, &str); 4] = [
        ("sub", "`sub` is missing (RFC 9068 section 2.2)"),
        ("client_id", "`client_id` is missing (RFC 9068 section 2.2)"),
        ("iat", "`iat` is missing (RFC 9068 section 2.2)"),
        ("jti", "`jti` is missing (RFC 9068 section 2.2)"),
    ];
    match REQUIRED.iter().find(|(name, _)| !claims.contains_key(*name)) {
        Some((_, detail)) => Err(reject(Reason::ClaimMissing, detail)),
        None => match ["sub", "client_id", "jti"].iter().all(|name| claims[*name].is_string()) {
            true => Ok(()),
            false => Err(invalid("`sub`, `client_id` or `jti` is no string")),
        },
    }
}

/// `aud`: one string, or an array of strings only.
fn audiences(claims: &Map<String, Value>) -> Result<Box<[Box<str>]>, Rejection> {
    match claims.get("aud") {
        None => Ok(Box::default()),
        Some(Value::String(name)) => Ok([name.as_str().into()].into()),
        Some(Value::Array(names)) if names.len() <= MAX_AUDIENCES => names
            .iter()
            .map(|name| name.as_str().map(Into::into).ok_or_else(|| invalid("`aud` holds something that is no string")))
            .collect(),
        Some(Value::Array(_)) => Err(invalid("`aud` holds more than 64 audiences")),
        Some(_) => Err(invalid("`aud` is neither a string nor an array")),
    }
}

/// A `NumericDate` (RFC 7519 §2): a JSON number, not negative, and small enough to be a time.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Rejection> {
    /// The year 9999, past which nobody means what he writes.
    const LATEST: f64 = 253_402_300_799.0;
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    match value.as_f64().filter(|_| value.is_number()) {
        // In range, so the cast only drops the fraction.
        Some(seconds) if (0.0..=LATEST).contains(&seconds) => Ok(Some(Timestamp(seconds as u64))),
        _ => Err(invalid("`exp`, `nbf` or `iat` is no time in seconds")),
    }
}

/// About how much memory the claims take, with what is copied out of them; it errs on the large side.
fn weight(claims: &Map<String, Value>) -> usize {
    /// A node of the map, which has room for eleven members and is at least about half full.
    const NODE: usize = 640;
    fn of_object(members: &Map<String, Value>) -> usize {
        let nodes = members.len().div_ceil(5).max(1) * NODE;
        nodes + members.iter().map(|(name, value)| name.len() + of(value)).sum::<usize>()
    }
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(members) => members.iter().map(|member| size_of::<Value>() + of(member)).sum(),
            Value::Object(members) => of_object(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    let copied = ["iss", "aud", "sub", "client_id"].iter().filter_map(|name| claims.get(*name)).map(of).sum::<usize>();
    size_of::<GenuineToken>() + of_object(claims) + 2 * copied
}

fn reject(reason: Reason, detail: &'static str) -> Rejection {
    Rejection { reason, detail }
}

fn invalid(detail: &'static str) -> Rejection {
    Rejection { reason: Reason::ClaimInvalid, detail }
}
