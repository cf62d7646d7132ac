//! The signature algorithms that an access token may use (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864).
//!
//! Deliberately absent: `none` and every HMAC. A gateway shares no secret with an issuer, and a public key used as
//! an HMAC secret is the oldest forgery of all (RFC 8725 §2.1).

use std::fmt;
use std::str::FromStr;

/// An asymmetric signature algorithm that this gateway verifies.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// EdDSA on Ed25519, under its old name.
    EdDsa,
    /// EdDSA on Ed25519, under its fully specified name (RFC 9864).
    Ed25519,
}

impl Algorithm {
    /// Every algorithm, in the order in which messages list them.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Ed25519,
    ];

    /// The name in the `alg` header and in a JWK, compared with case (RFC 7515 §4.1.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// Whether both names stand for the same computation: `EdDSA` on our only Edwards curve is `Ed25519`.
    pub fn same_computation(self, other: Self) -> bool {
        let canonical = |algorithm| match algorithm {
            Self::Ed25519 => Self::EdDsa,
            named => named,
        };
        canonical(self) == canonical(other)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that is no algorithm of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an asymmetric signature algorithm that this gateway verifies")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

/// An algorithm that our own issuer signs with, one for each family that resource servers ask for.
///
/// Deliberately absent: the longer hashes and curves, which cost more and protect nothing better here.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: short, quick and known to everybody.
    #[default]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, which every resource server must know (RFC 9068 §2.1).
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// EdDSA on Ed25519, under the name that more libraries know.
    EdDsa,
}

impl SigningAlgorithm {
    /// Every algorithm, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Es256, Self::Rs256, Self::Ps256, Self::EdDsa];

    /// The same algorithm among those that are verified.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::Rs256 => Algorithm::Rs256,
            Self::Ps256 => Algorithm::Ps256,
            Self::EdDsa => Algorithm::EdDsa,
        }
    }

    /// The name in the `alg` header and in a JWK.
    pub fn as_str(self) -> &'static str {
        self.algorithm().as_str()
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An algorithm that is verified, but never signed with here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("tokens are signed with ES256, RS256, PS256 or EdDSA")]
pub struct NotForSigning;

impl TryFrom<Algorithm> for SigningAlgorithm {
    type Error = NotForSigning;

    fn try_from(algorithm: Algorithm) -> Result<Self, NotForSigning> {
        Self::ALL.into_iter().find(|signing| signing.algorithm() == algorithm).ok_or(NotForSigning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_of_them_sign() {
        let signing: Vec<_> =
            Algorithm::ALL.into_iter().filter_map(|one| SigningAlgorithm::try_from(one).ok()).collect();
        assert_eq!(signing.len(), SigningAlgorithm::ALL.len());
        assert_eq!(SigningAlgorithm::default(), SigningAlgorithm::Es256);
        assert_eq!(SigningAlgorithm::try_from(Algorithm::Es384), Err(NotForSigning));
    }

    #[test]
    fn every_name_reads_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn no_spelling_of_none_or_hmac_is_an_algorithm() {
        for name in ["none", "None", "noNE", "", "HS256", "HS384", "HS512", "rs256", " RS256", "ES512", "ES256K"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }
}
