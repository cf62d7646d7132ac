//! The embedded store: it conforms, and says what keeps it from being opened.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::conformance::{Bench, conforms};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("narrowgate-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("narrowgate.redb")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// What keeps the store from being opened.
    fn refusal(&self) -> String {
        match EmbeddedStore::open(&self.file()) {
            Ok(_) => panic!("it opens"),
            Err(error) => error.to_string().replace(&self.0.display().to_string(), ""),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Bench for Folder {
    fn fresh(name: &str) -> Self {
        Self::new(name)
    }

    fn open(&self) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open(&self.file()).unwrap())
    }
}

conforms!(Folder);

#[test]
fn the_file_is_its_owners_alone_and_nothing_is_left_beside_it() {
    let folder = Folder::new("mode");
    drop(folder.open());
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.names(), ["narrowgate.redb"]);
}

#[test]
fn one_opens_it_at_a_time() {
    let folder = Folder::new("twice");
    let open = folder.open();
    assert!(matches!(EmbeddedStore::open(&folder.file()), Err(StoreError::InUse)));
    drop(open);
    folder.open();
}

#[test]
fn of_many_who_make_it_at_once_one_has_it() {
    let folder = Folder::new("race");
    let opened = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| EmbeddedStore::open(&folder.file()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
    assert!(opened.iter().all(|opened| matches!(opened, Ok(_) | Err(StoreError::InUse))));
    assert_eq!(folder.names(), ["narrowgate.redb"]);
}

#[test]
fn what_is_no_store_is_left_as_it_is() {
    let folder = Folder::new("foreign");
    for foreign in [&b"SQLite format 3\0"[..], b"", &[0; 4096]] {
        fs::write(folder.file(), foreign).unwrap();
        let refusal = folder.refusal();
        assert!(
            refusal.starts_with("the store cannot be used: `/narrowgate.redb` is damaged, or no store: "),
            "{refusal}"
        );
        assert!(refusal.ends_with("; put a copy of it in its place, or name another file"), "{refusal}");
        assert_eq!(fs::read(folder.file()).unwrap(), foreign);
    }
}

#[test]
fn a_damaged_store_is_no_panic() {
    let folder = Folder::new("damaged");
    drop(folder.open());
    let whole = fs::read(folder.file()).unwrap();
    fs::write(folder.file(), &whole[..whole.len() / 2]).unwrap();
    assert!(folder.refusal().contains("is damaged, or no store"));
    let mut changed = whole.clone();
    changed[64..320].fill(0xa5);
    fs::write(folder.file(), &changed).unwrap();
    assert!(folder.refusal().contains("is damaged, or no store"));
    fs::write(folder.file(), whole).unwrap();
    folder.open();
}

#[test]
fn a_database_of_another_program_or_another_form_is_refused() {
    const THEIRS: TableDefinition<&str, u64> = TableDefinition::new("theirs");
    let folder = Folder::new("other");
    let put = |table: TableDefinition<&str, u64>, name: &str| {
        let database = Database::create(folder.file()).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(table).unwrap().insert(name, 2).unwrap();
        transaction.commit().unwrap();
    };
    let told = "the store cannot be used: `/narrowgate.redb`";
    put(THEIRS, "a");
    assert_eq!(folder.refusal(), format!("{told} is a database of another program; name another file"));
    put(NUMBERS, "form");
    let newer = "was written by another version of Narrowgate (form 2, and this one reads 1)";
    assert_eq!(folder.refusal(), format!("{told} {newer}; start that version, or name another file"));
}

#[tokio::test]
async fn a_file_of_an_earlier_version_keeps_what_it_has_and_gets_what_it_lacks() {
    let folder = Folder::new("earlier");
    let database = Database::create(folder.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(KEY_RING).unwrap().insert((), (3, &b"ring"[..])).unwrap();
    transaction.open_table(REVOCATIONS).unwrap();
    transaction.open_table(USED).unwrap();
    transaction.open_table(NUMBERS).unwrap().insert("form", 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let store = folder.open();
        assert_eq!(store.key_ring().await.unwrap().unwrap().sealed, b"ring");
        assert_eq!(store.take_once("login", Timestamp(1)).await.unwrap(), None);
        assert!(!store.revoke_family("root").await.unwrap());
        assert!(store.consent_of("app", "ann").await.unwrap().is_empty());
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let path = Path::new("/nowhere/at/all/narrowgate.redb");
    let Err(error) = EmbeddedStore::open(path) else { panic!("it opens") };
    let told = "the store cannot be used: `/nowhere/at/all/narrowgate.redb` cannot be made: ";
    assert!(error.to_string().starts_with(told) && error.to_string().ends_with("its folder must be writable"));
}
