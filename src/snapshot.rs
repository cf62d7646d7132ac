//! All that one request needs, compiled from one configuration and never changed (P5).
//!
//! A request pins one `Arc<Snapshot>` and is judged by nothing else. A reload makes another one off to the side and
//! swaps it in whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::config::{Config, ResourceId};
use crate::guard::{Gate, InvalidGate};
use crate::token::Keyring;
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
    /// Where each resource's requests go, by [`crate::config::ResourceId`].
    pub upstreams: Vec<Arc<UpstreamPool>>,
    by_key: HashMap<Box<str>, ResourceId>,
}

impl Snapshot {
    /// Compiles a configuration; `keyrings` are those of its trusted issuers and `upstreams` those of its resources,
    /// both in their order.
    ///
    /// # Errors
    ///
    /// [`InvalidGate`] if two resources could not be told apart, which the loader refuses with a place in the file.
    pub fn new(
        generation: u64,
        config: Arc<Config>,
        keyrings: Vec<Arc<Keyring>>,
        upstreams: Vec<Arc<UpstreamPool>>,
    ) -> Result<Self, InvalidGate> {
        let gate = Gate::new(&config, keyrings)?;
        let keys = config.resources.iter().enumerate();
        let by_key = keys.map(|(at, resource)| (resource.key.as_str().into(), ResourceId(at))).collect();
        Ok(Self { generation, config, gate, upstreams, by_key })
    }

    /// The resource with this key.
    pub fn resource(&self, key: &str) -> Option<ResourceId> {
        self.by_key.get(key).copied()
    }
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
