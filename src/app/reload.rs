//! Reading the configuration again while it serves: when, how it is known to be whole, and what comes of it (P5).
//!
//! One task does it, one round after the other. A round reads, waits, and looks whether every file still says what it
//! said; only then it compiles, off to the side, and swaps once. Whatever goes wrong before leaves everything as it is.
//!
//! What takes longer the more resources there are, reading, judging, compiling and dropping, is done on threads that may
//! wait (`spawn_blocking`): the task itself shares its thread with requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep;

use super::StartError;
use super::workshop::{Draft, Workshop};
use crate::clock::Timestamp;
use crate::config::{Config, Fault, Faults, FilesRead, Loaded, Places, Reading, Source, changes};
use crate::serve::admin::{Order, Orders, Outcome, milliseconds};
use crate::serve::{BindError, Gateway, Offers, Prepared};
use crate::snapshot::Snapshot;
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

/// A reading that was made sure of.
struct Settled {
    reading: Reading,
    /// Since when it is sure.
    since: Instant,
}

/// What a configuration that has no faults means for one that is in force.
struct Judged {
    /// What is to take its place; nothing if it means the same.
    wanted: Option<(Config, Places)>,
    needs_restart: Vec<String>,
}

impl Judged {
    fn of(config: Config, places: Places, running: &Config, admin: Option<SocketAddr>) -> Result<Self, Faults> {
        let (config, needs_restart) = super::restart::keep_what_is_bound(running, config);
        if let Some(fault) = leads_to_admin(&config, &places, admin) {
            return Err(fault);
        }
        let wanted = (config != *running).then_some((config, places));
        Ok(Self { wanted, needs_restart })
    }
}

/// No route leads to the admin listener, also where the file has another address for it that waits for a restart.
fn leads_to_admin(config: &Config, places: &Places, admin: Option<SocketAddr>) -> Option<Faults> {
    let admin = admin?;
    let resource = config.resources.iter().find(|resource| resource.upstream.leads_to(admin))?;
    let message = format!("`{}` leads to the admin listener, which stays where it is until a restart", resource.key);
    Some(Faults(vec![places.fault(&message, "give its upstream another address, or restart first")]))
}

/// Drops what may be large, where nobody waits.
fn part_with<T: Send + 'static>(value: T) {
    spawn_blocking(move || drop(value));
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
    /// Snapshots that were replaced and may still be pinned: to take a large one apart takes longer than a request should.
    pub(super) retired: Vec<Arc<Snapshot>>,
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
            self.take_apart();
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
            Ok(settled) => self.take(settled).await,
            Err(faults) => Err(faults),
        };
        let generation = self.gateway.current.look(|snapshot| snapshot.generation);
        let refused = |Faults(faults)| Faults(faults.into_iter().map(without_line).collect());
        let outcome = outcome.unwrap_or_else(|faults| Outcome::Refused { generation, faults: refused(faults) });
        self.record(&outcome);
        for order in waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = order.send(outcome.clone());
        }
    }

    /// A reading that was still true a moment later. What is made of the text is made meanwhile: the moment counts from
    /// when the files were read.
    async fn settled_reading(
        &mut self,
        waiting: &mut Vec<Order>,
        incoming: &mut mpsc::Receiver<Order>,
    ) -> Result<Settled, Faults> {
        let source = &self.origin.source;
        let end = Instant::now() + PATIENCE;
        loop {
            let (again, before, begun) = (source.clone(), self.origin.files.clone(), Instant::now());
            let mut reading = match spawn_blocking(move || again.read_again(&before)).await {
                Ok(reading) => reading,
                Err(error) => {
                    // Once for each change, not twice a second.
                    self.origin.files.take_for_read();
                    return Err(self.broken(&error));
                }
            };
            tracing::debug!(read_ms = milliseconds(begun.elapsed()), "a configuration was read");
            let read_at = reading.files.last_read().unwrap_or(begun);
            sleep(APART.saturating_sub(read_at.elapsed())).await;
            while let Ok(order) = incoming.try_recv() {
                waiting.push(order);
            }
            let looked = spawn_blocking(move || (reading.files.still_say_so(), reading)).await;
            match looked.map_err(|error| self.broken(&error))? {
                (true, reading) => return Ok(Settled { reading, since: Instant::now() }),
                (false, reading) if Instant::now() < end => part_with(reading),
                (false, reading) => {
                    self.origin.files = reading.files;
                    return Err(source.refuse("the configuration keeps changing while it is read", "try again"));
                }
            }
        }
    }

    /// Makes a reading the configuration in force, or says why not.
    async fn take(&mut self, settled: Settled) -> Result<Outcome, Faults> {
        let Settled { reading: Reading { loaded, files, is_terminated }, since } = settled;
        self.origin.files = files;
        let Loaded { config, warnings, places } = loaded?;
        let warnings: Vec<Fault> = warnings.into_iter().map(without_line).collect();
        if self.origin.is_terminated && !is_terminated {
            let message = "the file ended in `...` and does so no more: its end may be missing";
            return Err(self.origin.source.refuse(message, "end it in `...` again; a restart takes it without"));
        }
        let (before, admin) = (self.gateway.current.load(), self.admin);
        let running = Arc::clone(&before);
        let judged = spawn_blocking(move || Judged::of(config, places, &running.config, admin)).await;
        let Judged { wanted, needs_restart } = judged.map_err(|error| self.broken(&error))??;
        let Some((config, places)) = wanted else {
            let generation = before.generation;
            self.origin.is_terminated = is_terminated;
            let (changed, took) = (Vec::new(), since.elapsed());
            return Ok(Outcome::Adopted { generation, changed, needs_restart, warnings, took });
        };
        for warning in &warnings {
            tracing::warn!("{}", warning.to_string().trim_end());
        }
        let bureau = self.workshop.bureau(&config).await.map_err(|error| self.unusable(&error, &places))?;
        let (workshop, generation, earlier) = (self.workshop.clone(), before.generation + 1, Arc::clone(&before));
        let drafted = spawn_blocking(move || {
            let changed = changes(&earlier.config, &config);
            let terms = Prepared::new(&config.listeners).map_err(BindError::from)?;
            workshop.draft(config, bureau, Some(&earlier)).map(|draft| (draft, terms, changed))
        });
        let drafted = drafted.await.map_err(|error| self.broken(&error))?;
        let (draft, terms, changed) = drafted.map_err(|error| self.unusable(&error, &places))?;
        tokio::join!(draft.resolve(), draft.try_keys());
        self.swap(draft, terms);
        let took = since.elapsed();
        self.retired.push(before);
        self.origin.is_terminated = is_terminated;
        part_with(places);
        Ok(Outcome::Adopted { generation, changed: brief(changed), needs_restart, warnings, took })
    }

    /// Everything that takes effect does so here, at once.
    fn swap(&mut self, draft: Draft, terms: Prepared) {
        let snapshot = self.workshop.finish(draft);
        let (limits, log) = (snapshot.config.limits.clone(), snapshot.config.log.clone());
        self.offers.adopt(terms);
        self.gateway.current.replace(snapshot);
        self.gateway.tokens.resize(limits.token_cache_bytes);
        self.gateway.narrowed.resize(limits.token_cache_bytes);
        log::change(&log);
    }

    fn record(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Adopted { generation, changed, needs_restart, took, .. } => {
                self.gateway.metrics.reloaded(*generation);
                let (changed, needs_restart) = (changed.join(" | "), needs_restart.join(" | "));
                let took_ms = milliseconds(*took);
                tracing::info!(generation, changed, needs_restart, took_ms, "the configuration was read again");
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

    /// Drops the replaced snapshots that no request holds any more, where nobody waits, and what was counted for resources
    /// that went with them.
    fn take_apart(&mut self) {
        let retired = std::mem::take(&mut self.retired);
        let (pinned, free): (Vec<_>, Vec<_>) =
            retired.into_iter().partition(|snapshot| Arc::strong_count(snapshot) > 1);
        self.retired = pinned;
        if !free.is_empty() {
            let (current, metrics) = (self.gateway.current.load(), Arc::clone(&self.gateway.metrics));
            spawn_blocking(move || {
                // Nobody counts for them any more.
                metrics.keep_resources(|key| current.resource(key).is_some());
                drop(free);
            });
        }
    }

    async fn files_say_the_same(&mut self) -> bool {
        let mut files = self.origin.files.clone();
        match spawn_blocking(move || (files.still_say_so(), files)).await {
            Ok((same, files)) => {
                self.origin.files = files;
                same
            }
            // What is not known is read.
            Err(_) => false,
        }
    }

    fn unusable(&self, error: &StartError, places: &Places) -> Faults {
        let unplaced = || self.origin.source.refuse(&error.to_string(), "");
        error.fault(places).map_or_else(unplaced, |fault| Faults(vec![fault]))
    }

    /// A reading that panicked: ours to mend, and no reason to stop serving.
    fn broken(&self, error: &JoinError) -> Faults {
        tracing::error!(%error, "reading the configuration broke off");
        self.origin.source.refuse("reading the configuration broke off", "please report this, with the file")
    }
}

/// A fault for logs and pages, which more people see than the file: one of its lines may hold a secret.
fn without_line(fault: Fault) -> Fault {
    Fault { source_line: String::new(), ..fault }
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::app::Running;
    use crate::config::Environment;

    const CONFIGURATION: &str =
        "listen: 127.0.0.1:0\nresources: { http://localhost: { upstream: http://127.0.0.1:1, public: true } }\n";

    /// A gateway that was started from a file, which goes when the test ends.
    struct Place(PathBuf);

    impl Place {
        async fn start(name: &str) -> (Self, Running) {
            let path = std::env::temp_dir().join(format!("narrowgate-reload-{name}-{}.yaml", std::process::id()));
            let place = Self(path);
            place.write(CONFIGURATION);
            let source = Source::new(&place.0, Environment::default());
            let Reading { loaded, files, is_terminated } = source.read();
            let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
            let running = Running::start(config, Some(Origin { source, files, is_terminated })).await;
            (place, running.unwrap_or_else(|error| panic!("{error}")))
        }

        fn write(&self, text: &str) {
            fs::write(&self.0, text).unwrap();
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// What is wrong with what is written now; nothing if it is in force.
    async fn refused(running: &Running) -> Option<String> {
        match running.orders()?.reload().await? {
            Outcome::Adopted { .. } => None,
            Outcome::Refused { faults, .. } => Some(faults.0[0].message.clone()),
        }
    }

    #[tokio::test]
    async fn an_end_that_was_marked_and_nothing_else_must_stay_marked() {
        let (place, running) = Place::start("mark").await;
        place.write(&format!("{CONFIGURATION}...\n"));
        assert_eq!(refused(&running).await, None);
        place.write(CONFIGURATION);
        let why = refused(&running).await;
        assert_eq!(why.as_deref(), Some("the file ended in `...` and does so no more: its end may be missing"));
    }

    #[tokio::test]
    async fn a_secret_beside_a_fault_is_not_told() {
        let (place, running) = Place::start("secret").await;
        place.write(&format!("{CONFIGURATION}admin: {{ address: 127.0.0.1:0, token: it-is-a-secret, hots: [a] }}\n"));
        assert_eq!(refused(&running).await.as_deref(), Some("`admin` knows no key `hots`"));
        let last = running.orders().and_then(Orders::last).unwrap();
        let told = format!("{:?}", last.1);
        assert!(told.contains("hots") && !told.contains("it-is-a-secret"), "{told}");
    }

    #[tokio::test]
    async fn a_pipe_is_not_waited_for() {
        let (place, running) = Place::start("pipe").await;
        place.write(&format!("{CONFIGURATION}trusted_cas: /dev/null\n"));
        let why = refused(&running).await;
        assert_eq!(why.as_deref(), Some("the file `/dev/null` is no regular file, so it can be read only once"));
        place.write(CONFIGURATION);
        assert_eq!(refused(&running).await, None, "and not held against the next one");
    }
}
