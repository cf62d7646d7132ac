//! Codes and what else is taken once, in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use async_trait::async_trait;

use super::MemoryStore;
use crate::clock::Timestamp;
use crate::store::{Code, CodeStore, NewCode, StoreError, TakingCode, TokenDigest};

#[derive(Debug, Default)]
pub(super) struct Codes {
    codes: HashMap<TokenDigest, KeptCode>,
    once: HashMap<String, (Vec<u8>, Timestamp)>,
}

#[derive(Debug)]
struct KeptCode {
    root: String,
    record: Vec<u8>,
    /// When the access token that it gave ends; nothing until it is taken.
    spent: Option<Timestamp>,
    until: Timestamp,
}

impl Codes {
    fn worth(&self, digest: &TokenDigest, now: Timestamp) -> Code {
        let Some(kept) = self.codes.get(digest).filter(|kept| kept.until >= now) else { return Code::Unknown };
        let (record, root) = (kept.record.clone(), kept.root.clone());
        match kept.spent {
            None => Code::Fresh { record, root },
            Some(tokens_until) => Code::Spent { record, root, tokens_until },
        }
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.codes.retain(|_, kept| kept.until >= now);
        self.once.retain(|_, (_, until)| *until >= now);
    }
}

#[async_trait]
impl CodeStore for MemoryStore {
    async fn save_code(&self, code: &NewCode) -> Result<(), StoreError> {
        let NewCode { digest, root, record, until } = code.clone();
        match self.kept().codes.codes.entry(digest) {
            Entry::Occupied(_) => Err(StoreError::NotNew),
            Entry::Vacant(vacant) => {
                vacant.insert(KeptCode { root, record, spent: None, until });
                Ok(())
            }
        }
    }

    async fn peek_code(&self, digest: &TokenDigest, now: Timestamp) -> Result<Code, StoreError> {
        Ok(self.kept().codes.worth(digest, now))
    }

    async fn take_code(&self, taking: &TakingCode) -> Result<Code, StoreError> {
        let mut kept = self.kept();
        let worth = kept.codes.worth(&taking.digest, taking.now);
        let Code::Fresh { record, root } = &worth else { return Ok(worth) };
        if *record != taking.record {
            return Ok(Code::Unknown);
        }
        kept.families.begin(root, &taking.family)?;
        let spent = KeptCode {
            root: root.clone(),
            record: record.clone(),
            spent: Some(taking.family.tokens_until),
            until: taking.remembered_until(),
        };
        kept.codes.codes.insert(taking.digest, spent);
        Ok(worth)
    }

    async fn put_once(&self, name: &str, sealed: &[u8], until: Timestamp) -> Result<bool, StoreError> {
        match self.kept().codes.once.entry(name.to_owned()) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(vacant) => {
                vacant.insert((sealed.to_vec(), until));
                Ok(true)
            }
        }
    }

    async fn peek_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = self.kept();
        Ok(kept.codes.once.get(name).filter(|(_, until)| *until >= now).map(|(sealed, _)| sealed.clone()))
    }

    async fn take_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let taken = self.kept().codes.once.remove(name);
        Ok(taken.filter(|(_, until)| *until >= now).map(|(sealed, _)| sealed))
    }
}
