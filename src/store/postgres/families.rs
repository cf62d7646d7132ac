//! Refresh families in a database.
//!
//! Who rotates or ends a family holds its row until the end of the transaction, and whoever comes second sees what the
//! first one left. Clients and users are kept as bytes, as others name them: a text of PostgreSQL holds no zero, and an
//! index nothing long.

use async_trait::async_trait;
use deadpool_postgres::{Client, Transaction};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Failure, PATIENCE, PostgresStore, REVOKE, signed, time};
use crate::clock::Timestamp;
use crate::store::families::{KeptFamily, Shown, SpentParent};
use crate::store::{
    FAMILY_PAGE, Family, FamilyStore, NewFamily, Refresh, Rotated, Rotation, StoreError, TokenDigest, Whose,
};

const BEGIN: &str = "INSERT INTO narrowgate_families \
                     (root, client, subject, record, until, tokens_until, ends, leaf) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
const GIVE: &str =
    "INSERT INTO narrowgate_refresh_tokens (digest, root, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const LOOK_UP: &str = "SELECT family.*, token.until AS token_until FROM narrowgate_refresh_tokens AS token \
                       JOIN narrowgate_families AS family USING (root) WHERE token.digest = $1";
/// Whoever comes second waits here; both rows are then as the first one left them, or there is none.
const LOCK: &str = "SELECT family.*, token.until AS token_until FROM narrowgate_refresh_tokens AS token \
                    JOIN narrowgate_families AS family USING (root) WHERE token.digest = $1 FOR UPDATE OF family, token";
const SPEND: &str = "UPDATE narrowgate_refresh_tokens SET until = $2 WHERE digest = $1";
const ROTATE: &str = "UPDATE narrowgate_families SET leaf = $2, parent = $3, rotated_at = $4, successor = $5, \
                      until = $6, tokens_until = $7 WHERE root = $1";
const END: &str = "DELETE FROM narrowgate_families WHERE root = $1 RETURNING *";
const OF_CLIENT: &str = "SELECT * FROM narrowgate_families WHERE sha256(client) = sha256($1) AND client = $1 \
                         AND ($2::text IS NULL OR root > $2) AND greatest(until, tokens_until) >= $3 ORDER BY root LIMIT $4";
const OF_SUBJECT: &str = "SELECT * FROM narrowgate_families WHERE sha256(subject) = sha256($1) AND subject = $1 \
                          AND ($2::text IS NULL OR root > $2) AND greatest(until, tokens_until) >= $3 ORDER BY root LIMIT $4";

/// Begins a family within a transaction; where its root or its leaf is there already, that is to be undone.
pub(super) async fn begin(transaction: &Transaction<'_>, root: &str, new: &NewFamily) -> Result<(), Failure> {
    let KeptFamily { family, leaf, .. } = KeptFamily::begin(root, new);
    let values: [&(dyn ToSql + Sync); 8] = [
        &family.root,
        &family.client.as_bytes(),
        &family.subject.as_bytes(),
        &family.record,
        &signed(family.until.0),
        &signed(family.tokens_until.0),
        &signed(family.end.0),
        &leaf.as_bytes().as_slice(),
    ];
    let begun = transaction.execute(&transaction.prepare_cached(BEGIN).await?, &values).await?;
    if begun == 0 {
        return Err(Failure::NotNew);
    }
    give(transaction, &leaf, &family).await
}

/// Puts a new token among those that were given.
async fn give(transaction: &Transaction<'_>, token: &TokenDigest, family: &Family) -> Result<(), Failure> {
    let values: [&(dyn ToSql + Sync); 3] = [&token.as_bytes().as_slice(), &family.root, &signed(family.until.0)];
    match transaction.execute(&transaction.prepare_cached(GIVE).await?, &values).await? {
        0 => Err(Failure::NotNew),
        _ => Ok(()),
    }
}

fn digest(row: &Row, column: &'static str) -> Result<Option<TokenDigest>, Failure> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    let read = |bytes: Vec<u8>| bytes.try_into().map(TokenDigest::from_bytes).map_err(|_| Failure::Odd(column));
    bytes.map(read).transpose()
}

fn name(row: &Row, column: &'static str) -> Result<String, Failure> {
    String::from_utf8(row.try_get(column)?).map_err(|_| Failure::Odd(column))
}

fn kept(row: &Row) -> Result<KeptFamily, Failure> {
    let parent = match digest(row, "parent")? {
        Some(digest) => {
            let (rotated_at, successor) = (time(row, "rotated_at")?, row.try_get("successor")?);
            Some(SpentParent { digest, rotated_at, successor })
        }
        None => None,
    };
    Ok(KeptFamily {
        family: Family {
            root: row.try_get("root")?,
            client: name(row, "client")?,
            subject: name(row, "subject")?,
            record: row.try_get("record")?,
            until: time(row, "until")?,
            tokens_until: time(row, "tokens_until")?,
            end: time(row, "ends")?,
        },
        leaf: digest(row, "leaf")?.ok_or(Failure::Odd("leaf"))?,
        parent,
    })
}

/// The family that a token is of, unless either has ended.
fn family_of(row: Option<&Row>, now: Timestamp) -> Result<Option<KeptFamily>, Failure> {
    let Some(row) = row else { return Ok(None) };
    let found = kept(row)?;
    Ok(if time(row, "token_until")? < now || found.has_ended(now) { None } else { Some(found) })
}

/// Puts the successor in the leaf's place.
async fn succeed(transaction: &Transaction<'_>, mut found: KeptFamily, rotation: &Rotation) -> Result<(), Failure> {
    // The row is ours: whoever held it is done.
    let rotated_at = rotation.turn();
    let spent_until = signed(SpentParent::known_until(rotated_at, found.family.until).0);
    found.rotate(rotation, rotated_at);
    let family = &found.family;
    give(transaction, &rotation.leaf, family).await?;
    let shown = rotation.shown.as_bytes().as_slice();
    transaction.execute(&transaction.prepare_cached(SPEND).await?, &[&shown, &spent_until]).await?;
    let values: [&(dyn ToSql + Sync); 7] = [
        &family.root,
        &found.leaf.as_bytes().as_slice(),
        &shown,
        &signed(rotated_at.0),
        &rotation.successor,
        &signed(family.until.0),
        &signed(family.tokens_until.0),
    ];
    transaction.execute(&transaction.prepare_cached(ROTATE).await?, &values).await?;
    Ok(())
}

/// Ends a family, and puts its root in the feed; nothing if there is none.
async fn end(transaction: &Transaction<'_>, root: &str) -> Result<Option<Family>, Failure> {
    let row = transaction.query_opt(&transaction.prepare_cached(END).await?, &[&root]).await?;
    let Some(row) = row else { return Ok(None) };
    let ended = kept(&row)?.family;
    let revoke = transaction.prepare_cached(REVOKE).await?;
    match transaction.execute(&revoke, &[&ended.root, &signed(ended.tokens_until.0)]).await? {
        1 => Ok(Some(ended)),
        _ => Err(Failure::Odd("narrowgate_last_place")),
    }
}

/// A transaction, which is undone where it ends early.
async fn rotate(connection: &mut Client, rotation: &Rotation) -> Result<Rotated, Failure> {
    let (shown, now) = (&rotation.shown, rotation.now);
    let transaction = connection.transaction().await?;
    let locked = transaction.prepare_cached(LOCK).await?;
    let row = transaction.query_opt(&locked, &[&shown.as_bytes().as_slice()]).await?;
    let Some(found) = family_of(row.as_ref(), now)? else { return Ok(Rotated::Gone) };
    let rotated = match found.shown(shown, now) {
        Shown::Leaf => {
            succeed(&transaction, found, rotation).await?;
            Rotated::Rotated
        }
        Shown::Grace(successor) => return Ok(Rotated::Grace { family: found.family, successor }),
        Shown::Spent => end(&transaction, &found.family.root).await?.map_or(Rotated::Gone, Rotated::Reused),
    };
    transaction.commit().await?;
    Ok(rotated)
}

async fn revoke(connection: &mut Client, root: &str) -> Result<bool, Failure> {
    let transaction = connection.transaction().await?;
    let ended = end(&transaction, root).await?;
    transaction.commit().await?;
    Ok(ended.is_some())
}

#[async_trait]
impl FamilyStore for PostgresStore {
    async fn look_up_refresh(&self, digest: &TokenDigest, now: Timestamp) -> Result<Refresh, StoreError> {
        let rows = self.rows(LOOK_UP, &[&digest.as_bytes().as_slice()]).await?;
        let found = family_of(rows.first(), now).map_err(|failure| self.failed(failure))?;
        let Some(found) = found else { return Ok(Refresh::Unknown) };
        Ok(match found.shown(digest, now) {
            Shown::Leaf => Refresh::Leaf(found.family),
            Shown::Grace(successor) => Refresh::Grace { family: found.family, successor },
            Shown::Spent => Refresh::Reused(found.family),
        })
    }

    async fn rotate_refresh(&self, rotation: &Rotation) -> Result<Rotated, StoreError> {
        let mut connection = self.connection().await?;
        let rotated = timeout(PATIENCE, rotate(&mut connection, rotation)).await;
        self.outcome(connection, rotated)
    }

    async fn revoke_family(&self, root: &str) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let revoked = timeout(PATIENCE, revoke(&mut connection, root)).await;
        self.outcome(connection, revoked)
    }

    async fn families(&self, of: Whose<'_>, after: Option<&str>, now: Timestamp) -> Result<Vec<Family>, StoreError> {
        let (statement, owner) = match of {
            Whose::Client(client) => (OF_CLIENT, client),
            Whose::Subject(subject) => (OF_SUBJECT, subject),
        };
        let page = i64::try_from(FAMILY_PAGE).expect("a page is not as long as that");
        let rows = self.rows(statement, &[&owner.as_bytes(), &after, &signed(now.0), &page]).await?;
        let families = rows.iter().map(|row| kept(row).map(|kept| kept.family));
        families.collect::<Result<_, _>>().map_err(|failure| self.failed(failure))
    }
}
