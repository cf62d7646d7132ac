//! One public key of a trusted issuer, bound to one algorithm when it is read (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
//!
//! A token's `alg` never chooses what a key is used for: the JWK's own `alg` does, else its curve, else the issuer's
//! list of algorithms (RFC 8725 §3.1). Whatever a JWK leaves unclear makes it a [`SkippedKey`], which costs that key
//! and no other. Deliberately absent: symmetric keys, `x5c`, `x5u`, P-521, Ed448.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::oauth::Algorithm;

/// The sizes of an RSA modulus that count as strong and still quick, in bits (RFC 7518 §3.3).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// How much of a `kid` is repeated in a message.
const SHOWN_KID: usize = 64;

/// One public key, which verifies signatures of one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    algorithm: Algorithm,
    /// Taken apart once: what AWS-LC makes of a key beforehand, it makes for every signature otherwise.
    key: Arc<ParsedPublicKey>,
}

impl VerifyingKey {
    /// Reads one JWK for an issuer whose tokens may use `algorithms`.
    ///
    /// # Errors
    ///
    /// [`SkippedKey`] says why this key cannot be used.
    pub(super) fn from_jwk(json: &str, algorithms: &[Algorithm]) -> Result<Self, SkippedKey> {
        let jwk: Jwk = serde_json::from_str(json).map_err(|_| SkippedKey::new(None, KeyFault::Malformed))?;
        match jwk.bind(algorithms) {
            Ok((algorithm, key)) => Ok(Self { kid: jwk.kid, algorithm, key: Arc::new(key) }),
            Err(why) => Err(SkippedKey::new(jwk.kid, why)),
        }
    }

    /// Whether `signature`, as a JWS has it (RFC 7518 §3), is this key's signature over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }

    /// The only algorithm that this key is used with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The issuer's name for this key.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether a token under `algorithm` may be verified with this key.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.same_computation(algorithm)
    }

    /// Everything that this key is, in an order that has no meaning but is always the same.
    fn parts(&self) -> (&Option<String>, Algorithm, &[u8]) {
        (&self.kid, self.algorithm, (*self.key).as_ref())
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for VerifyingKey {}

impl PartialOrd for VerifyingKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for VerifyingKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A key that is left out, while the rest of its set stays usable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SkippedKey {
    /// Its name, cut to a length that a log line bears; nothing where it has none, or none that could be read.
    pub kid: Option<String>,
    /// What is wrong with it.
    pub why: KeyFault,
}

impl SkippedKey {
    pub(super) fn new(kid: Option<String>, why: KeyFault) -> Self {
        Self { kid: kid.map(|kid| kid.chars().take(SHOWN_KID).collect()), why }
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            // Escaped, because the text comes from outside and ends up in a log line.
            Some(kid) => write!(formatter, "key `{}`: {}", kid.escape_debug(), self.why),
            None => write!(formatter, "a key without `kid`: {}", self.why),
        }
    }
}

/// Why a key is left out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyFault {
    /// Not an object of a JWK's shape, or a member that stands there twice.
    #[error("it is not a JWK, or a member has the wrong type or stands there twice")]
    Malformed,
    /// `use` is something else than `sig`.
    #[error("its `use` is not `sig`")]
    Use,
    /// `key_ops` is there without `verify`.
    #[error("its `key_ops` lack `verify`")]
    Operations,
    /// A private key, which whoever reads the set can sign with.
    #[error("its private part is published, so that anybody can sign with it")]
    Private,
    /// A `kty` or `crv` that no algorithm of ours uses; `oct` is one.
    #[error("its type or curve is not one that this gateway verifies with")]
    Type,
    /// An `alg` that no public key of ours is for, as `RSA-OAEP` or `HS256`.
    #[error("its `alg` is not an algorithm that this gateway verifies")]
    UnknownAlgorithm,
    /// An `alg` that belongs to another type or curve.
    #[error("its `alg` does not belong to its type and curve")]
    AlgorithmMismatch,
    /// An algorithm that the configuration does not allow to this issuer.
    #[error("its algorithm is not among the issuer's `algorithms`")]
    AlgorithmNotAllowed,
    /// An RSA key that does not say what it is for, and an issuer with several RSA algorithms.
    #[error("it has no `alg`, and the issuer's `algorithms` leave open which RSA algorithm it is for")]
    AlgorithmUnclear,
    /// A member that this type needs is missing, or is no base64url.
    #[error("a member that its type needs is missing or is not base64url")]
    Member,
    /// An RSA modulus that is weak, or so long that verifying takes long.
    #[error("its RSA modulus has {0} bits, not 2048 to 8192")]
    ModulusSize(usize),
    /// An RSA exponent that is even, one, or beyond 32 bits; or an even modulus.
    #[error("its RSA exponent or modulus is degenerate")]
    Degenerate,
    /// A point that has the wrong length, or lies off its curve.
    #[error("it is not a point of its curve")]
    Point,
    /// A second, different key of the same name for the same algorithm.
    #[error("an earlier key has the same `kid` and algorithm")]
    Repeated,
    /// The key stands behind as many keys as are read.
    #[error("it stands behind the first {0} keys; the rest is not read")]
    TooMany(usize),
}

/// The members of a JWK that count. Serde refuses one that stands there twice; every other member is let be.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
}

impl Jwk {
    /// The one algorithm that this key is for, and the key.
    fn bind(&self, algorithms: &[Algorithm]) -> Result<(Algorithm, ParsedPublicKey), KeyFault> {
        use Algorithm::{Ed25519, EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err(KeyFault::Use);
        }
        if self.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
            return Err(KeyFault::Operations);
        }
        let candidates: &[Algorithm] = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            ("EC", Some("P-256")) => &[Es256],
            ("EC", Some("P-384")) => &[Es384],
            ("OKP", Some("Ed25519")) => &[EdDsa, Ed25519],
            _ => return Err(KeyFault::Type),
        };
        if self.d.is_some() {
            return Err(KeyFault::Private);
        }
        let algorithm = self.algorithm(candidates, algorithms)?;
        let key = match algorithm {
            Rs256 => self.rsa(&signature::RSA_PKCS1_2048_8192_SHA256)?,
            Rs384 => self.rsa(&signature::RSA_PKCS1_2048_8192_SHA384)?,
            Rs512 => self.rsa(&signature::RSA_PKCS1_2048_8192_SHA512)?,
            Ps256 => self.rsa(&signature::RSA_PSS_2048_8192_SHA256)?,
            Ps384 => self.rsa(&signature::RSA_PSS_2048_8192_SHA384)?,
            Ps512 => self.rsa(&signature::RSA_PSS_2048_8192_SHA512)?,
            // An ordinate of P-256 is 32 bytes, which are 43 characters; one of P-384 is 48, which are 64.
            Es256 => self.point(43, &signature::ECDSA_P256_SHA256_FIXED)?,
            Es384 => self.point(64, &signature::ECDSA_P384_SHA384_FIXED)?,
            EdDsa | Ed25519 => self.edwards()?,
        };
        Ok((algorithm, key))
    }

    /// The key's own `alg`, if its type and the issuer allow that; else the only one that they leave.
    fn algorithm(&self, candidates: &[Algorithm], algorithms: &[Algorithm]) -> Result<Algorithm, KeyFault> {
        let allowed = |algorithm: Algorithm| algorithms.iter().any(|listed| listed.same_computation(algorithm));
        if let Some(name) = &self.alg {
            let named: Algorithm = name.parse().map_err(|_| KeyFault::UnknownAlgorithm)?;
            return match (candidates.contains(&named), allowed(named)) {
                (false, _) => Err(KeyFault::AlgorithmMismatch),
                (true, false) => Err(KeyFault::AlgorithmNotAllowed),
                (true, true) => Ok(named),
            };
        }
        let left: Vec<Algorithm> = candidates.iter().copied().filter(|candidate| allowed(*candidate)).collect();
        match left.as_slice() {
            [] => Err(KeyFault::AlgorithmNotAllowed),
            [first, rest @ ..] if rest.iter().all(|other| first.same_computation(*other)) => Ok(*first),
            // What RFC 7518 §3.1 recommends, and what every provider that leaves `alg` out signs with.
            several if several.contains(&Algorithm::Rs256) => Ok(Algorithm::Rs256),
            _ => Err(KeyFault::AlgorithmUnclear),
        }
    }

    fn rsa(&self, parameters: &'static RsaParameters) -> Result<ParsedPublicKey, KeyFault> {
        let (n, e) = (member(self.n.as_deref())?, member(self.e.as_deref())?);
        // Some write a sign byte in front; the number is the same (RFC 7518 §6.3.1.1 tells them not to).
        let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyFault::ModulusSize(bits));
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !is_odd(n) || !is_odd(e) || e == [1] || e.len() > 4 {
            return Err(KeyFault::Degenerate);
        }
        RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| KeyFault::Degenerate)
    }

    /// An uncompressed point; AWS-LC refuses one that lies off the curve.
    fn point(&self, characters: usize, curve: &'static dyn VerificationAlgorithm) -> Result<ParsedPublicKey, KeyFault> {
        /// What an uncompressed point begins with (SEC 1 §2.3.3).
        const UNCOMPRESSED: [u8; 1] = [4];
        let (Some(x), Some(y)) = (&self.x, &self.y) else { return Err(KeyFault::Member) };
        if x.len() != characters || y.len() != characters {
            return Err(KeyFault::Point);
        }
        let point = [&UNCOMPRESSED, &*member(Some(x))?, &*member(Some(y))?].concat();
        ParsedPublicKey::new(curve, point).map_err(|_| KeyFault::Point)
    }

    fn edwards(&self) -> Result<ParsedPublicKey, KeyFault> {
        let Some(x) = &self.x else { return Err(KeyFault::Member) };
        // 32 bytes: AWS-LC would take a longer text for a certificate's form of the key.
        if x.len() != 43 {
            return Err(KeyFault::Point);
        }
        ParsedPublicKey::new(&signature::ED25519, member(Some(x))?).map_err(|_| KeyFault::Point)
    }
}

/// The bytes of a member that must be there, in base64url.
fn member(text: Option<&str>) -> Result<Vec<u8>, KeyFault> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(KeyFault::Member)
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}
