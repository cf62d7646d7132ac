//! Values that must not be seen: tokens, keys, passwords.
//!
//! Every buffer of theirs is wiped at its end, with all of its room, in one go: the wiping of the `zeroize` crate goes byte by
//! byte, which for a token costs more than to read it. Deliberately absent: `Display`, `Serialize`, and any way to print one
//! by accident.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroizing, optimization_barrier};

/// Bytes that no log, metric or error may show. Their memory is wiped when the last copy goes.
#[derive(Clone)]
pub struct Secret(Arc<WipedBytes>);

/// Secret bytes that are still being put together. What a `Vec` leaves behind where it grows is nobody's to wipe: make it with
/// the room that it needs.
#[derive(Default)]
pub struct WipedBytes(Vec<u8>);

/// Secret text, as [`WipedBytes`].
#[derive(Default)]
pub struct WipedText(String);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(WipedBytes(bytes.into())))
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

impl From<WipedBytes> for Secret {
    fn from(bytes: WipedBytes) -> Self {
        Self(Arc::new(bytes))
    }
}

impl WipedBytes {
    /// Nothing yet, with room for so many bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }
}

impl WipedText {
    /// Nothing yet, with room for so many bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(String::with_capacity(capacity))
    }
}

impl From<Vec<u8>> for WipedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for WipedText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Writes zeros over all that a buffer has room for: something longer may have stood there.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    // As long as its room, so that it stays where it is.
    bytes.resize(bytes.capacity(), 0);
    // Or the compiler would see that nobody reads them.
    optimization_barrier(bytes.as_slice());
}

impl Drop for WipedBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl Drop for WipedText {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}

impl Deref for WipedBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for WipedBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Deref for WipedText {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl DerefMut for WipedText {
    fn deref_mut(&mut self) -> &mut String {
        &mut self.0
    }
}

impl fmt::Debug for WipedBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WipedBytes(…)")
    }
}

impl fmt::Debug for WipedText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WipedText(…)")
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
    fn nothing_is_left_of_what_stood_in_a_buffer() {
        let mut bytes = b"hunter2 hunter2".to_vec();
        bytes.truncate(3);
        let room = bytes.capacity();
        wipe(&mut bytes);
        assert_eq!((bytes.len(), bytes.capacity()), (room, room));
        assert!(bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn never_shows_itself() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(secret.matches(b"hunter2") && !secret.matches(b"hunter") && !secret.matches(b"hunter3"));
    }
}
