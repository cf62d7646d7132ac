//! Public keys as others read them: a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2) and the set at `/jwks` (§5).
//!
//! A key's name is its thumbprint (RFC 7638), so that it follows from the key alone and is never used again for another
//! one. Deliberately absent: private members, which these types have no room for.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::oauth::SigningAlgorithm;

/// One public key: what it is, its algorithm, its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicJwk {
    algorithm: SigningAlgorithm,
    kid: Box<str>,
    members: Members,
}

/// What a key's type needs, in base64url.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kty")]
enum Members {
    #[serde(rename = "EC")]
    Ec { crv: &'static str, x: String, y: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
}

impl PublicJwk {
    /// A key of ES256, from its uncompressed point: each coordinate has 32 bytes, also where it begins with zeros
    /// (RFC 7518 §6.2.1.2). Nothing if that is no such point.
    pub(super) fn p256(point: &[u8]) -> Option<Self> {
        let coordinates = point.strip_prefix(&[4]).filter(|coordinates| coordinates.len() == 64)?;
        let (x, y) = coordinates.split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Some(Self::new(SigningAlgorithm::Es256, Members::Ec { crv: "P-256", x, y }))
    }

    /// A key of RS256 or PS256, from its numbers without leading zeros (RFC 7518 §6.3.1).
    pub(super) fn rsa(algorithm: SigningAlgorithm, n: &[u8], e: &[u8]) -> Self {
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        Self::new(algorithm, Members::Rsa { n, e })
    }

    /// A key of EdDSA.
    pub(super) fn ed25519(key: &[u8]) -> Self {
        Self::new(SigningAlgorithm::EdDsa, Members::Okp { crv: "Ed25519", x: URL_SAFE_NO_PAD.encode(key) })
    }

    /// The numbers that it consists of, in base64url, as [`PublicJwk::from_numbers`] reads them.
    pub(super) fn numbers(&self) -> Vec<String> {
        match &self.members {
            Members::Ec { x, y, .. } => vec![x.clone(), y.clone()],
            Members::Rsa { n, e } => vec![n.clone(), e.clone()],
            Members::Okp { x, .. } => vec![x.clone()],
        }
    }

    /// The key of these numbers; nothing if `algorithm` has none of that kind.
    pub(super) fn from_numbers(algorithm: SigningAlgorithm, numbers: &[String]) -> Option<Self> {
        let numbers: Vec<_> = numbers.iter().map(|one| URL_SAFE_NO_PAD.decode(one)).collect::<Result<_, _>>().ok()?;
        match (algorithm, &*numbers) {
            (SigningAlgorithm::Es256, [x, y]) if x.len() == 32 => Self::p256(&[&[4][..], x, y].concat()),
            (SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256, [n, e]) => Some(Self::rsa(algorithm, n, e)),
            (SigningAlgorithm::EdDsa, [x]) if x.len() == 32 => Some(Self::ed25519(x)),
            _ => None,
        }
    }

    fn new(algorithm: SigningAlgorithm, members: Members) -> Self {
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.canonical().as_bytes())).into();
        Self { algorithm, kid, members }
    }

    /// The only algorithm that this key is for.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The key's name: the SHA-256 thumbprint of what it is (RFC 7638 §3).
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl Members {
    /// The text whose digest is the thumbprint: the required members, sorted, without a blank (RFC 7638 §3.3). The values
    /// are base64url, which needs no escape.
    fn canonical(&self) -> String {
        match self {
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        }
    }
}

/// A key set's document, as `/jwks` answers it: `application/jwk-set+json`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwkSet(Arc<[u8]>);

impl JwkSet {
    /// Writes the set, in this order.
    pub(super) fn new<'k>(keys: impl IntoIterator<Item = &'k PublicJwk>) -> Self {
        let keys = keys.into_iter().map(Published::from).collect();
        let json = serde_json::to_vec(&Document { keys }).expect("text under fixed names is always JSON");
        Self(json.into())
    }

    /// The document, in JSON.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The document, for whoever keeps it.
    pub fn to_shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }
}

#[derive(Serialize)]
struct Document<'k> {
    keys: Vec<Published<'k>>,
}

#[derive(Serialize)]
struct Published<'k> {
    #[serde(flatten)]
    members: &'k Members,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: &'k str,
}

impl<'k> From<&'k PublicJwk> for Published<'k> {
    fn from(key: &'k PublicJwk) -> Self {
        Self { members: &key.members, usage: "sig", alg: key.algorithm.as_str(), kid: &key.kid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(base64url: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(base64url).unwrap()
    }

    /// RFC 7638 §3.1.
    #[test]
    fn the_thumbprint_of_an_rsa_key_is_the_standards() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn\
                 jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM\
                 QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJz\
                 KnqDKgw";
        let key = PublicJwk::rsa(SigningAlgorithm::Rs256, &bytes(n), &bytes("AQAB"));
        assert_eq!(key.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    /// RFC 8037 appendix A.3.
    #[test]
    fn the_thumbprint_of_an_ed25519_key_is_the_standards() {
        let key = PublicJwk::ed25519(&bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn coordinates_keep_their_leading_zeros() {
        let mut point = [7; 65];
        point[..3].copy_from_slice(&[4, 0, 0]);
        let key = PublicJwk::p256(&point).unwrap();
        let Members::Ec { x, y, .. } = &key.members else { panic!("a point is of an EC key") };
        assert_eq!((x.len(), y.len(), &x[..3]), (43, 43, "AAA"));
        for wrong in [&point[..64], &point[1..], &[], &[2; 65]] {
            assert_eq!(PublicJwk::p256(wrong), None);
        }
    }

    #[test]
    fn a_document_says_what_a_key_is_for() {
        let key = PublicJwk::ed25519(&bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        let expected = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"sig","alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}]}"#;
        assert_eq!(String::from_utf8_lossy(JwkSet::new([&key]).as_bytes()), expected);
    }
}
