//! Codes and what else is taken once, in a file.

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::writer::Ending;
use super::{EmbeddedStore, families, gone};
use crate::clock::Timestamp;
use crate::store::{Code, CodeStore, NewCode, StoreError, TakingCode, TokenDigest};

/// Its root; its record; when the access token that it gave ends, once it was taken; and until when it matters.
type Row = (&'static str, &'static [u8], Option<u64>, u64);

/// Codes, by their digests.
pub(super) const CODES: TableDefinition<&[u8; 32], Row> = TableDefinition::new("codes");
/// Sealed bytes and ends, by names.
pub(super) const ONCE: TableDefinition<&str, (&[u8], u64)> = TableDefinition::new("once");

pub(super) fn sweep(transaction: &WriteTransaction, now: Timestamp) -> Result<usize, redb::Error> {
    let codes = gone(transaction.open_table(CODES)?.extract_if(|_, (.., until)| until < now.0)?)?;
    Ok(codes + gone(transaction.open_table(ONCE)?.extract_if(|_, (_, until)| until < now.0)?)?)
}

fn worth(
    codes: &impl ReadableTable<&'static [u8; 32], Row>,
    digest: &TokenDigest,
    now: Timestamp,
) -> Result<Code, redb::Error> {
    let Some(kept) = codes.get(digest.as_bytes())? else { return Ok(Code::Unknown) };
    let (root, record, spent, until) = kept.value();
    let (root, record) = (root.to_owned(), record.to_vec());
    Ok(match spent {
        _ if until < now.0 => Code::Unknown,
        None => Code::Fresh { record, root },
        Some(tokens_until) => Code::Spent { record, root, tokens_until: Timestamp(tokens_until) },
    })
}

#[async_trait]
impl CodeStore for EmbeddedStore {
    async fn save_code(&self, code: &NewCode) -> Result<(), StoreError> {
        let NewCode { digest, root, record, until } = code.clone();
        self.write(move |transaction| {
            let mut codes = transaction.open_table(CODES)?;
            if codes.get(digest.as_bytes())?.is_some() {
                return Ok(Ending::Unchanged(Err(StoreError::NotNew)));
            }
            codes.insert(digest.as_bytes(), (&*root, &*record, None, until.0))?;
            Ok(Ending::Kept(Ok(())))
        })
        .await?
    }

    async fn peek_code(&self, digest: &TokenDigest, now: Timestamp) -> Result<Code, StoreError> {
        let digest = *digest;
        self.read(move |transaction| worth(&transaction.open_table(CODES)?, &digest, now)).await
    }

    async fn take_code(&self, taking: &TakingCode) -> Result<Code, StoreError> {
        let taking = taking.clone();
        self.write(move |transaction| {
            let mut codes = transaction.open_table(CODES)?;
            let worth = worth(&codes, &taking.digest, taking.now)?;
            let Code::Fresh { record, root } = &worth else { return Ok(Ending::Unchanged(Ok(worth))) };
            if *record != taking.record {
                return Ok(Ending::Unchanged(Ok(Code::Unknown)));
            }
            if !families::begin(transaction, root, &taking.family)? {
                return Ok(Ending::Unchanged(Err(StoreError::NotNew)));
            }
            let (tokens_until, until) = (taking.family.tokens_until.0, taking.remembered_until().0);
            codes.insert(taking.digest.as_bytes(), (&**root, &**record, Some(tokens_until), until))?;
            Ok(Ending::Kept(Ok(worth)))
        })
        .await?
    }

    async fn put_once(&self, name: &str, sealed: &[u8], until: Timestamp) -> Result<bool, StoreError> {
        let (name, sealed) = (name.to_owned(), sealed.to_vec());
        self.write(move |transaction| {
            let mut once = transaction.open_table(ONCE)?;
            if once.get(&*name)?.is_some() {
                return Ok(Ending::Unchanged(false));
            }
            once.insert(&*name, (&*sealed, until.0))?;
            Ok(Ending::Kept(true))
        })
        .await
    }

    async fn peek_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.read(move |transaction| {
            let kept = transaction.open_table(ONCE)?.get(&*name)?.map(|kept| {
                let (sealed, until) = kept.value();
                (until >= now.0).then(|| sealed.to_vec())
            });
            Ok(kept.flatten())
        })
        .await
    }

    async fn take_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.write(move |transaction| {
            let mut once = transaction.open_table(ONCE)?;
            let taken = once.remove(&*name)?.map(|kept| {
                let (sealed, until) = kept.value();
                (until >= now.0).then(|| sealed.to_vec())
            });
            Ok(taken.map_or(Ending::Unchanged(None), Ending::Kept))
        })
        .await
    }
}
