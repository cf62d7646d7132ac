//! The keys of one trusted issuer, kept fresh in the background.
//!
//! Each issuer has a ring of its own and rings share nothing, so that an outage touches only its own issuer. Only what
//! the configuration names is ever fetched; nothing in a token adds a key or a URL (RFC 8725 §3.10). Rounds are
//! single-flight, and an unknown `kid` starts at most one in `refetch_after`. Rounds by schedule do not count against
//! that, so that a key which is rotated just after one is found at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::documents::{Current, Documents, News};
use super::freshness::{self, LastRefetch};
use super::key_set::{KeySet, KeySetId};
use super::place::ReadError;
use crate::clock::Timestamp;
use crate::config::TrustedIssuer;
use crate::fetch::Fetcher;

/// One issuer: its configuration, its current [`KeySet`], and how fresh that is.
#[derive(Debug)]
pub struct Keyring {
    issuer: TrustedIssuer,
    fetcher: Fetcher,
    /// Whether anything is ever fetched: false where all keys come from files.
    is_fetched: bool,
    current: ArcSwapOption<Current>,
    documents: Mutex<Documents>,
    rounds: Mutex<Rounds>,
    /// How many rounds are over. Written under `rounds` only, so that a waiter never misses its round's end.
    finished: watch::Sender<u64>,
    itself: Weak<Self>,
}

/// The round under way, if there is one, and the last one that an unknown `kid` started.
#[derive(Debug, Default)]
struct Rounds {
    under_way: bool,
    last_refetch: Option<LastRefetch>,
}

/// Why a round starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Occasion {
    Schedule,
    UnknownKey,
}

/// How an issuer's keys are, for the status page and the metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyringStatus {
    /// Whether tokens can be verified now.
    pub has_keys: bool,
    /// How many keys there are now.
    pub keys: usize,
    /// How long ago the oldest document was fetched; nothing for files, and before the first success.
    pub age_seconds: Option<u64>,
    /// Why the last round failed; nothing after a good one.
    pub last_error: Option<String>,
    /// How many rounds in a row have failed, at least at one place.
    pub consecutive_failures: u32,
}

impl Keyring {
    /// A ring for `issuer`. Key sets in files are there at once; the rest comes with the first round.
    ///
    /// A file without a usable key leaves the ring without its keys, and [`Keyring::status`] says why. Whoever starts a
    /// gateway asks [`Keyring::is_hopeless`] first.
    pub fn new(issuer: TrustedIssuer, fetcher: Fetcher) -> Arc<Self> {
        Self::begin_with(issuer, fetcher, |_, _| {})
    }

    /// A ring for `issuer` after a change of the configuration. What the ring before read at the same places, with the
    /// same credential and as the same issuer, is taken over, so that the change needs nobody to answer at once.
    pub fn succeed(before: &Self, issuer: TrustedIssuer, fetcher: Fetcher) -> Arc<Self> {
        let is_same = before.issuer.issuers == issuer.issuers && before.issuer.fetch_token == issuer.fetch_token;
        Self::begin_with(issuer, fetcher, |documents, issuer| {
            if is_same {
                documents.inherit(&held(&before.documents), issuer);
            }
        })
    }

    fn begin_with(
        issuer: TrustedIssuer,
        fetcher: Fetcher,
        prepare: impl FnOnce(&mut Documents, &TrustedIssuer),
    ) -> Arc<Self> {
        let (mut documents, news) = Documents::new(&issuer);
        prepare(&mut documents, &issuer);
        let is_fetched = !documents.errands().is_empty();
        let ring = Arc::new_cyclic(|itself| Self {
            is_fetched,
            current: ArcSwapOption::from_pointee(documents.current(&issuer)),
            documents: Mutex::new(documents),
            rounds: Mutex::default(),
            finished: watch::Sender::new(u64::from(!is_fetched)),
            itself: Weak::clone(itself),
            issuer,
            fetcher,
        });
        ring.tell(news);
        ring
    }

    /// The ring of our own issuer, which is handed its keys by [`Keyring::publish`] and fetches none.
    pub fn of_our_own(issuer: TrustedIssuer, fetcher: Fetcher, keys: KeySet) -> Arc<Self> {
        let ring = Self::new(issuer, fetcher);
        ring.publish(keys);
        ring
    }

    /// Takes these keys in place of those before, at once and until there are others.
    pub fn publish(&self, keys: KeySet) {
        self.current.store(Some(Arc::new(Current { keys: Arc::new(keys), until: Timestamp(u64::MAX) })));
    }

    /// Why this ring will never have a key, if that is so: its files have none, and nothing is fetched.
    pub fn is_hopeless(&self) -> Option<String> {
        let now = Timestamp::now();
        let hopeless = !self.is_fetched && !self.has_keys(now);
        hopeless.then(|| self.status(now).last_error.unwrap_or_else(|| "there is no usable key".to_owned()))
    }

    /// Whose keys these are.
    pub fn issuer(&self) -> &TrustedIssuer {
        &self.issuer
    }

    /// The keys to verify with at `now`; nothing if there never were any, or if they are older than `max_stale`.
    pub fn current(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let current = self.current.load();
        let current = current.as_ref().filter(|current| now <= current.until)?;
        Some(Arc::clone(&current.keys))
    }

    /// Whether these are the keys to verify with at `now`.
    pub fn is_current(&self, id: KeySetId, now: Timestamp) -> bool {
        self.current.load().as_ref().is_some_and(|current| now <= current.until && current.keys.id() == id)
    }

    /// Whether there are keys to verify with at `now`.
    pub fn has_keys(&self, now: Timestamp) -> bool {
        self.current(now).is_some()
    }

    /// Whether a token that no key fits is worth a [`Keyring::refetch`] at `now`.
    ///
    /// A hint from whole seconds: yes may come up to a second early, and `refetch` then returns at once.
    pub fn wants_refetch(&self, now: Timestamp) -> bool {
        if !self.is_fetched {
            return false;
        }
        let rounds = held(&self.rounds);
        rounds.under_way || rounds.last_refetch.is_none_or(|last| last.may_allow(now, self.issuer.refetch_after))
    }

    /// Reads the keys anew for a token that none of them fits, and returns when that is over, 5 s at most.
    ///
    /// Everybody who waits shares one round, also one that the schedule began. Returns at once where no round may
    /// start. A caller who goes away ends nothing.
    pub async fn refetch(&self) {
        self.round(Occasion::UnknownKey).await;
    }

    /// Keeps the keys fresh until `shutdown` is true, or its sender gone: reads at once, then by `Cache-Control` and
    /// `refresh`, after a failure sooner. Returns at once where all keys come from files.
    pub async fn keep_fresh(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        if !self.is_fetched {
            return;
        }
        let rounds = async {
            loop {
                self.round(Occasion::Schedule).await;
                let pause = held(&self.documents).pause(&self.issuer);
                sleep(freshness::jittered(pause, roll())).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = shutdown.wait_for(|is_over| *is_over) => {}
        }
    }

    /// Resolves once the first round is over, however it ended.
    pub async fn tried(&self) {
        // The sender lives as long as `self`.
        let _ = self.finished.subscribe().wait_for(|finished| *finished > 0).await;
    }

    /// How the keys are at `now`.
    pub fn status(&self, now: Timestamp) -> KeyringStatus {
        let keys = self.current(now);
        let documents = held(&self.documents);
        let (consecutive_failures, last_error) = documents.failures();
        KeyringStatus {
            has_keys: keys.is_some(),
            keys: keys.map_or(0, |keys| keys.count()),
            age_seconds: documents.oldest().map(|oldest| now.0.saturating_sub(oldest.0)),
            last_error,
            consecutive_failures,
        }
    }

    /// Starts a round or joins the one under way, and waits for its end.
    async fn round(&self, occasion: Occasion) {
        let Some(mut finished) = self.begin(occasion) else { return };
        // The sender lives as long as `self`.
        let _ = finished.changed().await;
    }

    /// What tells the end of the round that runs now; nothing where none may start.
    fn begin(&self, occasion: Occasion) -> Option<watch::Receiver<u64>> {
        if !self.is_fetched {
            return None;
        }
        let mut rounds = held(&self.rounds);
        let finished = self.finished.subscribe();
        if rounds.under_way {
            return Some(finished);
        }
        if occasion == Occasion::UnknownKey {
            let (instant, refetch_after) = (Instant::now(), self.issuer.refetch_after);
            if rounds.last_refetch.is_some_and(|last| !last.allows(instant, refetch_after)) {
                return None;
            }
            rounds.last_refetch = Some(LastRefetch::at(instant, Timestamp::now()));
        }
        let ring = self.itself.upgrade()?;
        rounds.under_way = true;
        // A task of its own: a request that is cut off must not end the round that others wait for.
        tokio::spawn(async move {
            let _landing = Landing(&ring);
            ring.read_all(occasion).await;
        });
        Some(finished)
    }

    /// One round: every place at the same time, so that a slow one costs the others nothing.
    async fn read_all(&self, occasion: Occasion) {
        let errands = held(&self.documents).errands();
        let mut under_way = JoinSet::new();
        for errand in errands {
            let Some(ring) = self.itself.upgrade() else { return };
            under_way.spawn(async move {
                // A round by schedule also asks the metadata again, which may name another place by now.
                let known = errand.known.as_ref().filter(|_| occasion == Occasion::UnknownKey);
                let reading = errand.place.fetch(known, &ring.fetcher, &ring.issuer);
                let reading = timeout(ring.fetcher.patience(), reading).await;
                (errand.index, reading.unwrap_or(Err(ReadError::Timeout)))
            });
        }
        let readings = under_way.join_all().await;
        let mut documents = held(&self.documents);
        let news = documents.take_in(readings, Timestamp::now(), &self.issuer);
        self.current.store(documents.current(&self.issuer).map(Arc::new));
        drop(documents);
        self.tell(news);
    }

    /// Logs what changed: once for each change, not for each try.
    fn tell(&self, news: News) {
        let issuer = self.issuer.name.as_str();
        if let Some(error) = news.failed {
            tracing::warn!(issuer, error, "the keys cannot be read; the last good ones serve on");
        }
        if news.recovered {
            tracing::info!(issuer, "the keys can be read again");
        }
        if let Some(keys) = news.keys {
            tracing::info!(issuer, keys, "there is a new key set");
        }
        for skipped in news.skipped {
            tracing::warn!(issuer, "left out: {skipped}");
        }
    }
}

/// Ends a round, also when its task is dropped or panics.
struct Landing<'a>(&'a Keyring);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut rounds = held(&self.0.rounds);
        rounds.under_way = false;
        self.0.finished.send_modify(|finished| *finished += 1);
    }
}

/// The lock; what it guards stays whole even if a holder panics, because it is changed by whole values.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number nobody can foresee; which one does not matter, so a source that fails gives 0.
fn roll() -> u8 {
    let mut byte = [0];
    let _ = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests;
