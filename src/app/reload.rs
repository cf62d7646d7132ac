//! Reading the configuration again while it serves: when, how it is known to be whole, and what comes of it (P5).
//!
//! One task does it, one round after the other. A round reads, waits, and looks whether every file still says what it
//! said; only then it compiles, off to the side, and swaps once. Whatever goes wrong before leaves everything as it is.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::StartError;
use super::workshop::{Draft, Workshop};
use crate::clock::Timestamp;
use crate::config::{Config, Faults, FilesRead, Loaded, Places, Reading, Source, changes};
use crate::serve::admin::{Order, Orders, Outcome};
use crate::serve::{Gateway, Offers};
use crate::telemetry::log;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How far apart two readings lie that must be equal.
const APART: Duration = Duration::from_millis(250);
/// How long a round goes on while the files keep changing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most changes that one log line and one answer tell.
const MAX_CHANGES: usize = 100;

/// Where the running configuration came from.
#[derive(Debug)]
pub struct Origin {
    /// Where it is read again.
    pub source: Source,
    /// What its files said.
    pub files: FilesRead,
    /// Whether the file ended in `...`, so that it must end so again.
    pub is_terminated: bool,
}

/// Reads the configuration again whenever there is a reason to.
pub(super) struct Reloader {
    pub(super) origin: Origin,
    /// Where operators look in; it stays while the program runs, whatever the file says.
    pub(super) admin: Option<SocketAddr>,
    pub(super) gateway: Gateway,
    pub(super) offers: Offers,
    pub(super) workshop: Workshop,
    pub(super) orders: Orders,
}

impl Reloader {
    /// Works until `stopping` is true, or its sender gone.
    pub(super) async fn work(mut self, mut incoming: mpsc::Receiver<Order>, mut stopping: watch::Receiver<bool>) {
        loop {
            let order = tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                order = incoming.recv() => order,
                () = sleep(LOOK_EVERY) => None,
            };
            if order.is_none() && self.files_say_the_same().await {
                continue;
            }
            let mut waiting: Vec<Order> = order.into_iter().collect();
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                () = self.round(&mut waiting, &mut incoming) => {}
            }
        }
    }

    /// One round; everybody who asked before its last look at the files gets its outcome.
    async fn round(&mut self, waiting: &mut Vec<Order>, incoming: &mut mpsc::Receiver<Order>) {
        let outcome = match self.settled_reading(waiting, incoming).await {
            Ok(reading) => self.take(reading).await,
            Err(faults) => Err(faults),
        };
        let generation = self.gateway.current.look(|snapshot| snapshot.generation);
        let outcome = outcome.unwrap_or_else(|faults| Outcome::Refused { generation, faults });
        self.record(&outcome);
        for order in waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = order.send(outcome.clone());
        }
    }

    /// A reading that was still true a moment later.
    async fn settled_reading(
        &mut self,
        waiting: &mut Vec<Order>,
        incoming: &mut mpsc::Receiver<Order>,
    ) -> Result<Reading, Faults> {
        let source = &self.origin.source;
        let end = Instant::now() + PATIENCE;
        loop {
            let again = source.clone();
            let mut reading = spawn_blocking(move || again.read_again()).await.map_err(|error| self.broken(&error))?;
            sleep(APART).await;
            while let Ok(order) = incoming.try_recv() {
                waiting.push(order);
            }
            let looked = spawn_blocking(move || (reading.files.still_say_so(), reading)).await;
            match looked.map_err(|error| self.broken(&error))? {
                (true, reading) => return Ok(reading),
                (false, _) if Instant::now() < end => {}
                (false, reading) => {
                    self.origin.files = reading.files;
                    return Err(source.refuse("the configuration keeps changing while it is read", "try again"));
                }
            }
        }
    }

    /// Makes a reading the configuration in force, or says why not.
    async fn take(&mut self, reading: Reading) -> Result<Outcome, Faults> {
        let Reading { loaded, files, is_terminated } = reading;
        self.origin.files = files;
        let Loaded { config, warnings, places } = loaded?;
        if self.origin.is_terminated && !is_terminated {
            let message = "the file ended in `...` and does so no more: its end may be missing";
            return Err(self.origin.source.refuse(message, "end it in `...` again; a restart takes it without"));
        }
        let before = self.gateway.current.load();
        let (config, needs_restart) = super::restart::keep_what_is_bound(&before.config, config);
        if let Some(fault) = self.leads_to_admin(&config, &places) {
            return Err(fault);
        }
        if config == *before.config {
            let generation = before.generation;
            self.origin.is_terminated = is_terminated;
            return Ok(Outcome::Adopted { generation, changed: Vec::new(), needs_restart });
        }
        for warning in &warnings {
            tracing::warn!("{}", warning.to_string().trim_end());
        }
        let (workshop, generation) = (self.workshop.clone(), before.generation + 1);
        let drafted = spawn_blocking(move || {
            let changed = changes(&before.config, &config);
            workshop.draft(config, generation, Some(&before)).map(|draft| (draft, changed))
        });
        let drafted = drafted.await.map_err(|error| self.broken(&error))?;
        let (draft, changed) = drafted.map_err(|error| self.unusable(&error, &places))?;
        tokio::join!(draft.resolve(), draft.try_keys());
        self.swap(draft);
        self.origin.is_terminated = is_terminated;
        Ok(Outcome::Adopted { generation, changed: brief(changed), needs_restart })
    }

    /// No route leads to the admin listener, also where the file has another address for it that waits for a restart.
    fn leads_to_admin(&self, config: &Config, places: &Places) -> Option<Faults> {
        let admin = self.admin?;
        let resource = config.resources.iter().find(|resource| resource.upstream.leads_to(admin))?;
        let message =
            format!("`{}` leads to the admin listener, which stays where it is until a restart", resource.key);
        Some(Faults(vec![places.fault(&message, "give its upstream another address, or restart first")]))
    }

    /// Everything that takes effect does so here, at once.
    fn swap(&mut self, draft: Draft) {
        let (snapshot, terms) = self.workshop.finish(draft);
        let (limits, log) = (snapshot.config.limits.clone(), snapshot.config.log.clone());
        self.offers.adopt(terms);
        self.gateway.current.replace(snapshot);
        self.gateway.tokens.resize(limits.token_cache_bytes);
        log::change(&log);
    }

    fn record(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Adopted { generation, changed, needs_restart } => {
                self.gateway.metrics.reloaded(*generation);
                let (changed, needs_restart) = (changed.join(" | "), needs_restart.join(" | "));
                tracing::info!(generation, changed, needs_restart, "the configuration was read again");
            }
            Outcome::Refused { generation, faults } => {
                self.gateway.metrics.reload_failed();
                let count = faults.0.len();
                tracing::error!(
                    generation,
                    faults = count,
                    "the configuration was refused, the one before serves on\n{faults}"
                );
            }
        }
        self.orders.note(Timestamp::now(), outcome.clone());
    }

    async fn files_say_the_same(&mut self) -> bool {
        let mut files = std::mem::take(&mut self.origin.files);
        let looked = spawn_blocking(move || (files.unrepeatable().is_some() || files.still_say_so(), files)).await;
        match looked {
            Ok((same, files)) => {
                self.origin.files = files;
                same
            }
            // Nothing is known of the files any more, so they are read.
            Err(_) => false,
        }
    }

    fn unusable(&self, error: &StartError, places: &Places) -> Faults {
        let unplaced = || self.origin.source.refuse(error.to_string(), "");
        error.fault(places).map_or_else(unplaced, |fault| Faults(vec![fault]))
    }

    /// A reading that panicked: ours to mend, and no reason to stop serving.
    fn broken(&self, error: &JoinError) -> Faults {
        tracing::error!(%error, "reading the configuration broke off");
        self.origin.source.refuse("reading the configuration broke off", "please report this, with the file")
    }
}

/// The changes, as many as somebody would read.
fn brief(mut changed: Vec<String>) -> Vec<String> {
    if changed.len() > MAX_CHANGES {
        let more = changed.len() - MAX_CHANGES;
        changed.truncate(MAX_CHANGES);
        changed.push(format!("and {more} more"));
    }
    changed
}
