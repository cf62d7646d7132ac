//! All that one request needs, compiled from one configuration and never changed (P5).
//!
//! A request pins one `Arc<Snapshot>` and is judged by nothing else. A reload makes another one off to the side and
//! swaps it in whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::config::{Config, ResourceId};
use crate::guard::{Earlier, Gate, InvalidGate};
use crate::issuer::Policy;
use crate::store::Store;
use crate::store::sealing::Seals;
use crate::token::mint::SigningKeyring;
use crate::token::{Keyring, OwnIssuer, Revocations};
use crate::upstream::UpstreamPool;

/// One configuration, ready to be asked.
#[derive(Debug)]
pub struct Snapshot {
    /// Which configuration this is: 1 for the first, one more for each that replaces it.
    pub generation: u64,
    /// What the operator meant.
    pub config: Arc<Config>,
    /// What decides.
    pub gate: Gate,
    /// Our own issuer; nothing where only the gate runs.
    pub issuing: Option<Arc<Issuing>>,
    /// Where each resource's requests go, by [`crate::config::ResourceId`].
    pub upstreams: Vec<Arc<UpstreamPool>>,
    by_key: Arc<HashMap<Box<str>, ResourceId>>,
}

/// What our own issuer has and knows beyond its configuration. It lives on through reloads.
#[derive(Debug)]
pub struct Issuing {
    /// Its keys.
    pub keys: Arc<SigningKeyring>,
    /// What it has taken back.
    pub revocations: Arc<Revocations>,
    /// Where its state is kept.
    pub store: Arc<dyn Store>,
    /// What that state is sealed under.
    pub seals: Seals,
    /// The longest lifetime of any token that may be about, under this configuration or an earlier one.
    pub longest_lifetime: Duration,
}

impl Issuing {
    fn as_own_issuer(&self) -> OwnIssuer {
        OwnIssuer { keyring: Arc::clone(self.keys.verifying()), revocations: Arc::clone(&self.revocations) }
    }
}

impl Snapshot {
    /// Compiles the first configuration; `keyrings` are those of its trusted issuers and `upstreams` those of its
    /// resources, both in their order.
    ///
    /// # Errors
    ///
    /// [`InvalidGate`] if two resources could not be told apart, which the loader refuses with a place in the file.
    pub fn new(
        config: Arc<Config>,
        keyrings: Vec<Arc<Keyring>>,
        issuing: Option<Arc<Issuing>>,
        upstreams: Vec<Arc<UpstreamPool>>,
    ) -> Result<Self, InvalidGate> {
        let gate = Gate::new(&config, keyrings, issuing.as_deref().map(Issuing::as_own_issuer))?;
        let by_key = Arc::new(by_key(&config));
        Ok(Self { generation: 1, config, gate, issuing, upstreams, by_key })
    }

    /// Compiles the one that comes after this one. What did not change is shared, not made again.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn followed_by(
        &self,
        config: Arc<Config>,
        keyrings: Vec<Arc<Keyring>>,
        issuing: Option<Arc<Issuing>>,
        upstreams: Vec<Arc<UpstreamPool>>,
    ) -> Result<Self, InvalidGate> {
        let earlier = Earlier { config: &self.config, gate: &self.gate };
        let gate = Gate::after(Some(earlier), &config, keyrings, issuing.as_deref().map(Issuing::as_own_issuer))?;
        let by_key = match keys(&self.config).eq(keys(&config)) {
            true => Arc::clone(&self.by_key),
            false => Arc::new(by_key(&config)),
        };
        Ok(Self { generation: self.generation + 1, config, gate, issuing, upstreams, by_key })
    }

    /// What our own issuer may mint, if there is one.
    pub fn policy(&self) -> Option<Policy<'_>> {
        let server = self.config.issuer.as_ref()?;
        Some(Policy { server, config: &self.config, audiences: self.gate.audiences() })
    }

    /// The resource with this key.
    pub fn resource(&self, key: &str) -> Option<ResourceId> {
        self.by_key.get(key).copied()
    }
}

fn keys(config: &Config) -> impl Iterator<Item = &str> {
    config.resources.iter().map(|resource| resource.key.as_str())
}

fn by_key(config: &Config) -> HashMap<Box<str>, ResourceId> {
    keys(config).enumerate().map(|(at, key)| (key.into(), ResourceId(at))).collect()
}

/// The snapshot that requests are judged by now, and word of every other one that takes its place.
#[derive(Debug)]
pub struct Current {
    snapshot: ArcSwap<Snapshot>,
    generation: watch::Sender<u64>,
}

impl Current {
    /// Begins with a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        let generation = watch::Sender::new(snapshot.generation);
        Self { snapshot: ArcSwap::from_pointee(snapshot), generation }
    }

    /// The snapshot, to be pinned.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Looks at the snapshot without pinning it; never across an `await`.
    pub fn look<T>(&self, at: impl FnOnce(&Snapshot) -> T) -> T {
        at(&self.snapshot.load())
    }

    /// Whether this is still the snapshot that requests are judged by.
    pub fn is(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot.load(), snapshot)
    }

    /// Puts another one in its place. What asks [`Self::load`] or [`Self::is`] from now on gets the new one.
    pub fn replace(&self, snapshot: Snapshot) {
        let generation = snapshot.generation;
        self.snapshot.store(Arc::new(snapshot));
        self.generation.send_replace(generation);
    }

    /// Tells of every replacement from now on.
    pub fn replacements(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}
