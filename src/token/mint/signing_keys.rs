//! All keys of our issuer at one time: the one that signs now for each algorithm, and all that are published (RFC 7517 §5).
//!
//! A value that never changes: a rotation makes another one. The next key and the old ones come as their public halves, so
//! that no token can be signed with them.

use super::{JwkSet, PublicJwk, SigningKey};
use crate::oauth::SigningAlgorithm;

/// The keys that sign and the keys that are published.
#[derive(Clone, Debug)]
pub struct SigningKeys {
    /// The issuer's own choice first; one for each algorithm at most.
    signing: Vec<SigningKey>,
    default_algorithm: SigningAlgorithm,
    /// Each once, those that sign first.
    published: Vec<PublicJwk>,
    jwk_set: JwkSet,
}

/// Why keys do not go together.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SigningKeysFault {
    /// Nothing says which of two keys signs.
    #[error("two keys would sign with {0}")]
    TwoKeys(SigningAlgorithm),
    /// One key proves one algorithm (RFC 8725 §3.1).
    #[error("one key would stand for {0} and {1}; make another one")]
    TwoAlgorithms(SigningAlgorithm, SigningAlgorithm),
    /// No token could be verified.
    #[error("the gate could not verify with what is published")]
    Unverifiable,
}

impl SigningKeys {
    /// Puts keys together: `default` signs where a resource asks for no algorithm of its own, `others` where one asks
    /// for theirs, and `published` are keys that do not sign: the next ones, and the old ones until their last token has
    /// ended. A key that is there twice is published once.
    ///
    /// # Errors
    ///
    /// [`SigningKeysFault`] if a look-up could find two keys.
    pub fn new(
        default: SigningKey,
        others: Vec<SigningKey>,
        published: Vec<PublicJwk>,
    ) -> Result<Self, SigningKeysFault> {
        let default_algorithm = default.algorithm();
        let mut signing: Vec<SigningKey> = Vec::with_capacity(1 + others.len());
        for key in std::iter::once(default).chain(others) {
            if signing.iter().any(|earlier| earlier.algorithm() == key.algorithm()) {
                return Err(SigningKeysFault::TwoKeys(key.algorithm()));
            }
            signing.push(key);
        }
        let mut all: Vec<&PublicJwk> = Vec::new();
        for key in signing.iter().map(SigningKey::public_jwk).chain(&published) {
            match all.iter().find(|earlier| earlier.kid() == key.kid()) {
                None => all.push(key),
                Some(earlier) if earlier.algorithm() == key.algorithm() => {}
                Some(earlier) => return Err(SigningKeysFault::TwoAlgorithms(earlier.algorithm(), key.algorithm())),
            }
        }
        let jwk_set = JwkSet::new(all.iter().copied());
        let published = all.into_iter().cloned().collect();
        Ok(Self { signing, default_algorithm, published, jwk_set })
    }

    /// The algorithm of tokens for resources that ask for none.
    pub fn default_algorithm(&self) -> SigningAlgorithm {
        self.default_algorithm
    }

    /// The key that signs with `algorithm` now.
    pub fn key(&self, algorithm: SigningAlgorithm) -> Option<&SigningKey> {
        self.signing.iter().find(|key| key.algorithm() == algorithm)
    }

    /// Every key that is published.
    pub fn published(&self) -> &[PublicJwk] {
        &self.published
    }

    /// Whether the same keys sign, and the same are published.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let signing = |keys: &Self| keys.signing.iter().map(|key| key.kid().to_owned()).collect::<Vec<_>>();
        self.published == other.published && signing(self) == signing(other)
    }

    /// What `/jwks` answers.
    pub fn jwk_set(&self) -> &JwkSet {
        &self.jwk_set
    }
}
