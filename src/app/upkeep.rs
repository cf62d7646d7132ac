//! What our own issuer does by itself: it follows the revocations of other nodes, continues its keys, and sweeps.
//!
//! It looks every second, so that what another node took back ends here within two. While the store is down, the keys in
//! memory go on, and change over by their own plan; that is told once, not every second. It ends with its [`Office`].
//!
//! [`Office`]: super::office::Office

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::office::KeptKeys;
use super::vault::KeysError;
use crate::clock::Timestamp;
use crate::snapshot::Issuing;
use crate::store::{Store, StoreError};
use crate::token::Revocations;
use crate::token::mint::{KeyPolicy, KeyRing};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How often it sweeps, in looks.
const SWEEP_EVERY: u64 = 60;
/// How much longer than needed things are kept, in seconds: clocks and leeways differ.
const KEPT_LONGER: u64 = 60;
/// The keys are looked through at least this often, in seconds.
const LOOK_THROUGH: u64 = 60 * 60;

/// How far the feed of revocations was read.
#[derive(Debug, Default)]
pub(super) struct Follower(AtomicU64);

impl Follower {
    /// Takes over what was revoked meanwhile, by whomever.
    pub(super) async fn follow(&self, store: &dyn Store, revocations: &Revocations) -> Result<(), StoreError> {
        loop {
            let feed = store.revocations_after(self.0.load(Ordering::Acquire)).await?;
            if feed.revocations.is_empty() {
                return Ok(());
            }
            for revocation in &feed.revocations {
                revocations.add(&revocation.name, revocation.until);
            }
            self.0.fetch_max(feed.place, Ordering::AcqRel);
        }
    }
}

/// The work of one issuer under one configuration.
pub(super) struct Upkeep {
    issuing: Arc<Issuing>,
    follower: Arc<Follower>,
    policy: KeyPolicy,
    kept: Option<KeptKeys>,
    /// When the keys change next by themselves.
    due: Timestamp,
    looks: u64,
    is_troubled: bool,
}

impl Upkeep {
    pub(super) fn new(
        issuing: Arc<Issuing>,
        follower: Arc<Follower>,
        policy: KeyPolicy,
        kept: Option<KeptKeys>,
    ) -> Self {
        Self { issuing, follower, policy, kept, due: Timestamp(0), looks: 0, is_troubled: false }
    }

    /// Works until `stopping` is true, or its sender gone.
    pub(super) async fn work(mut self, mut stopping: watch::Receiver<bool>) {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                _ = looks.tick() => {}
            }
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                done = self.look() => self.tell(done),
            }
        }
    }

    async fn look(&mut self) -> Result<(), KeysError> {
        self.looks += 1;
        let now = Timestamp::now();
        // One that fails keeps no other from its work.
        let keys = self.look_at_keys(now).await;
        self.follower.follow(&*self.issuing.store, &self.issuing.revocations).await?;
        if self.looks.is_multiple_of(SWEEP_EVERY) {
            let ended = Timestamp(now.0.saturating_sub(KEPT_LONGER));
            self.issuing.revocations.sweep(ended);
            self.issuing.store.sweep(ended).await?;
        }
        keys
    }

    /// Takes over what other nodes made of the keys, and does what is due.
    async fn look_at_keys(&mut self, now: Timestamp) -> Result<(), KeysError> {
        let Some(KeptKeys { vault, held }) = self.kept.clone() else {
            return Ok(());
        };
        let mut held = held.lock().await;
        let is_due = self.due <= now;
        let read = vault.read(Some(&held)).await;
        let looked = match read {
            Ok(read) if is_due || read.version() != held.version() => vault.keep(&read, &self.policy).await,
            Ok(_) => return Ok(()),
            Err(error) => Err(error),
        };
        match looked {
            Ok(ring) => {
                self.replace(&ring.ring, now)?;
                *held = ring;
                Ok(())
            }
            // The ring in memory has a plan of its own, and what is due stays so.
            Err(error) => {
                self.replace(&held.ring, now)?;
                self.due = Timestamp(0);
                Err(error)
            }
        }
    }

    /// Lets the gate verify with, and tokens be signed with, what the ring says for now.
    fn replace(&mut self, ring: &KeyRing, now: Timestamp) -> Result<(), KeysError> {
        let keys = ring.signing_keys(now, &self.policy)?;
        // Another key set, though equal, would end every proof in the token cache.
        if !self.issuing.keys.load().is_same_as(&keys) {
            let signing: Vec<_> = self.policy.algorithms().filter_map(|algorithm| keys.key(algorithm)).collect();
            let kids: Vec<_> = signing.iter().map(|key| key.kid()).collect();
            tracing::info!(signing = kids.join(" "), "the signing keys changed");
            self.issuing.keys.replace(keys).map_err(|fault| KeysError::Together(fault.into()))?;
        }
        let at_last = Timestamp(now.0.saturating_add(LOOK_THROUGH));
        self.due = ring.next_change(now).map_or(at_last, |change| change.min(at_last));
        Ok(())
    }

    /// Says what is wrong when it begins, and when it ends.
    fn tell(&mut self, done: Result<(), KeysError>) {
        match done {
            Err(error) if !self.is_troubled => {
                tracing::error!(%error, "the issuer's state cannot be kept; what is known in memory counts on");
                self.is_troubled = true;
            }
            Ok(()) if self.is_troubled => {
                tracing::info!("the issuer's state is kept again");
                self.is_troubled = false;
            }
            Ok(()) | Err(_) => {}
        }
    }
}
