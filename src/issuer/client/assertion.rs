//! A client's own signature in place of a secret: `private_key_jwt` (RFC 7523 §3, draft-ietf-oauth-rfc7523bis §4).
//!
//! The audience is our issuer and nothing else, so that what is meant for another server is worth nothing here. It lives for
//! minutes and is good once; whoever keeps what was used is asked with a [`OneUse`].

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::token::keys::{KeyMiss, KeySet};
use crate::token::{ClaimValue, Compact};

/// How far the clocks of client and server may differ, in seconds.
const LEEWAY: u64 = 30;

/// How far ahead the end may lie, in seconds.
const MAX_AHEAD: u64 = 300;

/// The longest `jti`, in bytes.
const MAX_JTI: usize = 256;

/// An assertion that was taken apart and not believed yet.
#[derive(Debug)]
pub struct ClientAssertion<'a> {
    compact: Compact<'a>,
    client: String,
}

/// What must not be used again, and for how long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OneUse {
    /// Its name, apart from every other client's.
    pub name: String,
    /// Until when it would be accepted.
    pub until: Timestamp,
}

/// Why an assertion is not good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AssertionFault {
    /// It is no signed JWT, or its algorithm is none that is accepted.
    #[error("it is no JWT, or not signed with an asymmetric algorithm")]
    Malformed,
    /// It is another kind of JWT.
    #[error("its `typ` is that of another kind of token")]
    Kind,
    /// `iss` and `sub` are not both the client.
    #[error("`iss` and `sub` are not one client")]
    Parties,
    /// It is for somebody else too, or only.
    #[error("`aud` is not our issuer alone")]
    Audience,
    /// It has no end, or one too far ahead.
    #[error("`exp` is missing, or more than 300 s ahead")]
    Unbounded,
    /// It has ended.
    #[error("`exp` has passed")]
    Expired,
    /// It has not begun.
    #[error("`nbf` or `iat` lies in the future, or is no time")]
    NotYet,
    /// It cannot be told from another one.
    #[error("`jti` is missing or too long")]
    Nameless,
    /// The client has no such key.
    #[error("the client has no such key")]
    KeyUnknown,
    /// The signature is not the client's.
    #[error("the signature does not verify")]
    Signature,
}

impl<'a> ClientAssertion<'a> {
    /// Takes one apart, as far as to know whose keys to look at.
    ///
    /// # Errors
    ///
    /// [`AssertionFault::Malformed`], [`AssertionFault::Kind`] or [`AssertionFault::Parties`].
    pub fn parse(text: &'a str) -> Result<Self, AssertionFault> {
        let compact = Compact::parse(text).map_err(|_| AssertionFault::Malformed)?;
        match compact.header.media_type.as_deref() {
            None | Some("jwt" | "client-authentication+jwt") => {}
            Some(_) => return Err(AssertionFault::Kind),
        }
        match (compact.claims.get("iss"), compact.claims.get("sub")) {
            (Some(ClaimValue::Text(iss)), Some(ClaimValue::Text(sub))) if iss == sub && !iss.is_empty() => {
                let client = iss.to_owned();
                Ok(Self { compact, client })
            }
            _ => Err(AssertionFault::Parties),
        }
    }

    /// Whom it claims to come from.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Holds it against the client's keys and the time; `issuer` is ours. What comes back must be marked as used before
    /// anything is believed.
    ///
    /// # Errors
    ///
    /// [`AssertionFault`] with the first thing that is wrong: key and signature, then the claims.
    pub fn judge(&self, keys: &KeySet, issuer: &str, now: Timestamp) -> Result<OneUse, AssertionFault> {
        let header = &self.compact.header;
        let key = keys.find(header.key_id.as_deref(), header.algorithm).map_err(|miss| match miss {
            KeyMiss::Unknown => AssertionFault::KeyUnknown,
            KeyMiss::Algorithm => AssertionFault::Signature,
        })?;
        if !key.verify(self.compact.signed.as_bytes(), &self.compact.signature) {
            return Err(AssertionFault::Signature);
        }
        let claims = &self.compact.claims.to_map();
        let is_ours = match claims.get("aud") {
            Some(Value::String(aud)) => aud == issuer,
            Some(Value::Array(all)) => matches!(all.as_slice(), [Value::String(aud)] if aud == issuer),
            _ => false,
        };
        if !is_ours {
            return Err(AssertionFault::Audience);
        }
        let exp = time(claims, "exp").ok().flatten().ok_or(AssertionFault::Unbounded)?;
        if exp.saturating_add(LEEWAY) <= now.0 {
            return Err(AssertionFault::Expired);
        }
        if exp > now.0.saturating_add(MAX_AHEAD + LEEWAY) {
            return Err(AssertionFault::Unbounded);
        }
        for name in ["nbf", "iat"] {
            let start = time(claims, name).map_err(|()| AssertionFault::NotYet)?;
            if start.is_some_and(|start| start > now.0.saturating_add(LEEWAY)) {
                return Err(AssertionFault::NotYet);
            }
        }
        match claims.get("jti") {
            Some(Value::String(jti)) if (1..=MAX_JTI).contains(&jti.len()) => {
                // No id of a client holds `|`.
                let name = format!("client_assertion|{}|{jti}", self.client);
                Ok(OneUse { name, until: Timestamp(exp.saturating_add(LEEWAY + 1)) })
            }
            _ => Err(AssertionFault::Nameless),
        }
    }
}

/// A time in whole seconds, rounded down where a fraction was sent (RFC 7519 §2).
pub(in crate::issuer) fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, ()> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match (value.as_u64(), value.as_f64()) {
            (Some(seconds), _) => Ok(Some(seconds)),
            (None, Some(seconds)) if (0.0..9e15).contains(&seconds) => Ok(Some(seconds as u64)),
            _ => Err(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::oauth::Algorithm;
    use crate::token::keys::signer::{TestSigner, jwks};

    const ISSUER: &str = "https://auth.example";
    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn text(signer: &TestSigner, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        format!("{signed}.{}", signer.sign(signed.as_bytes()))
    }

    /// A good assertion after a change of its header and claims.
    fn judged(change: impl FnOnce(&mut Value, &mut Value)) -> Result<OneUse, AssertionFault> {
        let signer = TestSigner::new("k1", "ES256");
        let (keys, _) = KeySet::parse(&[&jwks(&[signer.jwk()])], &Algorithm::ALL).unwrap();
        let mut header = json!({ "alg": "ES256", "kid": "k1", "typ": "client-authentication+jwt" });
        let mut claims = json!({ "iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW.0 + 60, "jti": "j1" });
        change(&mut header, &mut claims);
        let text = text(&signer, &header, &claims);
        ClientAssertion::parse(&text)?.judge(&keys, ISSUER, NOW)
    }

    #[test]
    fn a_good_one_is_good_once() {
        let good = Ok(OneUse { name: "client_assertion|app|j1".into(), until: Timestamp(NOW.0 + 91) });
        assert_eq!(judged(|_, _| {}), good);
        assert_eq!(judged(|_, claims| claims["aud"] = json!([ISSUER])), good);
        for kind in [json!("JWT"), json!("application/client-authentication+JWT")] {
            assert_eq!(judged(|header, _| header["typ"] = kind), good);
        }
        assert_eq!(judged(|header, _| drop(header.as_object_mut().unwrap().remove("typ"))), good);
        assert!(judged(|_, claims| claims["exp"] = json!(NOW.0 - 29)).is_ok());
    }

    #[test]
    fn every_defect_is_refused() {
        let endpoint = format!("{ISSUER}/token");
        for (name, value, fault) in [
            ("iss", json!("other"), AssertionFault::Parties),
            ("sub", json!("other"), AssertionFault::Parties),
            ("sub", json!(7), AssertionFault::Parties),
            ("aud", json!(endpoint), AssertionFault::Audience),
            ("aud", json!([ISSUER, "https://other.example"]), AssertionFault::Audience),
            ("aud", json!([]), AssertionFault::Audience),
            ("aud", json!("https://auth.example/"), AssertionFault::Audience),
            ("aud", json!(null), AssertionFault::Audience),
            ("exp", json!(NOW.0 - 30), AssertionFault::Expired),
            ("exp", json!(NOW.0 + 331), AssertionFault::Unbounded),
            ("exp", json!("1800000060"), AssertionFault::Unbounded),
            ("exp", json!(null), AssertionFault::Unbounded),
            ("nbf", json!(NOW.0 + 31), AssertionFault::NotYet),
            ("iat", json!(NOW.0 + 31), AssertionFault::NotYet),
            ("iat", json!("now"), AssertionFault::NotYet),
            ("jti", json!(""), AssertionFault::Nameless),
            ("jti", json!(null), AssertionFault::Nameless),
            ("jti", json!("j".repeat(257)), AssertionFault::Nameless),
        ] {
            let told = format!("{name} {value}");
            assert_eq!(judged(|_, claims| claims[name] = value), Err(fault), "{told}");
        }
    }

    #[test]
    fn another_kind_of_token_is_none() {
        for kind in ["at+jwt", "dpop+jwt", "logout+jwt", "application/at+jwt", "oauth-authz-req+jwt", ""] {
            assert_eq!(judged(|header, _| header["typ"] = json!(kind)), Err(AssertionFault::Kind), "{kind}");
        }
    }

    #[test]
    fn only_the_clients_key_signs() {
        assert_eq!(judged(|header, _| header["kid"] = json!("k2")), Err(AssertionFault::KeyUnknown));
        assert_eq!(judged(|header, _| header["alg"] = json!("RS256")), Err(AssertionFault::Signature));
        for algorithm in ["none", "HS256", ""] {
            assert_eq!(judged(|header, _| header["alg"] = json!(algorithm)), Err(AssertionFault::Malformed));
        }
        let (one, other) = (TestSigner::new("k1", "ES256"), TestSigner::new("k1", "ES256"));
        let (keys, _) = KeySet::parse(&[&jwks(&[one.jwk()])], &Algorithm::ALL).unwrap();
        let claims = json!({ "iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW.0 + 60, "jti": "j1" });
        let forged = text(&other, &json!({ "alg": "ES256", "kid": "k1" }), &claims);
        let judged = ClientAssertion::parse(&forged).unwrap().judge(&keys, ISSUER, NOW);
        assert_eq!(judged, Err(AssertionFault::Signature));
    }
}
