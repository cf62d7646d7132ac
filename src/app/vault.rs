//! The signing keys in the store: opened, changed, sealed, and put back if nobody was quicker.
//!
//! A change is sealed and in the store before anything signs by it. Whoever loses takes the winner's ring and looks
//! whether there is still something to do. Nothing is written where the ring that is there cannot be opened.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::root::Root;
use crate::clock::Timestamp;
use crate::oauth::SigningAlgorithm;
use crate::store::sealing::{RootKeyFault, SealingKey};
use crate::store::{SealedKeyRing, Store, StoreError};
use crate::token::keys::DOCUMENT_KEYS;
use crate::token::mint::{InvalidKeyRing, KeyPolicy, KeyRing, KeyRingFault, SigningKey, SigningKeyFault};

/// What is sealed here; part of the seal.
pub(super) const SEALED: &str = "signing keys";
/// How often a change is tried again after others were quicker; far more nodes than anybody has.
const TRIES: usize = 32;

/// Where the keys of our issuer lie, and what opens them.
#[derive(Debug)]
pub struct Vault {
    store: Arc<dyn Store>,
    sealing: SealingKey,
    place: String,
    rotate_every: Duration,
}

/// A ring as it is in the store.
#[derive(Clone, Debug)]
pub struct KeptRing {
    /// Nothing until it is there.
    version: Option<u64>,
    /// The ring.
    pub ring: KeyRing,
}

impl KeptRing {
    /// Which one it is in the store.
    pub fn version(&self) -> Option<u64> {
        self.version
    }
}

/// Why there are no signing keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key to seal with.
    #[error("nothing can be sealed under {place}: {fault}")]
    Root {
        /// Where the key should come from.
        place: String,
        /// What is wrong with it.
        fault: RootKeyFault,
    },
    /// The store is a database, beside which no file can lie.
    #[error("keys in a database are sealed under `signing.key_encryption`, and none is given")]
    NothingToSealUnder,
    /// What is in the store was sealed under another key.
    #[error(
        "the signing keys in the store do not open under {place}: they were sealed under another key, or are damaged"
    )]
    WrongKey {
        /// Where the key comes from.
        place: String,
    },
    /// What is in the store, though no signing keys may be, was sealed under another key.
    #[error("what is sealed in the store does not open under {place}: it was sealed under another key, or is damaged")]
    WrongRoot {
        /// Where the key comes from.
        place: String,
    },
    /// What was sealed is no ring.
    #[error(transparent)]
    Ring(#[from] InvalidKeyRing),
    /// No key can be made.
    #[error(transparent)]
    Making(#[from] SigningKeyFault),
    /// The keys do not go together.
    #[error(transparent)]
    Together(#[from] KeyRingFault),
    /// Others change the keys all the time.
    #[error("other nodes change the signing keys all the time")]
    Contended,
    /// The task that makes keys broke off.
    #[error("making keys broke off")]
    Interrupted,
    /// Whoever verifies with the keys would read only a part of them.
    #[error(
        "{0} keys are published, and verifiers read no more than {DOCUMENT_KEYS}: rotate again once the tokens of the oldest have ended"
    )]
    TooMany(usize),
    /// The keys are files of the operator's.
    #[error("the keys come from files: rotate them by changing `signing.keys`")]
    FromFiles,
}

impl KeysError {
    /// What an operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Root { fault: RootKeyFault::Text, .. } | Self::NothingToSealUnder => {
                "make one with `openssl rand -base64 32`"
            }
            Self::Root { fault: RootKeyFault::Missing(_), .. } => {
                "put the file back: what is sealed in the store opens under no other; or begin with another store"
            }
            Self::Root { fault: RootKeyFault::Readable(_), .. } => "take the right from others: `chmod 600`",
            Self::Root { .. } => "look at the file and its folder",
            Self::WrongKey { .. } | Self::WrongRoot { .. } => {
                "put the right key there; what is in the store was left as it is"
            }
            Self::Store(StoreError::InUse) => "stop the other one, or name another `store`",
            Self::Ring(_) => "start the version that wrote them",
            Self::TooMany(_) => "nothing has changed; `keys list` says until when each key is published",
            _ => "",
        }
    }
}

impl Vault {
    /// The keys in `store`, sealed under a key that comes from `root`.
    pub fn new(store: Arc<dyn Store>, root: &Root, rotate_every: Duration) -> Self {
        Self { store, sealing: root.key.key_for(SEALED), place: root.place.clone(), rotate_every }
    }

    /// The keys as they are in the store; `known` where they are the same still.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if they cannot be read or opened.
    pub async fn read(&self, known: Option<&KeptRing>) -> Result<KeptRing, KeysError> {
        let Some(SealedKeyRing { version, sealed }) = self.store.key_ring().await? else {
            return Ok(KeptRing { version: None, ring: KeyRing::default() });
        };
        match known {
            Some(known) if known.version == Some(version) => Ok(known.clone()),
            _ => {
                let wrong = |_| KeysError::WrongKey { place: self.place.clone() };
                let ring = KeyRing::from_json(&self.sealing.open(&sealed).map_err(wrong)?)?;
                Ok(KeptRing { version: Some(version), ring })
            }
        }
    }

    /// The keys under a configuration that begins to count now.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], or if they cannot be written.
    pub async fn adopt(&self, policy: &KeyPolicy) -> Result<KeptRing, KeysError> {
        let (policy, every) = (policy.clone(), self.rotate_every);
        self.change(None, move |ring, now| {
            let rescheduled = ring.rescheduled(now, every);
            let ring = rescheduled.as_ref().unwrap_or(ring);
            Ok(ring.continued(now, &policy, every, SigningKey::generate)?.or(rescheduled.clone()))
        })
        .await
    }

    /// The keys as time goes by.
    ///
    /// # Errors
    ///
    /// As [`Self::adopt`].
    pub async fn keep(&self, known: &KeptRing, policy: &KeyPolicy) -> Result<KeptRing, KeysError> {
        let (policy, every) = (policy.clone(), self.rotate_every);
        self.change(Some(known), move |ring, now| ring.continued(now, &policy, every, SigningKey::generate)).await
    }

    /// The keys after the next ones have begun to sign, now.
    ///
    /// # Errors
    ///
    /// As [`Self::adopt`].
    pub async fn rotate(&self, policy: &KeyPolicy) -> Result<KeptRing, KeysError> {
        let (policy, every) = (policy.clone(), self.rotate_every);
        let published = self.read(None).await?.ring.list(Timestamp::now()).len();
        // What the rotation adds: a key of each algorithm.
        if published + SigningAlgorithm::ALL.len() > DOCUMENT_KEYS {
            return Err(KeysError::TooMany(published));
        }
        self.change(None, move |ring, now| ring.rotated(now, &policy, every, SigningKey::generate).map(Some)).await
    }

    /// Makes a change whole, or finds that there is none to make.
    async fn change(
        &self,
        known: Option<&KeptRing>,
        change: impl Fn(&KeyRing, Timestamp) -> Result<Option<KeyRing>, SigningKeyFault> + Send + Sync + 'static,
    ) -> Result<KeptRing, KeysError> {
        let change = Arc::new(change);
        for _ in 0..TRIES {
            let before = self.read(known).await?;
            let (ring, change) = (before.ring.clone(), Arc::clone(&change));
            // An RSA key takes a while.
            let changed = spawn_blocking(move || change(&ring, Timestamp::now())).await;
            let Some(ring) = changed.map_err(|_| KeysError::Interrupted)?? else {
                return Ok(before);
            };
            let failed = |fault| KeysError::Root { place: self.place.clone(), fault };
            let sealed = self.sealing.seal(ring.to_json().expose()).map_err(failed)?;
            if self.store.replace_key_ring(before.version, &sealed).await? {
                let version = Some(before.version.map_or(1, |before| before + 1));
                return Ok(KeptRing { version, ring });
            }
        }
        Err(KeysError::Contended)
    }
}
