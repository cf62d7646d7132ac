//! A store in one file, for one process at a time: redb.
//!
//! Every verb happens whole and is on the disk before it returns, so `kill -9` loses nothing that was acknowledged. Those
//! who write at the same time share a commit ([`writer`]). redb blocks, so verbs run where blocking is allowed.
//!
//! Deliberately absent: repair of what redb itself cannot repair, and a second process that reads along.

mod codes;
mod consents;
mod families;
mod file;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use tokio::task::spawn_blocking;

use self::writer::{Ending, Failure, Writer};
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
    writer: Writer,
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
        let writer = Writer::new(Arc::clone(&database));
        Ok(Self { database, path: path.to_owned(), writer })
    }

    async fn read<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        let read = spawn_blocking(move || verb(&database.begin_read()?)).await;
        let read = read.map_err(|error| error.try_into_panic().unwrap_or_else(|cancelled| Box::new(cancelled)));
        Failure::outcome(read).map_err(|failure| self.unusable(&failure))
    }

    /// Writes together with whoever else does. The verb may run more than once, each time as if it were the first.
    async fn write<T: Send + 'static>(
        &self,
        verb: impl Fn(&WriteTransaction) -> Result<Ending<T>, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(verb).await.map_err(|failure| self.unusable(&failure))
    }

    fn unusable(&self, failure: &Failure) -> StoreError {
        let place = self.path.display();
        StoreError::Unusable(match failure {
            Failure::Said(error) => format!("`{place}`: {error}"),
            Failure::Disk => format!("`{place}` could not be written before; see to the disk, then start again"),
            Failure::Panicked => format!("`{place}` is damaged; put a copy of it in its place"),
            Failure::Ended => format!("`{place}` was not written; the process ends"),
        })
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
                return Ok(Ending::Unchanged(false));
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
                return Ok(Ending::Unchanged(false));
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
            Ok(if swept == 0 { Ending::Unchanged(()) } else { Ending::Kept(()) })
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
