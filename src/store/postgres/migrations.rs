//! The tables, and how they came about: numbered steps, each of which happens once.
//!
//! Nodes that start at once wait for each other (an advisory lock), so each step is one node's. All of them are one
//! transaction: a node that dies on the way leaves nothing behind. A database with more steps than this program knows was
//! written by a newer one, and is left alone. A database that has them all is only read, so whoever starts there may do
//! without the right to make tables.

use std::time::Duration;

use deadpool_postgres::Client;

use super::connections::told;

/// How long all of it may take, with the time for other nodes that do it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What all nodes lock: `narrowgate` in ASCII, the first eight letters of it.
const LOCK: i64 = i64::from_be_bytes(*b"narrowga");

/// The steps. One that was published never changes; the next form of the tables is one more step.
const STEPS: [&str; 1] = ["
    CREATE TABLE narrowgate_key_ring (
        only_one boolean PRIMARY KEY CHECK (only_one),
        version bigint NOT NULL,
        sealed bytea NOT NULL
    );
    CREATE TABLE narrowgate_last_place (
        only_one boolean PRIMARY KEY CHECK (only_one),
        place bigint NOT NULL
    );
    INSERT INTO narrowgate_last_place (only_one, place) VALUES (true, 0);
    CREATE TABLE narrowgate_revocations (
        place bigint PRIMARY KEY,
        name text NOT NULL,
        until bigint NOT NULL
    );
    CREATE TABLE narrowgate_used (
        digest bytea PRIMARY KEY,
        until bigint NOT NULL
    );
    CREATE TABLE narrowgate_codes (
        digest bytea PRIMARY KEY,
        root text NOT NULL,
        record bytea NOT NULL,
        tokens_until bigint,
        until bigint NOT NULL
    );
    CREATE TABLE narrowgate_once (
        digest bytea PRIMARY KEY,
        sealed bytea NOT NULL,
        until bigint NOT NULL
    );
    CREATE TABLE narrowgate_families (
        root text COLLATE \"C\" PRIMARY KEY,
        client bytea NOT NULL,
        subject bytea NOT NULL,
        record bytea NOT NULL,
        until bigint NOT NULL,
        tokens_until bigint NOT NULL,
        ends bigint NOT NULL,
        leaf bytea NOT NULL,
        parent bytea,
        rotated_at bigint,
        successor bytea
    );
    CREATE INDEX narrowgate_families_of_client ON narrowgate_families (sha256(client), root);
    CREATE INDEX narrowgate_families_of_subject ON narrowgate_families (sha256(subject), root);
    CREATE TABLE narrowgate_refresh_tokens (
        digest bytea PRIMARY KEY,
        root text COLLATE \"C\" NOT NULL,
        until bigint NOT NULL
    );
    CREATE TABLE narrowgate_consents (
        whose bytea,
        resource text,
        scopes text[] NOT NULL,
        PRIMARY KEY (whose, resource)
    );
"];

/// Why the tables are not as they must be.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrationError {
    /// The database failed, or refused.
    #[error("{}", told(.0))]
    Database(#[from] tokio_postgres::Error),
    /// There are steps that this program does not know.
    #[error(
        "it was written by a newer Narrowgate (form {there}, and this one knows {}); start that one, or name another database",
        STEPS.len()
    )]
    Newer {
        /// The last step that is there.
        there: i32,
    },
}

/// Does the steps that are missing.
pub(super) async fn run(connection: &mut Client) -> Result<(), MigrationError> {
    let transaction = connection.transaction().await?;
    // Another node may be at it, for longer than a verb has.
    transaction.batch_execute("SET LOCAL lock_timeout = '20s'; SET LOCAL statement_timeout = '25s'").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let is_there = "SELECT to_regclass('narrowgate_migrations') IS NOT NULL";
    if !transaction.query_one(is_there, &[]).await?.try_get::<_, bool>(0)? {
        transaction.batch_execute("CREATE TABLE narrowgate_migrations (number integer PRIMARY KEY)").await?;
    }
    let last = "SELECT coalesce(max(number), 0) FROM narrowgate_migrations";
    let there: i32 = transaction.query_one(last, &[]).await?.try_get(0)?;
    let numbered = (1_i32..).zip(STEPS);
    if usize::try_from(there).is_ok_and(|there| there > STEPS.len()) {
        return Err(MigrationError::Newer { there });
    }
    for (number, step) in numbered.filter(|(number, _)| *number > there) {
        transaction.batch_execute(step).await?;
        transaction.execute("INSERT INTO narrowgate_migrations (number) VALUES ($1)", &[&number]).await?;
    }
    Ok(transaction.commit().await?)
}
