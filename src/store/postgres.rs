//! A store that several nodes share: PostgreSQL.
//!
//! Every verb is one statement or one transaction, which PostgreSQL runs whole or not at all, and which is on the database's
//! disk before it returns. Under READ COMMITTED a statement that comes to a row which another one changes waits for that one's
//! end, and looks again at what it left. So of many who replace one ring, or mark one name, one finds what it looked for.
//! A verb that looks before it changes locks the row that it looks at. What stands at each statement says why that is enough.
//!
//! An outage costs a verb a few seconds and is [`StoreError::Unusable`]; connections come back by themselves, and none is
//! made or kept by a task of ours. A connection that breaks under a statement leaves open whether that was done. Nothing is
//! tried again here, so a name may then be marked that nobody was told of; it counts as used, which is the safe side.
//!
//! Deliberately absent: several servers in one URL, `LISTEN`, and a pooler that hands out a session by the statement.

mod codes;
mod connections;
mod consents;
mod families;
mod migrations;
mod tls;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use deadpool_postgres::{Client, Object, Pool};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{FEED_PAGE, Revocation, RevocationFeed, SealedKeyRing, Store, StoreError};
use crate::clock::Timestamp;
use crate::config::Database;

/// How long a statement may take before it is given up, and its connection with it. The server gives up earlier.
const PATIENCE: Duration = Duration::from_secs(4);

const RING: &str = "SELECT version, sealed FROM narrowgate_key_ring";
/// The one row has one place (`only_one`), which a second insert finds taken.
const FIRST_RING: &str =
    "INSERT INTO narrowgate_key_ring (only_one, version, sealed) VALUES (true, 1, $1) ON CONFLICT DO NOTHING";
/// Whoever comes second waits, looks at the version again, and finds another one.
const NEXT_RING: &str = "UPDATE narrowgate_key_ring SET version = version + 1, sealed = $2 WHERE version = $1";

/// Places come from a row and not from a sequence: whoever takes one holds the row until the end of the transaction, so
/// the next place is taken when this one can be seen, or was never used. A sequence would let a reader step over a place
/// whose transaction ends later than that of a higher one.
const REVOKE: &str = "WITH taken AS (UPDATE narrowgate_last_place SET place = place + 1 RETURNING place) \
                      INSERT INTO narrowgate_revocations (place, name, until) SELECT place, $1, $2 FROM taken";
const FEED: &str = "SELECT place, name, until FROM narrowgate_revocations WHERE place > $1 ORDER BY place LIMIT $2";

/// Whoever comes second waits for the first one's end, and inserts nothing.
const MARK: &str = "INSERT INTO narrowgate_used (digest, until) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Nodes that sweep at once take what the other one does not have, and wait for nobody.
const SWEEP: &str = "WITH used AS (DELETE FROM narrowgate_used WHERE digest IN \
                     (SELECT digest FROM narrowgate_used WHERE until < $1 FOR UPDATE SKIP LOCKED)), \
                     codes AS (DELETE FROM narrowgate_codes WHERE digest IN \
                     (SELECT digest FROM narrowgate_codes WHERE until < $1 FOR UPDATE SKIP LOCKED)), \
                     once AS (DELETE FROM narrowgate_once WHERE digest IN \
                     (SELECT digest FROM narrowgate_once WHERE until < $1 FOR UPDATE SKIP LOCKED)), \
                     tokens AS (DELETE FROM narrowgate_refresh_tokens WHERE digest IN \
                     (SELECT digest FROM narrowgate_refresh_tokens WHERE until < $1 FOR UPDATE SKIP LOCKED)), \
                     families AS (DELETE FROM narrowgate_families WHERE root IN \
                     (SELECT root FROM narrowgate_families WHERE greatest(until, tokens_until) < $1 \
                     FOR UPDATE SKIP LOCKED)) \
                     DELETE FROM narrowgate_revocations WHERE place IN \
                     (SELECT place FROM narrowgate_revocations WHERE until < $1 FOR UPDATE SKIP LOCKED)";

/// State in a database.
pub struct PostgresStore {
    connections: Pool,
    /// Where, without what is secret.
    shown: String,
}

/// Why a verb did nothing.
#[derive(Debug)]
enum Failure {
    /// What was to be new is there.
    NotNew,
    /// A column holds what we never put there.
    Odd(&'static str),
    /// The database, or the way there, failed.
    Database(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl PostgresStore {
    /// Opens the store in a database, whose tables are made, or brought up to date. The server's certificate must lead to
    /// one of the platform's roots, or to one of `trusted_cas` (PEM).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unusable`] if it cannot be reached, does not prove its name, does not let us in, or was written by a
    /// newer Narrowgate.
    pub async fn open(database: &Database, trusted_cas: Option<&[u8]>) -> Result<Self, StoreError> {
        let shown = database.shown.clone();
        let connections = connections::pool(database, trusted_cas)
            .map_err(|why| StoreError::Unusable(format!("`{shown}`: {why}")))?;
        let store = Self { connections, shown };
        let mut connection = store.connection().await?;
        match timeout(migrations::PATIENCE, migrations::run(&mut connection)).await {
            Ok(Ok(())) => Ok(store),
            Ok(Err(why)) => Err(store.unusable(why.to_string())),
            Err(_) => Err(store.lost(connection)),
        }
    }

    async fn connection(&self) -> Result<Client, StoreError> {
        self.connections.get().await.map_err(|error| self.unusable(connections::why_none(&error)))
    }

    /// The rows that a statement gives.
    async fn rows(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection().await?;
        let asked = async { Ok(connection.query(&connection.prepare_cached(statement).await?, values).await?) };
        let answer = timeout(PATIENCE, asked).await;
        self.outcome(connection, answer)
    }

    /// How many rows a statement changed.
    async fn change(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let connection = self.connection().await?;
        let asked = async { Ok(connection.execute(&connection.prepare_cached(statement).await?, values).await?) };
        let answer = timeout(PATIENCE, asked).await;
        self.outcome(connection, answer)
    }

    /// What came of a verb that had this connection.
    fn outcome<T>(&self, connection: Client, done: Result<Result<T, Failure>, Elapsed>) -> Result<T, StoreError> {
        match done {
            Ok(answer) => answer.map_err(|failure| self.failed(failure)),
            Err(_) => Err(self.lost(connection)),
        }
    }

    /// A connection that does not answer is nobody's any more.
    fn lost(&self, connection: Client) -> StoreError {
        drop(Object::take(connection));
        self.unusable("it does not answer".to_owned())
    }

    fn failed(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::NotNew => StoreError::NotNew,
            Failure::Odd(column) => self.unusable(format!("`{column}` holds what Narrowgate never put there")),
            Failure::Database(error) => self.unusable(connections::told(&error)),
        }
    }

    fn unusable(&self, why: String) -> StoreError {
        StoreError::Unusable(format!("`{}`: {why}", self.shown))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn key_ring(&self) -> Result<Option<SealedKeyRing>, StoreError> {
        let rows = self.rows(RING, &[]).await?;
        let ring = |row: &Row| Ok(SealedKeyRing { version: number(row, "version")?, sealed: row.try_get("sealed")? });
        rows.first().map(ring).transpose().map_err(|failure| self.failed(failure))
    }

    async fn replace_key_ring(&self, before: Option<u64>, sealed: &[u8]) -> Result<bool, StoreError> {
        let changed = match before {
            None => self.change(FIRST_RING, &[&sealed]).await?,
            Some(before) => self.change(NEXT_RING, &[&signed(before), &sealed]).await?,
        };
        Ok(changed == 1)
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let Revocation { name, until } = revocation;
        match self.change(REVOKE, &[name, &signed(until.0)]).await? {
            1 => Ok(()),
            _ => {
                Err(self
                    .unusable("`narrowgate_last_place` is empty; put a copy of the database in its place".to_owned()))
            }
        }
    }

    async fn revocations_after(&self, place: u64) -> Result<RevocationFeed, StoreError> {
        let mut feed = RevocationFeed { revocations: Vec::new(), place };
        let page = i64::try_from(FEED_PAGE).expect("a page is not as long as that");
        let revocation = |row: &Row| {
            let made = Revocation { name: row.try_get("name")?, until: time(row, "until")? };
            Ok((made, number(row, "place")?))
        };
        for row in self.rows(FEED, &[&signed(place), &page]).await? {
            let (made, at) = revocation(&row).map_err(|failure| self.failed(failure))?;
            feed.revocations.push(made);
            feed.place = at;
        }
        Ok(feed)
    }

    async fn mark_used(&self, name: &str, until: Timestamp) -> Result<bool, StoreError> {
        // Names come from clients: an index takes no long ones, and a text no zero.
        let digest = digest(&SHA256, name.as_bytes());
        Ok(self.change(MARK, &[&digest.as_ref(), &signed(until.0)]).await? == 1)
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.change(SWEEP, &[&signed(now.0)]).await.map(|_| ())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PostgresStore").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// A number as PostgreSQL has it; what is greater than all of its numbers is the greatest.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of ours, which PostgreSQL has with a sign.
fn number(row: &Row, column: &'static str) -> Result<u64, Failure> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| Failure::Odd(column))
}

fn time(row: &Row, column: &'static str) -> Result<Timestamp, Failure> {
    number(row, column).map(Timestamp)
}

#[cfg(test)]
mod tests;
