//! Tokens that were proven once need not be proven again.
//!
//! One cache for the process, bounded by bytes. Its keys are keyed digests of the whole token, so that nobody can make
//! two tokens meet on purpose; its values hold what the signature proved, and nothing about any request. An entry
//! counts only while the key set that proved it is its issuer's current one: rotation, a changed issuer and a reload
//! need no flush. Failures are not kept, or a flood of bad tokens would push the good ones out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::GenuineToken;

/// Verified tokens by digest.
pub struct TokenCache {
    key: LessSafeKey,
    tokens: Cache<TokenDigest, Arc<GenuineToken>, ByWeight>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A keyed digest of a whole token: GHASH under a secret of this process (SP 800-38D §6.4), behind one AES block.
///
/// For two different texts, whoever lacks the key makes them meet with a chance of their length in 16-byte blocks to
/// 2^128, whatever he tries: a universal hash promises that as long as no digest is seen, and none ever leaves the cache.
/// It is the fastest such digest that the cryptographic library has; HMAC-SHA256 takes four times as long.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TokenDigest([u8; 16]);

#[derive(Clone)]
struct ByWeight;

impl Weighter<TokenDigest, Arc<GenuineToken>> for ByWeight {
    fn weight(&self, _: &TokenDigest, token: &Arc<GenuineToken>) -> u64 {
        (token.weight + size_of::<TokenDigest>()) as u64
    }
}

impl TokenCache {
    /// An empty cache of about `bytes` at most, with a key of its own.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn new(bytes: usize) -> Result<Self, Unspecified> {
        /// About what a token with its claims takes.
        const TYPICAL_ENTRY: usize = 2048;
        let mut secret = [0; 16];
        rand::fill(&mut secret)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &secret)?);
        let tokens = Cache::with_weighter(bytes / TYPICAL_ENTRY, bytes as u64, ByWeight);
        Ok(Self { key, tokens, hits: AtomicU64::new(0), misses: AtomicU64::new(0) })
    }

    /// The digest under which a token is kept.
    pub fn digest(&self, compact: &str) -> TokenDigest {
        // The nonce stays the same: equal texts must meet, and nobody sees a tag from which he could learn the key.
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(compact), &mut []);
        let mut digest = [0; 16];
        digest.copy_from_slice(tag.expect("nothing is never too long to be sealed").as_ref());
        TokenDigest(digest)
    }

    /// A token that was proven before, and what `current` finds out about it: nothing if its key set counts no more.
    pub fn get<T>(
        &self,
        digest: &TokenDigest,
        current: impl FnOnce(&GenuineToken) -> Option<T>,
    ) -> Option<(Arc<GenuineToken>, T)> {
        let found = self.tokens.get(digest).and_then(|token| current(&token).map(|known| (token, known)));
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a token that was just proven.
    pub fn insert(&self, digest: TokenDigest, token: Arc<GenuineToken>) {
        self.tokens.insert(digest, token);
    }

    /// Holds about so many bytes at most from now on.
    pub fn resize(&self, bytes: usize) {
        self.tokens.set_capacity(bytes as u64);
    }

    /// How often a proven token was found.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// How often a token had to be proven.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenCache").field("len", &self.tokens.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenDigest(…)")
    }
}
