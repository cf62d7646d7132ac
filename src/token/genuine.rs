//! What a signature proved: the claims of a token, typed, and that it is an access token at all.
//!
//! Nothing here depends on the request, so a [`GenuineToken`] may be kept. Nothing here says that the token is good
//! *now* or *here*: that is judged at every request, see [`super::verify()`].

use std::borrow::Cow;

use super::claims::{Words, text_at, text_of, words_at, words_of};
use super::claims_set::Place;
use super::keys::KeySetId;
use super::{ClaimValue, ClaimsSet, Header};
use crate::clock::Timestamp;
use crate::config::{ClaimNames, ClaimPath, IssuerId, TokenProfile, TrustedIssuer};
use crate::oauth::{Reason, Rejection};

/// A token whose signature was proven with a key of its issuer, and which is an access token by its form.
#[derive(Clone, Debug)]
pub struct GenuineToken {
    /// Who signed it.
    pub(super) issuer: IssuerId,
    /// The key set that proved it.
    pub(super) key_set: KeySetId,
    /// `exp`.
    pub(super) expires: Timestamp,
    /// The later of `nbf` and `iat`.
    pub(super) not_before: Option<Timestamp>,
    /// `iat`.
    pub(super) issued: Option<Timestamp>,
    /// The subject, where the issuer keeps it.
    subject: Option<Said>,
    /// The client, where the issuer keeps it.
    client: Option<Said>,
    /// The scopes, where the issuer keeps them; nothing if there is no such claim.
    scopes: Option<Place>,
    /// Where `iss` stands.
    iss: Option<Place>,
    /// Where `aud` stands.
    aud: Option<Place>,
    /// Where `jti` stands.
    jti: Option<Place>,
    /// Every claim.
    pub(super) claims: ClaimsSet,
}

/// Where the claims stand that every token is asked about, found in one pass (RFC 7519 §4.1, RFC 9068 §2.2).
#[derive(Clone, Copy, Debug, Default)]
struct Registered {
    iss: Option<Place>,
    aud: Option<Place>,
    exp: Option<Place>,
    nbf: Option<Place>,
    iat: Option<Place>,
    jti: Option<Place>,
    sub: Option<Place>,
    client_id: Option<Place>,
    typ: Option<Place>,
    cnf: Option<Place>,
    nonce: Option<Place>,
    /// The first of [`MARKS_OF_OTHER_KINDS`], by its place there.
    mark: Option<usize>,
}

impl Registered {
    fn of(claims: &ClaimsSet) -> Self {
        let mut found = Self::default();
        for (name, place) in claims.places() {
            let member = match name {
                "iss" => &mut found.iss,
                "aud" => &mut found.aud,
                "exp" => &mut found.exp,
                "nbf" => &mut found.nbf,
                "iat" => &mut found.iat,
                "jti" => &mut found.jti,
                "sub" => &mut found.sub,
                "client_id" => &mut found.client_id,
                "typ" => &mut found.typ,
                "cnf" => &mut found.cnf,
                "nonce" => &mut found.nonce,
                _ => {
                    let mark = MARKS_OF_OTHER_KINDS.iter().position(|(mark, _)| *mark == name);
                    found.mark = [found.mark, mark].into_iter().flatten().min();
                    continue;
                }
            };
            *member = Some(place);
        }
        found
    }
}

/// A text that a claim says.
#[derive(Clone, Debug)]
enum Said {
    /// It stands there.
    There(Place),
    /// It is a number, in digits.
    InDigits(Box<str>),
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
        claims: ClaimsSet,
        trusted: &TrustedIssuer,
        issuer: IssuerId,
        key_set: KeySetId,
    ) -> Result<Self, Rejection> {
        // Before the kind: a bound token also has a kind of its own at some providers, and the proof is what is missing.
        let registered = Registered::of(&claims);
        if registered.cnf.is_some() {
            return Err(reject(Reason::ProofMissing, "`cnf` binds the token to a key; a plain bearer cannot use it"));
        }
        let scopes = first_of(&claims, &trusted.claims.scope);
        if scopes.is_some_and(|place| words_of(claims.at(place)).is_err()) {
            return Err(invalid("the scope claim has no usable form"));
        }
        let client = said(&claims, &trusted.claims.client, "the client claim is no text")?;
        check_kind(header, &claims, &registered, trusted)?;
        let subject = said(&claims, &trusted.claims.subject, "the subject claim is no text")?;
        match registered.iss.map(|place| claims.at(place)) {
            Some(ClaimValue::Text(_)) => {}
            Some(_) => return Err(invalid("`iss` is no string")),
            None => return Err(reject(Reason::ClaimMissing, "`iss` is missing")),
        }
        let expires = time(&claims, registered.exp)?.ok_or_else(|| reject(Reason::ClaimMissing, "`exp` is missing"))?;
        let issued = time(&claims, registered.iat)?;
        let not_before = time(&claims, registered.nbf)?.max(issued);
        check_audiences(registered.aud.map(|place| claims.at(place)))?;
        let Registered { iss, aud, jti, .. } = registered;
        Ok(Self { issuer, key_set, expires, not_before, issued, subject, client, scopes, iss, aud, jti, claims })
    }

    /// How much memory it takes beside itself, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let said = |said: &Option<Said>| match said {
            Some(Said::InDigits(digits)) => digits.len(),
            Some(Said::There(_)) | None => 0,
        };
        self.claims.heap_bytes() + said(&self.subject) + said(&self.client)
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
        self.value(self.iss).and_then(ClaimValue::as_str).unwrap_or_default()
    }

    /// `jti`, if it is text.
    pub fn jti(&self) -> Option<&str> {
        self.value(self.jti).and_then(ClaimValue::as_str)
    }

    /// `aud`; possibly nothing.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self.value(self.aud) {
            Some(ClaimValue::Text(name)) => (Some(name), None),
            Some(ClaimValue::Array(names)) => (None, Some(names.iter().filter_map(ClaimValue::as_str))),
            _ => (None, None),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// `exp`.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The subject, as its issuer names it.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_ref().map(|said| self.text(said))
    }

    /// The client, as its issuer names it.
    pub fn client(&self) -> Option<&str> {
        self.client.as_ref().map(|said| self.text(said))
    }

    /// The scopes, where the issuer keeps them; nothing if there is no such claim.
    pub fn scopes(&self) -> Option<Words<'_>> {
        // Its form was looked at when the token was read.
        self.scopes.map(|place| words_of(self.claims.at(place)).unwrap_or_default())
    }

    /// Every claim.
    pub fn claims(&self) -> &ClaimsSet {
        &self.claims
    }

    fn value(&self, place: Option<Place>) -> Option<ClaimValue<'_>> {
        place.map(|place| self.claims.at(place))
    }

    fn text<'t>(&'t self, said: &'t Said) -> &'t str {
        match said {
            Said::There(place) => self.claims.at(*place).as_str().unwrap_or_default(),
            Said::InDigits(digits) => digits,
        }
    }
}

/// Where the first of these claims stands that is present.
fn first_of(claims: &ClaimsSet, paths: &[ClaimPath]) -> Option<Place> {
    paths.iter().find_map(|path| claims.place(path))
}

/// What the first of these claims says that is present.
fn said(claims: &ClaimsSet, paths: &[ClaimPath], otherwise: &'static str) -> Result<Option<Said>, Rejection> {
    let Some(place) = first_of(claims, paths) else {
        return Ok(None);
    };
    match text_of(claims.at(place)) {
        Ok(Cow::Borrowed(_)) => Ok(Some(Said::There(place))),
        Ok(Cow::Owned(digits)) => Ok(Some(Said::InDigits(digits.into()))),
        Err(_) => Err(invalid(otherwise)),
    }
}

/// Whether the token is an access token (RFC 9068 §2.1, RFC 8725 §3.11).
fn check_kind(
    header: &Header,
    claims: &ClaimsSet,
    registered: &Registered,
    trusted: &TrustedIssuer,
) -> Result<(), Rejection> {
    let wrong = |detail| Err(reject(Reason::TokenType, detail));
    let is_typed = header.media_type.as_deref() == Some("at+jwt");
    match trusted.token_type {
        TokenProfile::AtJwt if !is_typed => {
            return wrong("`typ` is not `at+jwt`, which this issuer's tokens must have");
        }
        TokenProfile::AtJwt => require_rfc_9068(claims, registered)?,
        TokenProfile::Any => match header.media_type.as_deref() {
            None | Some("at+jwt" | "jwt") => {}
            Some(_) => return wrong("`typ` names another kind of token"),
        },
    }
    if let Some((_, detail)) = registered.mark.and_then(|mark| MARKS_OF_OTHER_KINDS.get(mark)) {
        return wrong(detail);
    }
    if registered.nonce.is_some() && !trusted.allow_nonce {
        return wrong(
            "`nonce` marks an ID token (an issuer that puts it into access tokens needs `allow_nonce: true`)",
        );
    }
    match registered.typ.map(|place| claims.at(place)) {
        None => {}
        Some(ClaimValue::Text("Bearer")) => {}
        Some(ClaimValue::Text(_)) => return wrong("the claim `typ` names another kind of token"),
        Some(_) => return Err(invalid("the claim `typ` is no string")),
    }
    Ok(())
}

/// Every claim that RFC 9068 §2.2 requires; `aud` is judged with the audience.
fn require_rfc_9068(claims: &ClaimsSet, registered: &Registered) -> Result<(), Rejection> {
    let required = [
        (registered.sub, "`sub` is missing (RFC 9068 section 2.2)"),
        (registered.client_id, "`client_id` is missing (RFC 9068 section 2.2)"),
        (registered.iat, "`iat` is missing (RFC 9068 section 2.2)"),
        (registered.jti, "`jti` is missing (RFC 9068 section 2.2)"),
    ];
    if let Some((_, detail)) = required.iter().find(|(place, _)| place.is_none()) {
        return Err(reject(Reason::ClaimMissing, detail));
    }
    let texts = [registered.sub, registered.client_id, registered.jti].into_iter().flatten();
    match texts.map(|place| claims.at(place)).all(|value| value.as_str().is_some()) {
        true => Ok(()),
        false => Err(invalid("`sub`, `client_id` or `jti` is no string")),
    }
}

/// `aud`: one string, or an array of strings only.
fn check_audiences(aud: Option<ClaimValue<'_>>) -> Result<(), Rejection> {
    match aud {
        None | Some(ClaimValue::Text(_)) => Ok(()),
        Some(ClaimValue::Array(names)) if names.iter().nth(MAX_AUDIENCES).is_some() => {
            Err(invalid("`aud` holds more than 64 audiences"))
        }
        Some(ClaimValue::Array(names)) => match names.iter().all(|name| name.as_str().is_some()) {
            true => Ok(()),
            false => Err(invalid("`aud` holds something that is no string")),
        },
        Some(_) => Err(invalid("`aud` is neither a string nor an array")),
    }
}

/// A `NumericDate` (RFC 7519 §2): a JSON number, not negative, and small enough to be a time.
fn time(claims: &ClaimsSet, place: Option<Place>) -> Result<Option<Timestamp>, Rejection> {
    /// The year 9999, past which nobody means what he writes.
    const LATEST: f64 = 253_402_300_799.0;
    match place.map(|place| claims.at(place).as_f64()) {
        None => Ok(None),
        // In range, so the cast only drops the fraction.
        Some(Some(seconds)) if (0.0..=LATEST).contains(&seconds) => Ok(Some(Timestamp(seconds as u64))),
        Some(_) => Err(invalid("`exp`, `nbf` or `iat` is no time in seconds")),
    }
}

fn reject(reason: Reason, detail: &'static str) -> Rejection {
    Rejection { reason, detail }
}

fn invalid(detail: &'static str) -> Rejection {
    Rejection { reason: Reason::ClaimInvalid, detail }
}
