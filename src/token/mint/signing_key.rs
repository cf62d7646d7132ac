//! One private key of our issuer, bound to one algorithm when it is read or made (RFC 8725 §3.1).
//!
//! The key is taken apart once and signs with AWS-LC directly: `jsonwebtoken` would read it again for every token. It signs
//! access tokens only, because nothing outside of this room can ask it to.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::private_key::{PrivateKey, SigningKeyFault};
use super::{JwkSet, PublicJwk};
use crate::oauth::SigningAlgorithm;
use crate::secret::Secret;
use crate::token::keys::{InvalidKeySet, KeySet};

/// A private key and the one algorithm that it signs with.
#[derive(Clone)]
pub struct SigningKey {
    private: Arc<PrivateKey>,
    public: PublicJwk,
    /// That of every token which it signs, in base64url.
    header: Arc<str>,
}

impl SigningKey {
    /// Reads a key that an operator made: the one private key of a PEM file.
    ///
    /// # Errors
    ///
    /// [`SigningKeyFault`] says why it cannot sign under `algorithm`.
    pub fn from_pem(pem: &[u8], algorithm: SigningAlgorithm) -> Result<Self, SigningKeyFault> {
        Self::new(PrivateKey::from_pem(pem, algorithm)?, algorithm)
    }

    /// Reads a key that [`SigningKey::generate`] made.
    ///
    /// # Errors
    ///
    /// [`SigningKeyFault`] says why it cannot sign under `algorithm`.
    pub fn from_pkcs8(der: &Secret, algorithm: SigningAlgorithm) -> Result<Self, SigningKeyFault> {
        Self::new(PrivateKey::from_pkcs8(der.expose(), algorithm)?, algorithm)
    }

    /// Makes a new key, and gives it as PKCS #8 too, for a store to keep. An RSA key has 2048 bits and takes a while.
    ///
    /// # Errors
    ///
    /// [`SigningKeyFault::Generation`] if the system has no randomness to give.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<(Self, Secret), SigningKeyFault> {
        let pkcs8 = new_pkcs8(algorithm).map_err(|_| SigningKeyFault::Generation)?;
        Ok((Self::from_pkcs8(&pkcs8, algorithm)?, pkcs8))
    }

    /// Publishes the key to our own reader first, so that no token is signed that no gateway could verify.
    fn new(private: PrivateKey, algorithm: SigningAlgorithm) -> Result<Self, SigningKeyFault> {
        let public = match &private {
            PrivateKey::P256(pair) => PublicJwk::p256(pair.public_key().as_ref()).ok_or(SigningKeyFault::Malformed)?,
            PrivateKey::Rsa(pair, _) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                PublicJwk::rsa(algorithm, n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero())
            }
            PrivateKey::Ed25519(pair) => PublicJwk::ed25519(pair.public_key().as_ref()),
        };
        let document = JwkSet::new([&public]);
        match KeySet::parse(&[document.as_bytes()], &[algorithm.algorithm()]) {
            Ok(_) => Ok(Self { private: Arc::new(private), header: header(&public).into(), public }),
            Err(InvalidKeySet::NoUsableKey(Some(skipped))) => Err(SigningKeyFault::Unverifiable(skipped.why)),
            Err(_) => Err(SigningKeyFault::Malformed),
        }
    }

    /// The only algorithm that this key signs with.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.public.algorithm()
    }

    /// The key's name: the thumbprint of its public half (RFC 7638).
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The header of what it signs, in base64url (RFC 9068 §2.1).
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// How many bytes its signatures have.
    pub(super) fn signature_len(&self) -> usize {
        self.private.signature_len()
    }

    /// The half that everybody may see.
    pub fn public_jwk(&self) -> &PublicJwk {
        &self.public
    }

    /// The signature over `message`, as a JWS has it (RFC 7518 §3.3 to 3.5).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        self.private.sign(message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("kid", &self.kid())
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// Both members are base64url or from a closed list, so that nothing needs an escape.
fn header(key: &PublicJwk) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"}}"#, key.algorithm(), key.kid()))
}

/// The first version of PKCS #8, which every tool reads.
fn new_pkcs8(algorithm: SigningAlgorithm) -> Result<Secret, Unspecified> {
    match algorithm {
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            Ok(Secret::new(pair.to_pkcs8v1()?.as_ref()))
        }
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)?;
            Ok(Secret::new(der.as_ref()))
        }
        SigningAlgorithm::EdDsa => Ok(Secret::new(Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref())),
    }
}

#[cfg(test)]
mod tests;
