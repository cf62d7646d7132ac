//! What everything in the store is sealed under: the operator's own text, or a key in a file beside the store.
//!
//! What is sealed already opens under no other key, so a store is asked before a key is made or taken: signing keys that are in
//! it must open, and so must a proof that the first key leaves there for good. A key that does not fit changes nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::vault::{KeysError, SEALED};
use crate::clock::Timestamp;
use crate::config::StoreLocation;
use crate::secret::Secret;
use crate::store::sealing::{RootKey, RootKeyFault};
use crate::store::{Store, StoreError};

/// The name of the proof in the store; part of its seal.
const PROOF: &str = "proof of the root key";
/// No sweep comes that late.
const FOR_GOOD: Timestamp = Timestamp(u64::MAX);

/// The key, and where it comes from.
#[derive(Debug)]
pub struct Root {
    /// The key.
    pub key: RootKey,
    /// As people are told of it.
    pub place: String,
}

impl Root {
    /// The key for `store`, which is at `location`: `encryption`, or a key in a file beside it. That file is made where
    /// nothing is sealed yet, and never afterwards.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is none, or the store is sealed under another one.
    pub async fn open(
        store: &dyn Store,
        location: &StoreLocation,
        encryption: Option<&Secret>,
    ) -> Result<Self, KeysError> {
        let (root, place) = match (encryption, location) {
            (Some(text), _) => (RootKey::from_text(text), "`signing.key_encryption`".to_owned()),
            (None, StoreLocation::Postgres(_)) => return Err(KeysError::NothingToSealUnder),
            (None, StoreLocation::Memory) => return Self::of_process(),
            (None, StoreLocation::File(path)) => {
                let path = key_file(path);
                let place = format!("`{}`", path.display());
                let root = match is_sealed(store).await? {
                    true => RootKey::from_file(&path),
                    false => RootKey::from_file_or_new(&path),
                };
                (root, place)
            }
        };
        let root = Self::of(root, place)?;
        root.prove(store).await?;
        Ok(root)
    }

    /// Holds the key against what is sealed in the store, and leaves a proof there where there is none.
    async fn prove(&self, store: &dyn Store) -> Result<(), KeysError> {
        let place = || self.place.clone();
        if let Some(ring) = store.key_ring().await? {
            let opened = self.key.key_for(SEALED).open(&ring.sealed);
            opened.map_err(|_| KeysError::WrongKey { place: place() })?;
        }
        let key = self.key.key_for(PROOF);
        if proof(store).await?.is_none() {
            let sealed = key.seal(PROOF.as_bytes()).map_err(|fault| KeysError::Root { place: place(), fault })?;
            store.put_once(PROOF, &sealed, FOR_GOOD).await?;
        }
        // Another node may have been quicker.
        let there = proof(store).await?.unwrap_or_default();
        key.open(&there).map(|_| ()).map_err(|_| KeysError::WrongRoot { place: place() })
    }

    /// A key that ends with the process.
    ///
    /// # Errors
    ///
    /// [`KeysError::Root`] if the system has no randomness to give.
    pub fn of_process() -> Result<Self, KeysError> {
        Self::of(RootKey::random(), "a key in memory".to_owned())
    }

    fn of(key: Result<RootKey, RootKeyFault>, place: String) -> Result<Self, KeysError> {
        match key {
            Ok(key) => Ok(Self { key, place }),
            Err(fault) => Err(KeysError::Root { place, fault }),
        }
    }
}

async fn proof(store: &dyn Store) -> Result<Option<Vec<u8>>, StoreError> {
    store.peek_once(PROOF, Timestamp::now()).await
}

/// Whether there is anything that a key made now would not open.
async fn is_sealed(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.key_ring().await?.is_some() || proof(store).await?.is_some())
}

/// The file beside a store that holds the key.
fn key_file(store: &Path) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(".key");
    PathBuf::from(name)
}
