//! Reading a private key, and saying why it cannot sign under its algorithm (RFC 7518 §3.3 to 3.5, RFC 8037 §3.1).
//!
//! PEM holds PKCS #8, SEC1 (RFC 5915) or PKCS #1 (RFC 8017). Deliberately absent: passwords, and a guess which algorithm a
//! key might be meant for.

use std::fmt;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING};
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaSignatureEncoding};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::oauth::SigningAlgorithm;
use crate::token::keys::KeyFault;

/// A private key that was read, with how it signs.
pub(super) enum PrivateKey {
    /// On P-256; signatures have the form of RFC 7518 §3.4, two numbers of 32 bytes.
    P256(EcdsaKeyPair),
    /// With the padding of one algorithm.
    Rsa(RsaKeyPair, &'static RsaSignatureEncoding),
    /// On Ed25519.
    Ed25519(Ed25519KeyPair),
}

/// What kind a private key is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// An elliptic curve of ES256.
    P256,
    /// Another curve of NIST's.
    OtherCurve,
    /// Ed25519.
    Ed25519,
}

/// Why a private key cannot sign.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SigningKeyFault {
    /// There is no section of a private key.
    #[error("it holds no private key: a PEM file has `-----BEGIN PRIVATE KEY-----` in it")]
    NotPem,
    /// There is more than one, and nothing says which.
    #[error("it holds more than one private key")]
    Several,
    /// A password protects it.
    #[error("its private key is encrypted; write it without a password, and let the file's mode protect it")]
    Encrypted,
    /// It is for another algorithm.
    #[error("{algorithm} signs with {}, and this is {found}", needed(*algorithm))]
    WrongKind {
        /// What it was read for.
        algorithm: SigningAlgorithm,
        /// What it is.
        found: KeyKind,
    },
    /// Too short to be safe (RFC 7518 §3.3).
    #[error("its RSA modulus has less than 2048 bits")]
    TooSmall,
    /// Too long to be quick.
    #[error("its RSA modulus has more than 8192 bits")]
    TooLarge,
    /// Damaged, inconsistent, or of a kind that nothing here knows.
    #[error("its private key is damaged or of an unknown kind; make one of P-256, RSA or Ed25519")]
    Malformed,
    /// Its public half is one that our own gate would leave out.
    #[error("no gateway would verify with it: {0}")]
    Unverifiable(KeyFault),
    /// The system gave no randomness, or the library failed.
    #[error("no private key can be made")]
    Generation,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rsa => "an RSA key",
            Self::P256 => "an EC key on P-256",
            Self::OtherCurve => "an EC key on another curve than P-256",
            Self::Ed25519 => "an Ed25519 key",
        })
    }
}

fn needed(algorithm: SigningAlgorithm) -> KeyKind {
    match algorithm {
        SigningAlgorithm::Es256 => KeyKind::P256,
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => KeyKind::Rsa,
        SigningAlgorithm::EdDsa => KeyKind::Ed25519,
    }
}

impl PrivateKey {
    pub(super) fn from_pem(pem: &[u8], algorithm: SigningAlgorithm) -> Result<Self, SigningKeyFault> {
        if is_encrypted(pem) {
            return Err(SigningKeyFault::Encrypted);
        }
        let mut sections = PrivateKeyDer::pem_slice_iter(pem);
        let der = sections.next().ok_or(SigningKeyFault::NotPem)?.map_err(|_| SigningKeyFault::NotPem)?;
        if sections.next().is_some() {
            return Err(SigningKeyFault::Several);
        }
        let found = match &der {
            PrivateKeyDer::Pkcs8(pkcs8) => Found::in_pkcs8(pkcs8.secret_pkcs8_der())?,
            PrivateKeyDer::Sec1(sec1) => Found::on_a_curve(sec1.secret_sec1_der()).ok_or(SigningKeyFault::Malformed)?,
            PrivateKeyDer::Pkcs1(pkcs1) => Found::Rsa(RsaKeyPair::from_der(pkcs1.secret_pkcs1_der()).map_err(size)?),
            _ => return Err(SigningKeyFault::Malformed),
        };
        found.bind(algorithm)
    }

    pub(super) fn from_pkcs8(der: &[u8], algorithm: SigningAlgorithm) -> Result<Self, SigningKeyFault> {
        Found::in_pkcs8(der)?.bind(algorithm)
    }

    /// How many bytes a signature has.
    pub(super) fn signature_len(&self) -> usize {
        match self {
            Self::P256(_) | Self::Ed25519(_) => 64,
            Self::Rsa(pair, _) => pair.public_modulus_len(),
        }
    }

    /// The signature over `message`, as a JWS has it (RFC 7518 §3.3 to 3.5).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::P256(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Self::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
        }
    }
}

/// A private key before it is bound to an algorithm.
enum Found {
    P256(EcdsaKeyPair),
    OtherCurve,
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Found {
    fn in_pkcs8(der: &[u8]) -> Result<Self, SigningKeyFault> {
        if let Some(found) = Self::on_a_curve(der) {
            return Ok(found);
        }
        match Ed25519KeyPair::from_pkcs8(der) {
            Ok(pair) => Ok(Self::Ed25519(pair)),
            Err(_) => Ok(Self::Rsa(RsaKeyPair::from_pkcs8(der).map_err(size)?)),
        }
    }

    /// An EC key in either form of DER.
    fn on_a_curve(der: &[u8]) -> Option<Self> {
        const OTHERS: [&EcdsaSigningAlgorithm; 2] =
            [&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P521_SHA512_FIXED_SIGNING];
        match EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            Ok(pair) => Some(Self::P256(pair)),
            Err(_) => {
                let is_on =
                    |curve: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::from_private_key_der(curve, der).is_ok();
                OTHERS.into_iter().any(is_on).then_some(Self::OtherCurve)
            }
        }
    }

    fn kind(&self) -> KeyKind {
        match self {
            Self::P256(_) => KeyKind::P256,
            Self::OtherCurve => KeyKind::OtherCurve,
            Self::Rsa(_) => KeyKind::Rsa,
            Self::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    fn bind(self, algorithm: SigningAlgorithm) -> Result<PrivateKey, SigningKeyFault> {
        match (algorithm, self) {
            (SigningAlgorithm::Es256, Self::P256(pair)) => Ok(PrivateKey::P256(pair)),
            (SigningAlgorithm::Rs256, Self::Rsa(pair)) => Ok(PrivateKey::Rsa(pair, &RSA_PKCS1_SHA256)),
            (SigningAlgorithm::Ps256, Self::Rsa(pair)) => Ok(PrivateKey::Rsa(pair, &RSA_PSS_SHA256)),
            (SigningAlgorithm::EdDsa, Self::Ed25519(pair)) => Ok(PrivateKey::Ed25519(pair)),
            (algorithm, found) => Err(SigningKeyFault::WrongKind { algorithm, found: found.kind() }),
        }
    }
}

/// The library tells sizes by name only.
fn size(rejected: aws_lc_rs::error::KeyRejected) -> SigningKeyFault {
    match rejected.to_string().as_str() {
        "TooSmall" => SigningKeyFault::TooSmall,
        "TooLarge" => SigningKeyFault::TooLarge,
        _ => SigningKeyFault::Malformed,
    }
}

/// PKCS #8 says it in the section's name, the older forms in a header line (RFC 1421 §4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    let lines = || pem.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines().any(|line| line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"))
        || lines().any(|line| line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED"))
}
