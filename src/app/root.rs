//! What everything in the store is sealed under: the operator's own text, or a key in a file beside the store.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::vault::KeysError;
use crate::config::StoreLocation;
use crate::secret::Secret;
use crate::store::Store;
use crate::store::sealing::{RootKey, RootKeyFault};

/// The key, and where it comes from.
#[derive(Debug)]
pub struct Root {
    /// The key.
    pub key: RootKey,
    /// As people are told of it.
    pub place: String,
}

impl Root {
    /// The key for `store`, which is at `location`: `encryption`, or a key in a file beside it. That file is made where no
    /// signing keys are sealed yet, and never afterwards.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is none.
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
                let root = match store.key_ring().await? {
                    Some(_) => RootKey::from_file(&path),
                    None => RootKey::from_file_or_new(&path),
                };
                (root, place)
            }
        };
        Self::of(root, place)
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

/// The file beside a store that holds the key.
fn key_file(store: &Path) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(".key");
    PathBuf::from(name)
}
