//! Our own issuer while it runs: what it has from a configuration, and what of that lives on into the next one.
//!
//! The store is opened once and stays open. Keys and revocations are there before the first request. Where issuer, keys
//! and algorithms are the same, the next configuration has the same [`Issuing`], so that proofs in the token cache stay good.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;

use super::StartError;
use super::key_files::signing_keys;
use super::root::Root;
use super::upkeep::{Follower, Upkeep};
use super::vault::{KeptRing, KeysError, Vault};
use crate::clock::Timestamp;
use crate::config::{AuthorizationServer, Config, KeyOrigin, LONGEST_ACCESS_TOKEN, StoreLocation};
use crate::fetch::Fetcher;
use crate::secret::Secret;
use crate::snapshot::Issuing;
use crate::store::sealing::Seals;
use crate::store::{EmbeddedStore, MemoryStore, PostgresStore, Store, StoreError};
use crate::token::mint::{KeyPolicy, KeyState, ListedKey, SigningKey, SigningKeyring, SigningKeys};

/// A store that was opened.
#[derive(Clone, Debug)]
pub(super) struct OpenStore {
    location: StoreLocation,
    pub(super) store: Arc<dyn Store>,
}

/// Our own issuer; its task ends when the last of these goes.
#[derive(Clone, Debug)]
pub(super) struct Office {
    pub(super) issuing: Arc<Issuing>,
    origin: KeyOrigin,
    keeps: Keeps,
    root: Arc<Root>,
    policy: KeyPolicy,
    kept: Option<KeptKeys>,
    follower: Arc<Follower>,
    _stop: Arc<watch::Sender<bool>>,
}

/// Whether anything is kept that must not be read in the store, and what it is sealed under.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Keeps {
    /// Signing keys, or what belongs to users; under this text, or a key beside the store.
    Sealed(Option<Secret>),
    /// Neither.
    Nothing,
}

/// Keys that are kept in the store, and the ring that is in force; whoever changes it holds it meanwhile.
#[derive(Clone, Debug)]
pub(super) struct KeptKeys {
    pub(super) vault: Arc<Vault>,
    pub(super) held: Arc<Mutex<KeptRing>>,
}

impl OpenStore {
    /// Opens a store, or makes it. A database proves its name under the platform's roots and `trusted_cas`.
    pub(super) async fn open(location: &StoreLocation, trusted_cas: Option<&[u8]>) -> Result<Self, StartError> {
        let opened: Result<Arc<dyn Store>, StoreError> = match location {
            StoreLocation::Memory => Ok(Arc::new(MemoryStore::default())),
            StoreLocation::File(path) => open_file(path).await.map(|store| Arc::new(store) as _),
            StoreLocation::Postgres(database) => {
                PostgresStore::open(database, trusted_cas).await.map(|store| Arc::new(store) as _)
            }
        };
        let store = opened.map_err(|source| StartError::Store { place: location.to_string(), source })?;
        Ok(Self { location: location.clone(), store })
    }

    /// The keys that are kept here, as the configuration that begins to count now has them; made where there are none.
    pub(super) async fn adopt(
        &self,
        rotate_every: Duration,
        root: &Root,
        policy: &KeyPolicy,
    ) -> Result<(SigningKeys, Vault, KeptRing), KeysError> {
        let vault = Vault::new(Arc::clone(&self.store), root, rotate_every);
        let ring = vault.adopt(policy).await?;
        let keys = ring.ring.signing_keys(Timestamp::now(), policy)?;
        Ok((keys, vault, ring))
    }

    /// What everything here is sealed under.
    pub(super) async fn root(&self, encryption: Option<&Secret>) -> Result<Root, KeysError> {
        Root::open(&*self.store, &self.location, encryption).await
    }

    /// Whether this is what `location` names.
    pub(super) fn is_at(&self, location: &StoreLocation) -> bool {
        self.location == *location
    }
}

impl Keeps {
    fn of(server: &AuthorizationServer) -> Self {
        match (&server.signing.keys, &server.login) {
            (KeyOrigin::Files(_), None) => Self::Nothing,
            _ => Self::Sealed(server.signing.encryption.clone()),
        }
    }
}

async fn open_file(path: &Path) -> Result<EmbeddedStore, StoreError> {
    let path = path.to_owned();
    let opened = spawn_blocking(move || EmbeddedStore::open(&path)).await;
    opened.unwrap_or_else(|_| Err(StoreError::Unusable("opening it broke off".to_owned())))
}

impl Office {
    /// Our own issuer as `config` has it; `before` is what it was.
    pub(super) async fn open(
        config: &Config,
        server: &AuthorizationServer,
        open: &OpenStore,
        fetcher: &Fetcher,
        before: Option<&Self>,
    ) -> Result<Self, StartError> {
        let policy = KeyPolicy::of(server, &config.resources);
        let trusted = server.as_trusted_issuer();
        let before = before.filter(|before| Arc::ptr_eq(&before.issuing.store, &open.store));
        let keeps = Keeps::of(server);
        let is_same_origin = before.is_some_and(|before| before.origin == server.signing.keys && before.keeps == keeps);
        if let Some(same) = before.filter(|same| is_same_origin && same.policy == policy)
            && *same.issuing.keys.verifying().issuer() == trusted
        {
            return Ok(same.clone());
        }
        let encryption = server.signing.encryption.as_ref();
        let root = match (before, &keeps) {
            // What is in memory opens under the key that sealed it, and that is nowhere else.
            (Some(before), _) if open.is_at(&StoreLocation::Memory) && encryption.is_none() => Arc::clone(&before.root),
            (_, Keeps::Sealed(_)) => Arc::new(open.root(encryption).await?),
            (_, Keeps::Nothing) => Arc::new(Root::of_process()?),
        };
        let (keys, kept) = match &server.signing.keys {
            KeyOrigin::Files(files) => (signing_keys(files, &policy)?, None),
            KeyOrigin::Store { rotate_every } => {
                let (keys, vault, ring) = open.adopt(*rotate_every, &root, &policy).await?;
                (keys, Some((vault, ring)))
            }
        };
        let keys =
            SigningKeyring::new(trusted, fetcher.clone(), keys).map_err(|fault| KeysError::Together(fault.into()))?;
        let (revocations, follower) = match before {
            Some(before) => (Arc::clone(&before.issuing.revocations), Arc::clone(&before.follower)),
            None => Default::default(),
        };
        // What was taken back must not open anything, not even once.
        follower.follow(&*open.store, &revocations).await.map_err(KeysError::from)?;
        // Files do not tell how long the tokens live that an earlier configuration let them sign.
        let of_ring = kept.as_ref().map_or(LONGEST_ACCESS_TOKEN, |(_, kept)| kept.ring.longest_lifetime());
        let of_before = before.map_or(Duration::ZERO, |before| before.issuing.longest_lifetime);
        let longest_lifetime = policy.longest_lifetime().max(of_ring).max(of_before);
        let store = Arc::clone(&open.store);
        let seals = Seals::under(&root.key);
        let issuing = Arc::new(Issuing { keys: Arc::new(keys), revocations, store, seals, longest_lifetime });
        let kept = kept.map(|(vault, ring)| KeptKeys { vault: Arc::new(vault), held: Arc::new(Mutex::new(ring)) });
        let (stop, stopping) = watch::channel(false);
        let upkeep = Upkeep::new(Arc::clone(&issuing), Arc::clone(&follower), policy.clone(), kept.clone());
        tokio::spawn(upkeep.work(stopping));
        let origin = server.signing.keys.clone();
        Ok(Self { issuing, origin, keeps, root, policy, kept, follower, _stop: Arc::new(stop) })
    }

    /// All keys that are published.
    pub(super) async fn list(&self) -> Vec<ListedKey> {
        match &self.kept {
            Some(kept) => kept.held.lock().await.ring.list(Timestamp::now()),
            None => listed(&self.issuing.keys.load()),
        }
    }

    /// Lets the next keys sign from now on, and says what is published then.
    pub(super) async fn rotate(&self) -> Result<Vec<ListedKey>, KeysError> {
        let kept = self.kept.as_ref().ok_or(KeysError::FromFiles)?;
        let mut held = kept.held.lock().await;
        let ring = kept.vault.rotate(&self.policy).await?;
        let now = Timestamp::now();
        let keys = ring.ring.signing_keys(now, &self.policy)?;
        self.issuing.keys.replace(keys).map_err(|fault| KeysError::Together(fault.into()))?;
        *held = ring;
        tracing::info!("the signing keys were rotated by an operator");
        Ok(held.ring.list(now))
    }
}

/// Keys from files: nothing says since when, or until when.
pub(super) fn listed(keys: &SigningKeys) -> Vec<ListedKey> {
    let published = keys.published().iter().map(|key| ListedKey {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm(),
        state: match keys.key(key.algorithm()).map(SigningKey::kid) {
            Some(signing) if signing == key.kid() => KeyState::Current,
            _ => KeyState::Published,
        },
        published: None,
        since: None,
        until: None,
    });
    published.collect()
}

#[cfg(test)]
mod tests;
