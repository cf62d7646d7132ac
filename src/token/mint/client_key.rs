//! The key by which we prove who we are at somebody else's token endpoint (`private_key_jwt`, RFC 7523 §3, OpenID Connect Core
//! §9).
//!
//! What it signs is good for one minute, at one server, and is no access token: it has neither scope nor client.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::private_key::{PrivateKey, SigningKeyFault};
use crate::clock::Timestamp;
use crate::oauth::SigningAlgorithm;
use crate::secret::Secret;

/// How long an assertion is good, in seconds.
const LIFETIME: u64 = 60;

/// What each kind of key signs with.
const ALGORITHMS: [SigningAlgorithm; 3] = [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa];

/// A private key that proves who we are.
pub struct ClientKey {
    private: PrivateKey,
    algorithm: SigningAlgorithm,
    kid: Option<String>,
}

/// Nothing could be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("nothing could be signed")]
pub struct NotSigned;

impl ClientKey {
    /// Reads a key, which the other side knows as `kid`, if by any name. EC keys sign with ES256, RSA ones with RS256, Ed25519
    /// ones with EdDSA.
    ///
    /// # Errors
    ///
    /// [`SigningKeyFault`] says why it cannot sign.
    pub fn from_pem(pem: &[u8], kid: Option<&str>) -> Result<Self, SigningKeyFault> {
        let mut fault = SigningKeyFault::Malformed;
        for algorithm in ALGORITHMS {
            match PrivateKey::from_pem(pem, algorithm) {
                Ok(private) => return Ok(Self { private, algorithm, kid: kid.map(str::to_owned) }),
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }

    /// What proves to `audience` that we are its client, once and now.
    ///
    /// # Errors
    ///
    /// [`NotSigned`] if the system has no randomness to give.
    pub fn assertion(&self, client_id: &str, audience: &str, now: Timestamp) -> Result<Secret, NotSigned> {
        let mut header = json!({ "alg": self.algorithm.as_str(), "typ": "JWT" });
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        let jti = Secret::random_token().map_err(|_| NotSigned)?;
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": now.0,
            "exp": now.0.saturating_add(LIFETIME),
            "jti": String::from_utf8_lossy(jti.expose()),
        });
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = self.private.sign(signed.as_bytes()).map_err(|_| NotSigned)?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;
    use crate::token::Compact;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    #[test]
    fn every_kind_of_key_signs_for_one_server() {
        for (kind, algorithm) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "ES256"),
            (&rcgen::PKCS_RSA_SHA256, "RS256"),
            (&rcgen::PKCS_ED25519, "EdDSA"),
        ] {
            let pair = KeyPair::generate_for(kind).unwrap();
            let key = ClientKey::from_pem(pair.serialize_pem().as_bytes(), Some("k1")).unwrap();
            let compact = key.assertion("narrowgate", "https://login.example", NOW).unwrap();
            let compact = Compact::parse(std::str::from_utf8(compact.expose()).unwrap()).unwrap();
            assert_eq!(compact.header.algorithm.as_str(), algorithm);
            assert_eq!(compact.header.key_id.as_deref(), Some("k1"));
            let says = |name: &str| compact.claims.get(name).unwrap().to_value();
            assert_eq!([says("iss"), says("sub")], [json!("narrowgate"), json!("narrowgate")]);
            assert_eq!((says("aud"), says("exp")), (json!("https://login.example"), json!(NOW.0 + 60)));
        }
    }

    #[test]
    fn each_is_another_one() {
        let pair = KeyPair::generate().unwrap();
        let key = ClientKey::from_pem(pair.serialize_pem().as_bytes(), None).unwrap();
        let one = || key.assertion("narrowgate", "https://login.example", NOW).unwrap();
        assert_ne!(one(), one());
    }

    #[test]
    fn what_is_no_key_is_none() {
        assert_eq!(ClientKey::from_pem(b"", None).unwrap_err(), SigningKeyFault::NotPem);
    }

    #[test]
    fn it_never_shows_itself() {
        let pem = KeyPair::generate().unwrap().serialize_pem();
        let key = ClientKey::from_pem(pem.as_bytes(), None).unwrap();
        assert!(!format!("{key:?}").contains("PrivateKey"));
    }
}
