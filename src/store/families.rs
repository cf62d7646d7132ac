//! Refresh tokens in families, of which each has one token that is good at a time (RFC 9700 §4.14.2).
//!
//! A refresh token gives its successor and is spent. Shown again within [`GRACE_SECONDS`] it gives the same successor, as
//! an answer may have been lost on its way; shown later, or once its successor is spent too, somebody has it who should
//! not, and the whole family ends. What a family knows of its grant, a store cannot read.
//!
//! Deliberately absent: who may show a token. Whoever asks has looked first, and compares the client.

mod kept;

use std::time::Instant;

use async_trait::async_trait;

pub(super) use kept::{KeptFamily, Shown, SpentParent};

use super::{StoreError, TokenDigest};
use crate::clock::Timestamp;

/// How long a spent token gives its successor again.
pub const GRACE_SECONDS: u64 = 10;
/// The most families that one page of a list has.
pub const FAMILY_PAGE: usize = 100;

/// Refresh families.
#[async_trait]
pub trait FamilyStore: Send + Sync {
    /// What a refresh token is worth at `now`; it is worth the same afterwards.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    async fn look_up_refresh(&self, digest: &TokenDigest, now: Timestamp) -> Result<Refresh, StoreError>;

    /// Puts a successor in the place of a refresh token. A token that was spent beyond the grace ends its family instead,
    /// whose root is in the feed of revocations from then on: both at once.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotNew`] if the successor's digest is known, [`StoreError`] if the store cannot be written.
    async fn rotate_refresh(&self, rotation: &Rotation) -> Result<Rotated, StoreError>;

    /// Ends a family: its tokens are unknown, and its root is in the feed of revocations. False if there is none, and then
    /// nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn revoke_family(&self, root: &str) -> Result<bool, StoreError>;

    /// The families of a client or a user of which anything lives at `now`, a refresh token or an access token, ordered by their roots, from behind the root
    /// `after`; at most [`FAMILY_PAGE`] at once, and fewer only if there are no more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    async fn families(&self, of: Whose<'_>, after: Option<&str>, now: Timestamp) -> Result<Vec<Family>, StoreError>;
}

/// Whose families are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose<'a> {
    /// A client's.
    Client(&'a str),
    /// A user's.
    Subject(&'a str),
}

/// A family that is about to begin; its root is that of the code which gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewFamily {
    /// Whose it is.
    pub client: String,
    /// For whom.
    pub subject: String,
    /// What was granted, sealed.
    pub record: Vec<u8>,
    /// Of its first refresh token.
    pub leaf: TokenDigest,
    /// Until when that is good, if nobody uses it.
    pub until: Timestamp,
    /// When the access token that comes with it ends.
    pub tokens_until: Timestamp,
    /// When the family ends, however often it is used.
    pub end: Timestamp,
}

/// A family as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Family {
    /// The root of everything that it gives.
    pub root: String,
    /// Whose it is.
    pub client: String,
    /// For whom.
    pub subject: String,
    /// What was granted, sealed.
    pub record: Vec<u8>,
    /// Until when its leaf is good, if nobody uses that; never behind `end`.
    pub until: Timestamp,
    /// When the last access token that it gave ends. One that comes with a successor in grace ends no later.
    pub tokens_until: Timestamp,
    /// When it ends, however often it is used.
    pub end: Timestamp,
}

/// What a refresh token is worth.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refresh {
    /// It is the one that is good.
    Leaf(Family),
    /// It was spent just now, and its successor was not.
    Grace {
        /// Its family.
        family: Family,
        /// Its successor, sealed under a key that comes from the spent token.
        successor: Vec<u8>,
    },
    /// It was spent before that: whoever shows it may not have it. The family stands until it is revoked.
    Reused(Family),
    /// There is none, or none any more.
    Unknown,
}

/// The rotation of a refresh token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// Of the token that is shown.
    pub shown: TokenDigest,
    /// Of its successor.
    pub leaf: TokenDigest,
    /// The successor, sealed under a key that comes from the token that is shown.
    pub successor: Vec<u8>,
    /// Until when the successor is good, if nobody uses it; the family's end at the latest.
    pub until: Timestamp,
    /// When the access token that comes with it ends.
    pub tokens_until: Timestamp,
    /// When it is asked for, by which it is judged what the token is worth.
    pub now: Timestamp,
    /// The same moment by a clock that nobody sets: what passes from there to the backend's turn is waiting, and the grace
    /// begins after it. A client whose answer is lost to a slow store must find the grace before it.
    pub asked: Instant,
}

/// What became of a rotation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rotated {
    /// The successor is the one that is good.
    Rotated,
    /// It was spent just now: this is its successor, sealed under a key that comes from it. Nothing has changed.
    Grace {
        /// Its family.
        family: Family,
        /// Its successor.
        successor: Vec<u8>,
    },
    /// It was spent before that, so its family, which was this one, has ended.
    Reused(Family),
    /// There is none, or none any more.
    Gone,
}
