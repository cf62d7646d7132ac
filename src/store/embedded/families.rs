//! Refresh families in a file.

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::writer::Ending;
use super::{EmbeddedStore, gone, revoke};
use crate::clock::Timestamp;
use crate::store::families::{KeptFamily, Shown, SpentParent};
use crate::store::{
    FAMILY_PAGE, Family, FamilyStore, NewFamily, Refresh, Rotated, Rotation, StoreError, TokenDigest, Whose,
};

/// Client, user, record; the ends of the leaf, of the access tokens and of itself; the leaf; its parent.
type Row = (
    &'static str,
    &'static str,
    &'static [u8],
    u64,
    u64,
    u64,
    &'static [u8; 32],
    Option<(&'static [u8; 32], u64, &'static [u8])>,
);

/// Families, by their roots.
pub(super) const FAMILIES: TableDefinition<&str, Row> = TableDefinition::new("families");
/// Roots of families, and until when a token matters, by the digest of every token that was given.
pub(super) const TOKENS: TableDefinition<&[u8; 32], (&str, u64)> = TableDefinition::new("refresh_tokens");
/// Kinds of owners, owners, and the roots of theirs.
pub(super) const OWNED: TableDefinition<(u8, &str, &str), ()> = TableDefinition::new("families_owned");

const BY_CLIENT: u8 = 0;
const BY_SUBJECT: u8 = 1;

/// Begins a family. False if its root or its leaf is there already.
pub(super) fn begin(transaction: &WriteTransaction, root: &str, new: &NewFamily) -> Result<bool, redb::Error> {
    let known = transaction.open_table(TOKENS)?.get(new.leaf.as_bytes())?.is_some();
    if known || family(&transaction.open_table(FAMILIES)?, root)?.is_some() {
        return Ok(false);
    }
    put(transaction, &KeptFamily::begin(root, new))?;
    let mut owned = transaction.open_table(OWNED)?;
    owned.insert((BY_CLIENT, &*new.client, root), ())?;
    owned.insert((BY_SUBJECT, &*new.subject, root), ())?;
    Ok(true)
}

pub(super) fn sweep(transaction: &WriteTransaction, now: Timestamp) -> Result<usize, redb::Error> {
    let tokens = gone(transaction.open_table(TOKENS)?.extract_if(|_, (_, until)| until < now.0)?)?;
    let mut families = transaction.open_table(FAMILIES)?;
    let mut owned = transaction.open_table(OWNED)?;
    let mut swept = tokens;
    let has_passed = |_: &str, (.., until, tokens_until, _, _, _): <Row as redb::Value>::SelfType<'_>| {
        until.max(tokens_until) < now.0
    };
    for entry in families.extract_if(has_passed)? {
        let (root, row) = entry?;
        let (client, subject, ..) = row.value();
        owned.remove((BY_CLIENT, client, root.value()))?;
        owned.remove((BY_SUBJECT, subject, root.value()))?;
        swept += 1;
    }
    Ok(swept)
}

fn family(families: &impl ReadableTable<&'static str, Row>, root: &str) -> Result<Option<KeptFamily>, redb::Error> {
    Ok(families.get(root)?.map(|row| read(root, row.value())))
}

fn read(root: &str, row: <Row as redb::Value>::SelfType<'_>) -> KeptFamily {
    let (client, subject, record, until, tokens_until, end, leaf, parent) = row;
    KeptFamily {
        family: Family {
            root: root.to_owned(),
            client: client.to_owned(),
            subject: subject.to_owned(),
            record: record.to_vec(),
            until: Timestamp(until),
            tokens_until: Timestamp(tokens_until),
            end: Timestamp(end),
        },
        leaf: TokenDigest::from_bytes(*leaf),
        parent: parent.map(|(digest, rotated_at, successor)| SpentParent {
            digest: TokenDigest::from_bytes(*digest),
            rotated_at: Timestamp(rotated_at),
            successor: successor.to_vec(),
        }),
    }
}

/// Puts a family as it is now, and its leaf among the tokens that were given.
fn put(transaction: &WriteTransaction, kept: &KeptFamily) -> Result<(), redb::Error> {
    let KeptFamily { family, leaf, parent } = kept;
    let parent = parent.as_ref().map(|spent| (spent.digest.as_bytes(), spent.rotated_at.0, &*spent.successor));
    let row = (
        &*family.client,
        &*family.subject,
        &*family.record,
        family.until.0,
        family.tokens_until.0,
        family.end.0,
        leaf.as_bytes(),
        parent,
    );
    transaction.open_table(FAMILIES)?.insert(&*family.root, row)?;
    transaction.open_table(TOKENS)?.insert(leaf.as_bytes(), (&*family.root, family.until.0))?;
    Ok(())
}

/// The family that a token is of, unless either has ended.
fn family_of(
    tokens: &impl ReadableTable<&'static [u8; 32], (&'static str, u64)>,
    families: &impl ReadableTable<&'static str, Row>,
    digest: &TokenDigest,
    now: Timestamp,
) -> Result<Option<KeptFamily>, redb::Error> {
    let Some(token) = tokens.get(digest.as_bytes())? else { return Ok(None) };
    let (root, until) = token.value();
    let found = if until < now.0 { None } else { family(families, root)? };
    Ok(found.filter(|kept| !kept.has_ended(now)))
}

fn rotate(transaction: &WriteTransaction, mut kept: KeptFamily, rotation: &Rotation) -> Result<bool, redb::Error> {
    let mut tokens = transaction.open_table(TOKENS)?;
    if tokens.get(rotation.leaf.as_bytes())?.is_some() {
        return Ok(false);
    }
    let rotated_at = rotation.turn();
    let spent_until = SpentParent::known_until(rotated_at, kept.family.until);
    tokens.insert(rotation.shown.as_bytes(), (&*kept.family.root, spent_until.0))?;
    drop(tokens);
    kept.rotate(rotation, rotated_at);
    put(transaction, &kept)?;
    Ok(true)
}

/// Ends a family, and puts its root in the feed; nothing if there is none.
fn end(transaction: &WriteTransaction, root: &str) -> Result<Option<Family>, redb::Error> {
    let mut families = transaction.open_table(FAMILIES)?;
    let Some(row) = families.remove(root)? else { return Ok(None) };
    let ended = read(root, row.value()).family;
    let mut owned = transaction.open_table(OWNED)?;
    owned.remove((BY_CLIENT, &*ended.client, root))?;
    owned.remove((BY_SUBJECT, &*ended.subject, root))?;
    revoke(transaction, root, ended.tokens_until)?;
    Ok(Some(ended))
}

#[async_trait]
impl FamilyStore for EmbeddedStore {
    async fn look_up_refresh(&self, digest: &TokenDigest, now: Timestamp) -> Result<Refresh, StoreError> {
        let digest = *digest;
        self.read(move |transaction| {
            let (tokens, families) = (transaction.open_table(TOKENS)?, transaction.open_table(FAMILIES)?);
            let Some(found) = family_of(&tokens, &families, &digest, now)? else { return Ok(Refresh::Unknown) };
            Ok(match found.shown(&digest, now) {
                Shown::Leaf => Refresh::Leaf(found.family),
                Shown::Grace(successor) => Refresh::Grace { family: found.family, successor },
                Shown::Spent => Refresh::Reused(found.family),
            })
        })
        .await
    }

    async fn rotate_refresh(&self, rotation: &Rotation) -> Result<Rotated, StoreError> {
        let rotation = rotation.clone();
        self.write(move |transaction| {
            let (shown, now) = (&rotation.shown, rotation.now);
            let (tokens, families) = (transaction.open_table(TOKENS)?, transaction.open_table(FAMILIES)?);
            let found = family_of(&tokens, &families, shown, now)?;
            drop((tokens, families));
            let Some(found) = found else { return Ok(Ending::Unchanged(Ok(Rotated::Gone))) };
            Ok(match found.shown(shown, now) {
                Shown::Leaf if rotate(transaction, found.clone(), &rotation)? => Ending::Kept(Ok(Rotated::Rotated)),
                Shown::Leaf => Ending::Unchanged(Err(StoreError::NotNew)),
                Shown::Grace(successor) => Ending::Unchanged(Ok(Rotated::Grace { family: found.family, successor })),
                Shown::Spent => match end(transaction, &found.family.root)? {
                    Some(ended) => Ending::Kept(Ok(Rotated::Reused(ended))),
                    None => Ending::Unchanged(Ok(Rotated::Gone)),
                },
            })
        })
        .await?
    }

    async fn revoke_family(&self, root: &str) -> Result<bool, StoreError> {
        let root = root.to_owned();
        self.write(move |transaction| {
            let is_ended = end(transaction, &root)?.is_some();
            Ok(if is_ended { Ending::Kept(true) } else { Ending::Unchanged(false) })
        })
        .await
    }

    async fn families(&self, of: Whose<'_>, after: Option<&str>, now: Timestamp) -> Result<Vec<Family>, StoreError> {
        let (kind, owner) = match of {
            Whose::Client(client) => (BY_CLIENT, client.to_owned()),
            Whose::Subject(subject) => (BY_SUBJECT, subject.to_owned()),
        };
        let after = after.map(str::to_owned);
        self.read(move |transaction| {
            let (owned, families) = (transaction.open_table(OWNED)?, transaction.open_table(FAMILIES)?);
            let mut page = Vec::new();
            for entry in owned.range((kind, &*owner, after.as_deref().unwrap_or_default())..)? {
                let (key, _) = entry?;
                let (of_kind, of_owner, root) = key.value();
                if (of_kind, of_owner) != (kind, &*owner) || page.len() == FAMILY_PAGE {
                    break;
                }
                let found = family(&families, root)?.filter(|found| found.kept_until() >= now);
                page.extend(found.filter(|_| after.as_deref() != Some(root)).map(|found| found.family));
            }
            Ok(page)
        })
        .await
    }
}
