//! Codes and what else is taken once, in a database.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use deadpool_postgres::Client;
use tokio::time::timeout;
use tokio_postgres::Row;

use super::{Failure, PATIENCE, PostgresStore, families, signed, time};
use crate::clock::Timestamp;
use crate::store::{Code, CodeStore, NewCode, StoreError, TakingCode, TokenDigest};

const SAVE: &str = "INSERT INTO narrowgate_codes (digest, root, record, tokens_until, until) VALUES ($1, $2, $3, NULL, $4) \
                    ON CONFLICT DO NOTHING";
const PEEK: &str = "SELECT root, record, tokens_until, until FROM narrowgate_codes WHERE digest = $1";
/// Whoever comes second waits here, and then finds a code that is spent.
const LOCK: &str = "SELECT root, record, tokens_until, until FROM narrowgate_codes WHERE digest = $1 FOR UPDATE";
const SPEND: &str = "UPDATE narrowgate_codes SET tokens_until = $2, until = $3 WHERE digest = $1";

const PUT_ONCE: &str = "INSERT INTO narrowgate_once (digest, sealed, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const PEEK_ONCE: &str = "SELECT sealed FROM narrowgate_once WHERE digest = $1 AND until >= $2";
/// Whoever comes second waits for the first one's end, and finds nothing. What has ended goes as well, and is nobody's.
const TAKE_ONCE: &str = "WITH taken AS (DELETE FROM narrowgate_once WHERE digest = $1 RETURNING sealed, until) \
                         SELECT sealed FROM taken WHERE until >= $2";

fn worth(row: Option<&Row>, now: Timestamp) -> Result<Code, Failure> {
    let Some(row) = row else { return Ok(Code::Unknown) };
    let (root, record) = (row.try_get("root")?, row.try_get("record")?);
    let spent: Option<i64> = row.try_get("tokens_until")?;
    Ok(match spent {
        _ if time(row, "until")? < now => Code::Unknown,
        None => Code::Fresh { record, root },
        Some(_) => Code::Spent { record, root, tokens_until: time(row, "tokens_until")? },
    })
}

/// A transaction, which is undone where it ends early.
async fn take(connection: &mut Client, taking: &TakingCode) -> Result<Code, Failure> {
    let transaction = connection.transaction().await?;
    let digest = taking.digest.as_bytes().as_slice();
    let row = transaction.query_opt(&transaction.prepare_cached(LOCK).await?, &[&digest]).await?;
    let worth = worth(row.as_ref(), taking.now)?;
    let Code::Fresh { record, root } = &worth else { return Ok(worth) };
    if *record != taking.record {
        return Ok(Code::Unknown);
    }
    families::begin(&transaction, root, &taking.family).await?;
    let (tokens_until, until) = (signed(taking.family.tokens_until.0), signed(taking.remembered_until().0));
    transaction.execute(&transaction.prepare_cached(SPEND).await?, &[&digest, &tokens_until, &until]).await?;
    transaction.commit().await?;
    Ok(worth)
}

#[async_trait]
impl CodeStore for PostgresStore {
    async fn save_code(&self, code: &NewCode) -> Result<(), StoreError> {
        let NewCode { digest, root, record, until } = code;
        match self.change(SAVE, &[&digest.as_bytes().as_slice(), root, record, &signed(until.0)]).await? {
            0 => Err(StoreError::NotNew),
            _ => Ok(()),
        }
    }

    async fn peek_code(&self, digest: &TokenDigest, now: Timestamp) -> Result<Code, StoreError> {
        let rows = self.rows(PEEK, &[&digest.as_bytes().as_slice()]).await?;
        worth(rows.first(), now).map_err(|failure| self.failed(failure))
    }

    async fn take_code(&self, taking: &TakingCode) -> Result<Code, StoreError> {
        let mut connection = self.connection().await?;
        let taken = timeout(PATIENCE, take(&mut connection, taking)).await;
        self.outcome(connection, taken)
    }

    async fn put_once(&self, name: &str, sealed: &[u8], until: Timestamp) -> Result<bool, StoreError> {
        let digest = digest(&SHA256, name.as_bytes());
        Ok(self.change(PUT_ONCE, &[&digest.as_ref(), &sealed, &signed(until.0)]).await? == 1)
    }

    async fn peek_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.once(PEEK_ONCE, name, now).await
    }

    async fn take_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.once(TAKE_ONCE, name, now).await
    }
}

impl PostgresStore {
    async fn once(&self, statement: &str, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let digest = digest(&SHA256, name.as_bytes());
        let rows = self.rows(statement, &[&digest.as_ref(), &signed(now.0)]).await?;
        let sealed = rows.first().map(|row| row.try_get("sealed")).transpose();
        sealed.map_err(|error| self.failed(error.into()))
    }
}
