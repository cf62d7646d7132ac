//! What is given out once and taken once: authorization codes, pushed requests and logins under way (RFC 6749
//! §4.1.2, RFC 9126).
//!
//! Looking takes nothing, so that a refused request burns nothing. Taking names what was looked at, and of many who take
//! one gets it. A code that was taken is remembered with its record, so that a second use can be judged like the first, and
//! with its root, by which that can end what the first one gave.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};

use super::{NewFamily, StoreError};
use crate::clock::Timestamp;

/// Codes, and other things that are good once.
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// Keeps a code.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotNew`] if there is a code with that digest, [`StoreError`] if the store cannot be written.
    async fn save_code(&self, code: &NewCode) -> Result<(), StoreError>;

    /// What a code is worth at `now`; it is worth the same afterwards.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    async fn peek_code(&self, digest: &TokenDigest, now: Timestamp) -> Result<Code, StoreError>;

    /// Takes a code, and begins the family that it gives with it: both or none. [`Code::Fresh`] says that it was taken,
    /// which of all who ask one is told; [`Code::Unknown`] also that its record is not the one that was looked at.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotNew`] if there is a family with that root, or a refresh token with that digest; [`StoreError`] if
    /// the store cannot be written. The code is not taken then.
    async fn take_code(&self, taking: &TakingCode) -> Result<Code, StoreError>;

    /// Keeps something under a name until `until`. False if something is there, and then that stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn put_once(&self, name: &str, sealed: &[u8], until: Timestamp) -> Result<bool, StoreError>;

    /// What is kept under a name and has not ended at `now`; it stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    async fn peek_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError>;

    /// Takes what is kept under a name and has not ended at `now`: of all who ask, one gets it. What has ended is nobody's, and
    /// makes way.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn take_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError>;
}

/// The SHA-256 of a code or a refresh token. Those are 256 random bits, so that nothing slower is needed: nobody guesses
/// them, with the store in hand or without.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TokenDigest([u8; 32]);

/// A code that is about to be given out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewCode {
    /// Of the code.
    pub digest: TokenDigest,
    /// The root of whatever it will give.
    pub root: String,
    /// What was granted, sealed.
    pub record: Vec<u8>,
    /// Until when it can be taken.
    pub until: Timestamp,
}

/// The taking of a code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakingCode {
    /// Of the code.
    pub digest: TokenDigest,
    /// The record that was looked at, and by which it was decided to take it.
    pub record: Vec<u8>,
    /// The family that it gives.
    pub family: NewFamily,
    /// When it is taken.
    pub now: Timestamp,
}

/// What a code is worth.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Code {
    /// It was not taken yet.
    Fresh {
        /// What was granted, sealed.
        record: Vec<u8>,
        /// The root of whatever it gives.
        root: String,
    },
    /// It was taken before.
    Spent {
        /// What was granted, sealed.
        record: Vec<u8>,
        /// The root of what it gave.
        root: String,
        /// When the last access token that it gave by itself ends; those of its family end when the family says.
        tokens_until: Timestamp,
    },
    /// There is none, or none any more.
    Unknown,
}

impl TokenDigest {
    /// The digest of a code or a refresh token.
    pub fn of(token: &[u8]) -> Self {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, token).as_ref());
        Self(sum)
    }

    /// A digest as it was kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest as it is kept.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// It opens nothing, and still names a token to whoever has that.
impl fmt::Debug for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenDigest(…)")
    }
}

impl TakingCode {
    /// Until when a second use must be known: as long as anything may be left of what the first one gave.
    pub(super) fn remembered_until(&self) -> Timestamp {
        self.family.end.max(self.family.tokens_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_one_token_and_shows_nothing() {
        let digest = TokenDigest::of(b"abc");
        assert_eq!(digest.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf], "FIPS 180-4, example `abc`");
        assert_eq!(TokenDigest::from_bytes(*digest.as_bytes()), digest);
        assert_ne!(TokenDigest::of(b"abd"), digest);
        assert_eq!(format!("{digest:?}"), "TokenDigest(…)");
    }
}
