//! Values that must not be seen: tokens, keys, passwords.
//!
//! Deliberately absent: `Display`, `Serialize`, and any way to print one by accident.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Bytes that no log, metric or error may show. Their memory is wiped when the last copy goes.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes.into())))
    }

    /// A token that nobody guesses: 256 random bits, in base64url (RFC 6749 §10.10).
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] if the system has none to give.
    pub fn random_token() -> Result<Self, NoRandomness> {
        let mut bits = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *bits).map_err(|_| NoRandomness)?;
        Ok(Self::new(URL_SAFE_NO_PAD.encode(bits.as_slice())))
    }

    /// The bytes, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `other` is equal, in a time that tells nothing about where they differ.
    pub fn matches(&self, other: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, other).is_ok()
    }
}

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the system has no randomness to give")]
pub struct NoRandomness;

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.expose())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_token_is_long_and_its_own() {
        let (one, other) = (Secret::random_token().unwrap(), Secret::random_token().unwrap());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one, other);
    }

    #[test]
    fn never_shows_itself() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(secret.matches(b"hunter2") && !secret.matches(b"hunter") && !secret.matches(b"hunter3"));
    }
}
