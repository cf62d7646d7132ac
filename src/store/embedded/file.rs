//! The file of an embedded store: how it is made, and what keeps it from being opened.
//!
//! It gets its name once it is whole, so that a crash leaves no half of a store behind. Whoever else has it open is told
//! apart from a file that is no store.

use std::fs;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition, TableHandle};

use super::codes::{CODES, ONCE};
use super::consents::CONSENTS;
use super::families::{FAMILIES, OWNED, TOKENS};
use super::{KEY_RING, NUMBERS, REVOCATIONS, USED};
use crate::store::StoreError;
use crate::store::new_file::{Named, NewFile};

/// Which form the tables have; a later one says so here. That there are more of them is no other form.
const FORM: &str = "form";
const OUR_FORM: u64 = 1;
/// The table without which a file is of an earlier version.
const LAST_ADDED: TableDefinition<(&str, &str, &str), Vec<&str>> = CONSENTS;
/// Far more than all that is kept.
const CACHE_BYTES: usize = 16 << 20;

/// Opens the database in a file, or makes it.
pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    let is_missing = fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if let Some(database) = if is_missing { make(path)? } else { None } {
        return Ok(database);
    }
    let database = without_panic(path, || Builder::new().set_cache_size(CACHE_BYTES).open(path))?;
    match without_panic(path, || form(&database)) {
        Ok(Some(OUR_FORM)) => without_panic(path, || complete(&database)).map(|()| database),
        Ok(Some(form)) => Err(unusable(
            path,
            &format!("was written by another version of Narrowgate (form {form}, and this one reads {OUR_FORM})"),
            "start that version, or name another file",
        )),
        Ok(None) => Err(unusable(path, "is a database of another program", "name another file")),
        Err(error) => Err(error),
    }
}

/// Makes the database and gives it its name; nothing if somebody else was quicker.
fn make(path: &Path) -> Result<Option<Database>, StoreError> {
    let failed = |error: io::Error| unusable(path, &format!("cannot be made: {error}"), "its folder must be writable");
    let new = NewFile::beside(path).map_err(failed)?;
    let database = without_panic(path, || {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(new.temporary())?;
        write_form(&database).map(|()| database)
    })?;
    Ok(match new.take_name().map_err(failed)? {
        Named::Ours => Some(database),
        Named::Theirs => None,
    })
}

fn write_form(database: &Database) -> Result<(), DatabaseError> {
    let write = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(KEY_RING)?;
        transaction.open_table(REVOCATIONS)?;
        transaction.open_table(USED)?;
        transaction.open_table(CODES)?;
        transaction.open_table(ONCE)?;
        transaction.open_table(FAMILIES)?;
        transaction.open_table(TOKENS)?;
        transaction.open_table(OWNED)?;
        transaction.open_table(CONSENTS)?;
        transaction.open_table(NUMBERS)?.insert(FORM, OUR_FORM)?;
        Ok(transaction.commit()?)
    };
    write().map_err(|error| DatabaseError::Storage(StorageError::Corrupted(error.to_string())))
}

/// An earlier version kept less: what came since is there from now on, and empty.
fn complete(database: &Database) -> Result<(), DatabaseError> {
    let read = || -> Result<bool, redb::Error> {
        let transaction = database.begin_read()?;
        Ok(transaction.list_tables()?.any(|table| table.name() == LAST_ADDED.name()))
    };
    match read() {
        Ok(true) => Ok(()),
        Ok(false) => write_form(database),
        Err(error) => Err(DatabaseError::Storage(StorageError::Corrupted(error.to_string()))),
    }
}

/// The form that the file says it has; nothing if it says none.
fn form(database: &Database) -> Result<Option<u64>, DatabaseError> {
    let read = || -> Result<Option<u64>, redb::Error> {
        let transaction = database.begin_read()?;
        Ok(transaction.open_table(NUMBERS)?.get_owned(FORM)?.map(|form| form.value()))
    };
    match read() {
        Ok(form) => Ok(form),
        Err(redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. }) => Ok(None),
        Err(error) => Err(DatabaseError::Storage(StorageError::Corrupted(error.to_string()))),
    }
}

/// What redb says, and its panic over a file that contradicts itself, as our error.
fn without_panic<T>(path: &Path, ask: impl FnOnce() -> Result<T, DatabaseError>) -> Result<T, StoreError> {
    let damaged = |why: &str| {
        unusable(
            path,
            &format!("is damaged, or no store: {why}"),
            "put a copy of it in its place, or name another file",
        )
    };
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch)) => Err(StoreError::InUse),
        Ok(Err(DatabaseError::UpgradeRequired(form))) => {
            let what = format!("was written by an older redb (its form {form})");
            Err(unusable(path, &what, "start the version of Narrowgate that wrote it, or name another file"))
        }
        Ok(Err(DatabaseError::Storage(StorageError::Io(error)))) if error.kind() != ErrorKind::InvalidData => {
            Err(unusable(path, &format!("cannot be opened: {error}"), "look at its owner, its mode and the disk"))
        }
        Ok(Err(error)) => Err(damaged(&error.to_string())),
        Err(_) => Err(damaged("it contradicts itself")),
    }
}

fn unusable(path: &Path, what: &str, hint: &str) -> StoreError {
    StoreError::Unusable(format!("`{}` {what}; {hint}", path.display()))
}
