//! Tokens that were proven once need not be proven again.
//!
//! One cache for the process, bounded by bytes. Its keys are keyed digests of the whole token, so that nobody can make
//! two tokens meet on purpose; its values hold what the signature proved, and nothing about any request. An entry
//! counts only while the key set that proved it is its issuer's current one: rotation, a changed issuer and a reload
//! need no flush. Failures are not kept, or a flood of bad tokens would push the good ones out.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::GenuineToken;

/// Verified tokens by digest.
pub struct TokenCache {
    key: LessSafeKey,
    tokens: Cache<TokenDigest, Arc<GenuineToken>, ByWeight, ByItself>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A keyed digest of a whole token: GHASH under a secret of this process (SP 800-38D §6.4), behind one AES block.
///
/// For two different texts, whoever lacks the key makes them meet with a chance of their length in 16-byte blocks to
/// 2^128, whatever he tries: a universal hash promises that as long as no digest is seen, and none ever leaves the cache.
/// It is the fastest such digest that the cryptographic library has; HMAC-SHA256 takes four times as long.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct TokenDigest([u8; 16]);

#[derive(Clone)]
struct ByWeight;

impl Weighter<TokenDigest, Arc<GenuineToken>> for ByWeight {
    fn weight(&self, _: &TokenDigest, token: &Arc<GenuineToken>) -> u64 {
        /// What the cache keeps for an entry of its own, at most: a place in a list, which has doubled just now, and one in a
        /// table; and half a place for one that was there before.
        const PLACE: usize = 160;
        let bytes = size_of::<GenuineToken>() + token.heap_bytes();
        // Allocators round up, by an eighth at most and to some bytes at least.
        (bytes + bytes / 8 + PLACE) as u64
    }
}

/// Takes eight bytes of a digest for its hash: they are as good as random for everybody who lacks the key.
#[derive(Clone, Copy, Debug, Default)]
struct ByItself(u64);

impl BuildHasher for ByItself {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for ByItself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Digests write whole numbers; what else came would still count.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first @ .., _, _, _, _, _, _, _, _] = self.0;
        state.write_u64(u64::from_ne_bytes(first));
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
        const TYPICAL_ENTRY: usize = 1024;
        let mut secret = [0; 16];
        rand::fill(&mut secret)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &secret)?);
        let typical = bytes / TYPICAL_ENTRY;
        let tokens = Cache::with(typical, bytes as u64, ByWeight, ByItself::default(), DefaultLifecycle::default());
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
