//! A store that ends with the process: for one node whose signing keys come from files, and for tests.
//!
//! Deliberately absent: any promise beyond the process. What was revoked is forgotten at a restart.

mod codes;
mod consents;
mod families;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{FEED_PAGE, Revocation, RevocationFeed, SealedKeyRing, Store, StoreError};
use crate::clock::Timestamp;

/// State in memory; whoever shares it shares the state.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    key_ring: Option<SealedKeyRing>,
    /// By their places, which are never used twice.
    revocations: BTreeMap<u64, Revocation>,
    last_place: u64,
    used: HashMap<String, Timestamp>,
    codes: codes::Codes,
    families: families::Families,
    consents: consents::Consents,
}

impl Kept {
    fn revoke(&mut self, revocation: Revocation) {
        self.last_place += 1;
        self.revocations.insert(self.last_place, revocation);
    }
}

impl MemoryStore {
    /// Every verb takes the lock once, so it happens whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn key_ring(&self) -> Result<Option<SealedKeyRing>, StoreError> {
        Ok(self.kept().key_ring.clone())
    }

    async fn replace_key_ring(&self, before: Option<u64>, sealed: &[u8]) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        if kept.key_ring.as_ref().map(|ring| ring.version) != before {
            return Ok(false);
        }
        let version = before.map_or(1, |before| before + 1);
        kept.key_ring = Some(SealedKeyRing { version, sealed: sealed.to_vec() });
        Ok(true)
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.kept().revoke(revocation.clone());
        Ok(())
    }

    async fn revocations_after(&self, place: u64) -> Result<RevocationFeed, StoreError> {
        let kept = self.kept();
        let Some(first) = place.checked_add(1) else {
            return Ok(RevocationFeed { revocations: Vec::new(), place });
        };
        let mut feed = RevocationFeed { revocations: Vec::new(), place };
        for (at, revocation) in kept.revocations.range(first..).take(FEED_PAGE) {
            feed.revocations.push(revocation.clone());
            feed.place = *at;
        }
        Ok(feed)
    }

    async fn mark_used(&self, name: &str, until: Timestamp) -> Result<bool, StoreError> {
        match self.kept().used.entry(name.to_owned()) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(vacant) => {
                vacant.insert(until);
                Ok(true)
            }
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.revocations.retain(|_, revocation| revocation.until >= now);
        kept.used.retain(|_, until| *until >= now);
        kept.codes.sweep(now);
        kept.families.sweep(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::{Bench, conforms};

    struct Memory(Arc<MemoryStore>);

    impl Bench for Memory {
        fn fresh(_: &str) -> Self {
            Self(Arc::default())
        }

        fn open(&self) -> Arc<dyn Store> {
            Arc::clone(&self.0) as Arc<dyn Store>
        }
    }

    conforms!(Memory);
}
