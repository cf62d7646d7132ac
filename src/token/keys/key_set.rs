//! The keys of one issuer at one time, and how a token finds its own among them (RFC 7517 §4.5, §5).
//!
//! A set never changes: a rotation makes another one, with another [`KeySetId`]. One odd key never costs the set.
//! `kid` is text that is compared and nothing else (RFC 8725 §3.10). Deliberately absent: I/O, log lines, and any way
//! to add a key that did not come from the issuer's own documents.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::key::{KeyFault, SkippedKey, VerifyingKey};
use crate::fetch::BODY_BYTES;
use crate::oauth::Algorithm;

/// The longest document that is read, in bytes.
pub const DOCUMENT_BYTES: usize = BODY_BYTES;

/// How many keys of one document are read.
pub const DOCUMENT_KEYS: usize = 100;

/// Which key set: unique in the process, and never used again.
///
/// What was verified with a set is good only while that set's id is its issuer's current one, so that a rotation, a
/// changed algorithm list or a reload ends every verdict by one compare.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct KeySetId(u64);

impl KeySetId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The usable keys of one issuer; at least one.
#[derive(Clone, Debug)]
pub struct KeySet {
    id: KeySetId,
    /// Sorted, so that a provider which shuffles its document publishes the same set.
    keys: Vec<VerifyingKey>,
}

/// Why a set has no key for a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyMiss {
    /// No key has this `kid`; or the token has none, and not exactly one key fits its algorithm.
    Unknown,
    /// The `kid` is known, but its key is bound to another algorithm.
    Algorithm,
}

/// Why documents are no key set.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySet {
    /// A document longer than any key set needs to be.
    #[error("the key set is longer than {DOCUMENT_BYTES} bytes")]
    TooLong,
    /// Not `{"keys": [..]}`, or `keys` stands there twice.
    #[error("the document is not a JSON Web Key Set: `{{\"keys\": [..]}}`")]
    Json(#[source] serde_json::Error),
    /// No key is left; the first that was skipped says why.
    #[error("the key set has no usable key{}", because(.0.as_ref()))]
    NoUsableKey(Option<SkippedKey>),
}

impl KeySet {
    /// Reads key sets and puts their keys together, for an issuer whose tokens may use `algorithms`.
    ///
    /// Two different keys of one `kid` and one algorithm: the earlier counts and the later is skipped, so that the
    /// answer never depends on which of them happens to fit. Of one `kid` but for different algorithms, both count:
    /// the token's algorithm tells them apart. A key that is there twice is there once.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet`] if a document is none, or if no key is left.
    pub fn parse(documents: &[&[u8]], algorithms: &[Algorithm]) -> Result<(Self, Vec<SkippedKey>), InvalidKeySet> {
        match documents.iter().any(|document| document.len() > DOCUMENT_BYTES) {
            true => Err(InvalidKeySet::TooLong),
            false => Self::read(documents, algorithms, DOCUMENT_KEYS),
        }
    }

    /// Reads what our own issuer publishes, however much that is, and all of it: none of its tokens may stop verifying
    /// because of a bound that is meant for others.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet`] if a key could not be used.
    pub fn of_our_own(document: &[u8], algorithms: &[Algorithm]) -> Result<Self, InvalidKeySet> {
        let (keys, skipped) = Self::read(&[document], algorithms, usize::MAX)?;
        match skipped.into_iter().next() {
            None => Ok(keys),
            Some(skipped) => Err(InvalidKeySet::NoUsableKey(Some(skipped))),
        }
    }

    fn read(
        documents: &[&[u8]],
        algorithms: &[Algorithm],
        most: usize,
    ) -> Result<(Self, Vec<SkippedKey>), InvalidKeySet> {
        let mut keys: Vec<VerifyingKey> = Vec::new();
        let mut skipped = Vec::new();
        for document in documents {
            let document: Document<'_> = serde_json::from_slice(document).map_err(InvalidKeySet::Json)?;
            if document.keys.len() > most {
                skipped.push(SkippedKey::new(None, KeyFault::TooMany(most)));
            }
            for json in document.keys.iter().take(most) {
                match VerifyingKey::from_jwk(json.get(), algorithms) {
                    Ok(key) if keys.contains(&key) => {}
                    Ok(key) if keys.iter().any(|earlier| same_name_and_use(earlier, &key)) => {
                        skipped.push(SkippedKey::new(key.kid().map(str::to_owned), KeyFault::Repeated));
                    }
                    Ok(key) => keys.push(key),
                    Err(skip) => skipped.push(skip),
                }
            }
        }
        if keys.is_empty() {
            return Err(InvalidKeySet::NoUsableKey(skipped.into_iter().next()));
        }
        keys.sort();
        Ok((Self { id: KeySetId::next(), keys }, skipped))
    }

    /// Which set this is.
    pub fn id(&self) -> KeySetId {
        self.id
    }

    /// The key for a token: the one named `kid` byte for byte, or without a `kid` the only one that fits.
    ///
    /// # Errors
    ///
    /// [`KeyMiss`] if there is none.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, KeyMiss> {
        let fitting = |key: &&VerifyingKey| key.fits(algorithm);
        match kid {
            Some(_) => {
                let mut named = self.keys.iter().filter(|key| key.kid() == kid).peekable();
                if named.peek().is_none() {
                    return Err(KeyMiss::Unknown);
                }
                named.find(fitting).ok_or(KeyMiss::Algorithm)
            }
            None => {
                let mut fitting = self.keys.iter().filter(fitting);
                match (fitting.next(), fitting.next()) {
                    (Some(only), None) => Ok(only),
                    _ => Err(KeyMiss::Unknown),
                }
            }
        }
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Whether `other` holds the same keys under the same names, whatever its id.
    pub fn has_same_keys(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

/// A key set as it is written; what else an issuer puts there is let be.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// Whether a token could mean either key. Keys without a name are told apart in [`KeySet::find`].
fn same_name_and_use(one: &VerifyingKey, other: &VerifyingKey) -> bool {
    one.kid().is_some() && one.kid() == other.kid() && one.fits(other.algorithm())
}

fn because(skipped: Option<&SkippedKey>) -> String {
    skipped.map_or_else(String::new, |skipped| format!(": {skipped}"))
}

#[cfg(test)]
mod tests;
