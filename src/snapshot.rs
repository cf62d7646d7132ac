//! All that one request needs, compiled from one configuration and never changed (P5).
//!
//! A request pins one `Arc<Snapshot>` and is judged by nothing else. A reload makes another one off to the side and
//! swaps it in whole.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Config;
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
}

/// The snapshot that new requests get.
pub type Current = Arc<ArcSwap<Snapshot>>;

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
        Ok(Self { generation, config, gate, upstreams })
    }
}
