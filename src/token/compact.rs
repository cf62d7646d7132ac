//! A signed JWT in compact form (RFC 7515 §7.1), taken apart without believing it.
//!
//! One token has one spelling: three segments of canonical, unpadded base64url. The JSON serialisation, JWE (five
//! segments), padding, white space and spare bits are refused, because two spellings of one token are two entries in
//! every list that refuses it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smallvec::SmallVec;

use super::json::Draft;
use super::{ClaimObject, ClaimValue, ClaimsSet};
use crate::oauth::{Algorithm, Reason, Rejection};

/// A compact JWS whose three segments were decoded, and nothing more: no signature was looked at.
#[derive(Debug)]
pub struct Compact<'a> {
    /// What the signature covers: header and payload as they were sent.
    pub signed: &'a str,
    /// The signature; its base64url was canonical.
    pub signature: Bytes<512>,
    /// The header.
    pub header: Header,
    /// The claims, unverified.
    pub claims: ClaimsSet,
}

/// Bytes on the stack, as long as they are so few.
type Bytes<const FEW: usize> = SmallVec<[u8; FEW]>;

/// The members of a JOSE header that this gateway reads (RFC 7515 §4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// The signature algorithm.
    pub algorithm: Algorithm,
    /// Which key of the issuer.
    pub key_id: Option<String>,
    /// The media type, in lower case and without `application/`.
    pub media_type: Option<Cow<'static, str>>,
}

/// The longest header, in bytes of JSON.
const MAX_HEADER: usize = 2048;

/// The longest signature, in bytes: that of RSA-8192.
const MAX_SIGNATURE: usize = 1024;

/// The media types that most tokens have.
const USUAL_MEDIA_TYPES: [&str; 2] = ["at+jwt", "jwt"];

/// Header members that would bring a key along, or change what the signature means.
const REFUSED_MEMBERS: [(&str, &str); 8] = [
    ("crit", "the header demands an extension (`crit`)"),
    ("enc", "the token is encrypted; this gateway reads signed tokens only"),
    ("zip", "the token is compressed"),
    ("b64", "the payload is not encoded (`b64`)"),
    ("jwk", "the header brings its own key (`jwk`)"),
    ("jku", "the header names its own key set (`jku`)"),
    ("x5u", "the header names its own certificate (`x5u`)"),
    ("x5c", "the header brings its own certificate (`x5c`)"),
];

impl<'a> Compact<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// [`Reason::TokenMalformed`], or [`Reason::AlgorithmNotAllowed`] for `none`, HMAC and what nobody knows.
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        let (signed, signature) = text.rsplit_once('.').ok_or_else(|| malformed(opaque_cause(text)))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| malformed(opaque_cause(text)))?;
        match payload.matches('.').count() {
            0 => {}
            2 => return Err(malformed("the token is encrypted (JWE); this gateway reads signed tokens only")),
            _ => return Err(malformed("a signed token has three segments")),
        }
        let mut signature_bytes = Bytes::<512>::new();
        decode(signature, &mut signature_bytes)
            .map_err(|Spelling| malformed("the signature is not canonical base64url"))?;
        if !(1..=MAX_SIGNATURE).contains(&signature_bytes.len()) {
            return Err(malformed("the signature is not canonical base64url"));
        }
        let mut header_json = Bytes::<256>::new();
        decode(header, &mut header_json).map_err(|Spelling| malformed("the header is not canonical base64url"))?;
        if header_json.len() > MAX_HEADER {
            return Err(malformed("the header is longer than 2048 bytes"));
        }
        let mut payload_json = Bytes::<1024>::new();
        decode(payload, &mut payload_json).map_err(|Spelling| malformed("the payload is not canonical base64url"))?;
        let mut draft = Draft::default();
        let header = draft.read(&header_json).map_err(|fault| malformed(fault.in_header()))?;
        let header = Header::from_members(header.root())?;
        let claims = ClaimsSet::parse(&payload_json).map_err(|fault| malformed(fault.in_claims()))?;
        Ok(Self { signed, signature: signature_bytes, header, claims })
    }
}

impl Header {
    fn from_members(members: ClaimObject<'_>) -> Result<Self, Rejection> {
        let (mut alg, mut kid, mut typ, mut refused) = (None, None, None, REFUSED_MEMBERS.len());
        for (name, value) in members.members() {
            match name {
                "alg" => alg = Some(value),
                "kid" => kid = Some(value),
                "typ" => typ = Some(value),
                _ => {
                    let place = REFUSED_MEMBERS.iter().position(|(other, _)| *other == name);
                    refused = refused.min(place.unwrap_or(refused));
                }
            }
        }
        if let Some((_, detail)) = REFUSED_MEMBERS.get(refused) {
            return Err(malformed(detail));
        }
        let algorithm = match alg {
            Some(ClaimValue::Text(name)) => name.parse().map_err(|_| Rejection {
                reason: Reason::AlgorithmNotAllowed,
                detail: "`alg` is no asymmetric signature algorithm that this gateway verifies",
            })?,
            _ => return Err(malformed("the header has no `alg`")),
        };
        let key_id = text(kid, "`kid` is not a string")?.map(str::to_owned);
        let media_type = text(typ, "`typ` is not a string")?.map(media_type);
        Ok(Self { algorithm, key_id, media_type })
    }
}

/// The text that a member is, if it is there.
fn text<'m>(member: Option<ClaimValue<'m>>, detail: &'static str) -> Result<Option<&'m str>, Rejection> {
    match member {
        None => Ok(None),
        Some(ClaimValue::Text(value)) => Ok(Some(value)),
        Some(_) => Err(malformed(detail)),
    }
}

fn malformed(detail: &'static str) -> Rejection {
    Rejection { reason: Reason::TokenMalformed, detail }
}

/// A media type in lower case and without `application/` (RFC 7515 §4.1.9).
fn media_type(text: &str) -> Cow<'static, str> {
    let bare = match text.split_at_checked("application/".len()) {
        Some((prefix, bare)) if prefix.eq_ignore_ascii_case("application/") => bare,
        _ => text,
    };
    let usual = USUAL_MEDIA_TYPES.into_iter().find(|usual| bare.eq_ignore_ascii_case(usual));
    usual.map_or_else(|| bare.to_ascii_lowercase().into(), Cow::Borrowed)
}

/// A segment that is not spelled in the one way that it can be.
struct Spelling;

/// The bytes of a segment, without the heap where they are few. They are long enough to be put where they stay.
fn decode<const FEW: usize>(segment: &str, bytes: &mut Bytes<FEW>) -> Result<(), Spelling>
where
    [u8; FEW]: smallvec::Array<Item = u8>,
{
    bytes.resize(base64::decoded_len_estimate(segment.len()), 0);
    // The engine refuses padding, white space, the other alphabet and spare bits.
    let length = URL_SAFE_NO_PAD.decode_slice(segment, bytes).map_err(|_| Spelling)?;
    bytes.truncate(length);
    Ok(())
}

/// What a text that is no JWT most likely is, for the operator who has to tell the caller.
fn opaque_cause(text: &str) -> &'static str {
    if text.starts_with("ya29.") {
        "this is a Google access token, which only Google can read; ask for an ID token with this API as audience"
    } else if text.starts_with("ory_at_") {
        "this is an opaque Ory token; switch the client to JWT access tokens"
    } else if text.starts_with("glpat-") {
        "this is a GitLab personal access token, not a JWT"
    } else {
        "this is an opaque token, not a JWT; ask the issuer for a JWT access token for this API"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.{}", encode(header), encode(payload), encode("signature"))
    }

    fn reason(text: &str) -> Reason {
        Compact::parse(text).unwrap_err().reason
    }

    #[test]
    fn takes_a_good_token_apart() {
        let text = token(r#"{"alg":"ES256","typ":"application/AT+JWT","kid":"k1"}"#, r#"{"iss":"i"}"#);
        let compact = Compact::parse(&text).unwrap();
        assert_eq!(compact.header.algorithm, Algorithm::Es256);
        assert_eq!(compact.header.key_id.as_deref(), Some("k1"));
        assert_eq!(compact.header.media_type.as_deref(), Some("at+jwt"));
        assert_eq!(format!("{}.{}", compact.signed, URL_SAFE_NO_PAD.encode(&compact.signature)), text);
    }

    #[test]
    fn refuses_every_other_spelling() {
        let good = token(r#"{"alg":"ES256"}"#, "{}");
        let (signed, _) = good.rsplit_once('.').unwrap();
        for text in [
            String::new(),
            "abc".into(),
            "a.b".into(),
            format!("{good}."),
            format!("{good}=="),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{good}.a.b"),
            format!("{signed}."),
            format!("{signed}.a+b/"),
            // The last two bits of a one-byte segment's second character are spare and must be zero.
            format!("{signed}.AB"),
            format!(".{good}"),
            format!("{{\"payload\":\"{good}\"}}"),
        ] {
            assert_eq!(reason(&text), Reason::TokenMalformed, "{text}");
        }
    }

    #[test]
    fn refuses_headers_that_bring_keys_or_extensions() {
        for member in ["crit", "enc", "zip", "b64", "jwk", "jku", "x5u", "x5c"] {
            let header = format!(r#"{{"alg":"ES256","{member}":["exp"]}}"#);
            assert_eq!(reason(&token(&header, "{}")), Reason::TokenMalformed, "{member}");
        }
        for header in
            [r#"{"alg":"ES256","alg":"ES256"}"#, r#"{"alg":"ES256","kid":7}"#, r#"{"alg":7}"#, "{}", "[]", "{"]
        {
            assert_eq!(reason(&token(header, "{}")), Reason::TokenMalformed, "{header}");
        }
    }

    #[test]
    fn refuses_none_and_hmac_in_every_spelling() {
        for name in ["none", "None", "noNE", "HS256", "HS512", "rs256", "ES256K", "ES512", ""] {
            let header = format!(r#"{{"alg":"{name}"}}"#);
            assert_eq!(reason(&token(&header, "{}")), Reason::AlgorithmNotAllowed, "{name}");
        }
    }

    #[test]
    fn refuses_doubled_claims_at_any_depth() {
        for payload in [r#"{"aud":"a","aud":"b"}"#, r#"{"cnf":{"jkt":"a","jkt":"b"}}"#, r#"{"a":[{"b":1,"b":2}]}"#] {
            assert_eq!(reason(&token(r#"{"alg":"ES256"}"#, payload)), Reason::TokenMalformed, "{payload}");
        }
    }
}
