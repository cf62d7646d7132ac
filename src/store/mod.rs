//! What must outlive the process, as verbs of the domain, each of which happens whole or not at all.
//!
//! A store knows no grant and no key: names, ends and sealed bytes. Nothing in it opens anything: tokens are kept as
//! digests, and what a token opens is sealed under a key that lies elsewhere. Every backend passes the same conformance
//! suite.

mod codes;
#[cfg(test)]
mod conformance;
mod consents;
mod embedded;
mod families;
mod memory;
mod new_file;
mod postgres;
pub mod sealing;

use std::fmt;

use async_trait::async_trait;

pub use codes::{Code, CodeStore, NewCode, TakingCode, TokenDigest};
pub use consents::{Consent, ConsentStore, ConsentedScopes};
pub use embedded::EmbeddedStore;
pub use families::{FAMILY_PAGE, Family, FamilyStore, GRACE_SECONDS, NewFamily, Refresh, Rotated, Rotation, Whose};
pub use memory::MemoryStore;
pub use postgres::PostgresStore;

use crate::clock::Timestamp;

/// The most revocations that one page of the feed has.
pub const FEED_PAGE: usize = 1000;

/// A store, whichever backend it has.
#[async_trait]
pub trait Store: CodeStore + FamilyStore + ConsentStore + fmt::Debug + Send + Sync {
    /// The keys of our issuer, sealed, and their version; nothing if there never were any.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    async fn key_ring(&self) -> Result<Option<SealedKeyRing>, StoreError>;

    /// Puts another ring in the place of the one with version `before` (of none, for nothing). False if another one is
    /// there meanwhile, and then nothing has changed: of several nodes exactly one rotates.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn replace_key_ring(&self, before: Option<u64>, sealed: &[u8]) -> Result<bool, StoreError>;

    /// Takes a token or a grant back. Once this returns, it survives the process.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError>;

    /// The revocations behind a place in their order, at most [`FEED_PAGE`] at once; 0 is before all of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    async fn revocations_after(&self, place: u64) -> Result<RevocationFeed, StoreError>;

    /// Marks a name as used until `until`. False if it was marked before: of several who ask at once, one gets true.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn mark_used(&self, name: &str, until: Timestamp) -> Result<bool, StoreError>;

    /// Forgets what ended before `now`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// The keys of our issuer, as bytes that only their own key opens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedKeyRing {
    /// One more at every change.
    pub version: u64,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// A token or a grant that was taken back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// A `jti`, or the root of one.
    pub name: String,
    /// When the last token that it ends would end.
    pub until: Timestamp,
}

/// Revocations, in the order in which they were made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RevocationFeed {
    /// The revocations.
    pub revocations: Vec<Revocation>,
    /// Where to ask on from; the place asked from if there are none.
    pub place: u64,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds it.
    #[error("another process uses the store")]
    InUse,
    /// What was to be new is there already; nothing has changed.
    #[error("what was to be new is in the store already")]
    NotNew,
    /// It cannot be read or written; nothing has changed.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}
