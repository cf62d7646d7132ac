//! A store in one file, for one process at a time: redb.
//!
//! Every verb is one transaction that is on the disk before it returns, so `kill -9` loses nothing that was acknowledged.
//! redb blocks, so verbs run where blocking is allowed. Writers wait for each other before they go there: redb has one
//! at a time, and threads that wait for it would be missing elsewhere. There is no thread of our own, which would have to
//! be told to end.
//!
//! Deliberately absent: repair of what redb itself cannot repair, and a second process that reads along.

mod codes;
mod consents;
mod families;
mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::{FEED_PAGE, Revocation, RevocationFeed, SealedKeyRing, Store, StoreError};
use crate::clock::Timestamp;

/// Numbers by their names: the form of the file, and the last place of the feed.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
/// The one ring, with its version.
const KEY_RING: TableDefinition<(), (u64, &[u8])> = TableDefinition::new("key_ring");
/// Names and ends, by their places in the feed.
const REVOCATIONS: TableDefinition<u64, (&str, u64)> = TableDefinition::new("revocations");
/// Names, and until when they count as used.
const USED: TableDefinition<&str, u64> = TableDefinition::new("used");

const LAST_PLACE: &str = "last_place";

/// State in a file.
pub struct EmbeddedStore {
    database: Arc<Database>,
    path: PathBuf,
    writing: Arc<Mutex<()>>,
}

/// What becomes of a transaction.
enum Ending<T> {
    /// It changed something, which is kept.
    Kept(T),
    /// It changed nothing.
    Dropped(T),
}

impl EmbeddedStore {
    /// Opens the store in a file, which is made if it is not there. It blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] while another process has it open, [`StoreError::Unusable`] if it cannot be read or written,
    /// or is no store of ours. What is there is left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Arc::new(file::open(path)?);
        Ok(Self { database, path: path.to_owned(), writing: Arc::default() })
    }

    async fn read<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        let read = spawn_blocking(move || verb(&database.begin_read()?)).await;
        self.outcome(read)
    }

    async fn write<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&WriteTransaction) -> Result<Ending<T>, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        // It goes along, so that the next writer waits also where nobody waits for this one any more.
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let database = Arc::clone(&self.database);
        let written = spawn_blocking(move || {
            let _turn = turn;
            let transaction = database.begin_write()?;
            // Dropped on the way out of a failure, and then nothing of it is to be seen.
            match verb(&transaction)? {
                Ending::Kept(value) => transaction.commit().map(|()| value).map_err(redb::Error::from),
                Ending::Dropped(value) => transaction.abort().map(|()| value).map_err(redb::Error::from),
            }
        });
        let written = written.await;
        self.outcome(written)
    }

    fn outcome<T>(&self, done: Result<Result<T, redb::Error>, tokio::task::JoinError>) -> Result<T, StoreError> {
        let place = self.path.display();
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(redb::Error::PreviousIo)) => Err(StoreError::Unusable(format!(
                "`{place}` could not be written before; see to the disk, then start again"
            ))),
            Ok(Err(error)) => Err(StoreError::Unusable(format!("`{place}`: {error}"))),
            // redb panics where a file contradicts itself; the thread is gone, the process is not.
            Err(_) => Err(StoreError::Unusable(format!("`{place}` is damaged; put a copy of it in its place"))),
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn key_ring(&self) -> Result<Option<SealedKeyRing>, StoreError> {
        self.read(|transaction| {
            let kept = transaction.open_table(KEY_RING)?.get(())?.map(|kept| {
                let (version, sealed) = kept.value();
                SealedKeyRing { version, sealed: sealed.to_vec() }
            });
            Ok(kept)
        })
        .await
    }

    async fn replace_key_ring(&self, before: Option<u64>, sealed: &[u8]) -> Result<bool, StoreError> {
        let sealed = sealed.to_vec();
        self.write(move |transaction| {
            let mut rings = transaction.open_table(KEY_RING)?;
            let there = rings.get(())?.map(|kept| kept.value().0);
            if there != before {
                return Ok(Ending::Dropped(false));
            }
            rings.insert((), (before.map_or(1, |before| before + 1), &*sealed))?;
            Ok(Ending::Kept(true))
        })
        .await
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let Revocation { name, until } = revocation.clone();
        self.write(move |transaction| revoke(transaction, &name, until).map(Ending::Kept)).await
    }

    async fn revocations_after(&self, place: u64) -> Result<RevocationFeed, StoreError> {
        let mut feed = RevocationFeed { revocations: Vec::new(), place };
        let Some(first) = place.checked_add(1) else {
            return Ok(feed);
        };
        self.read(move |transaction| {
            for entry in transaction.open_table(REVOCATIONS)?.range(first..)?.take(FEED_PAGE) {
                let (at, kept) = entry?;
                let (name, until) = kept.value();
                feed.revocations.push(Revocation { name: name.to_owned(), until: Timestamp(until) });
                feed.place = at.value();
            }
            Ok(feed)
        })
        .await
    }

    async fn mark_used(&self, name: &str, until: Timestamp) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |transaction| {
            let mut used = transaction.open_table(USED)?;
            if used.get(&*name)?.is_some() {
                return Ok(Ending::Dropped(false));
            }
            used.insert(&*name, until.0)?;
            Ok(Ending::Kept(true))
        })
        .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let mut swept = gone(transaction.open_table(REVOCATIONS)?.extract_if(|_, (_, until)| until < now.0)?)?;
            swept += gone(transaction.open_table(USED)?.extract_if(|_, until| until < now.0)?)?;
            swept += codes::sweep(transaction, now)?;
            swept += families::sweep(transaction, now)?;
            Ok(if swept == 0 { Ending::Dropped(()) } else { Ending::Kept(()) })
        })
        .await
    }
}

/// Puts a name at the end of the feed.
fn revoke(transaction: &WriteTransaction, name: &str, until: Timestamp) -> Result<(), redb::Error> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    let place = numbers.get(LAST_PLACE)?.map_or(0, |last| last.value()) + 1;
    numbers.insert(LAST_PLACE, place)?;
    transaction.open_table(REVOCATIONS)?.insert(place, (name, until.0))?;
    Ok(())
}

/// How many entries an extraction took out.
fn gone<T>(extracted: impl Iterator<Item = Result<T, redb::StorageError>>) -> Result<usize, redb::Error> {
    let mut count = 0;
    for entry in extracted {
        entry?;
        count += 1;
    }
    Ok(count)
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EmbeddedStore").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
