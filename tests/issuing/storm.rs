//! `kill -9` in a storm of rotations (P7): a crash may cost a client one answer, never its family.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use narrowgate::clock::Timestamp;
use narrowgate::store::{
    Code, EmbeddedStore, NewCode, NewFamily, PostgresStore, Refresh, Rotated, Rotation, Store, TakingCode, TokenDigest,
    Whose,
};

use crate::house::House;
use crate::killed::Doomed;
use crate::{cluster, database};

/// How many families rotate at once.
const FAMILIES: usize = 8;
/// How often the child is killed, and after how many answers.
const KILLS: [usize; 6] = [1, 5, 40, 41, 150, 90];
/// Time stands still, so that every parent is within its grace.
const NOW: Timestamp = Timestamp(1_000);
const LATER: Timestamp = Timestamp(2_000);

fn token(family: usize, at: usize) -> Vec<u8> {
    format!("token {at} of {family}").into_bytes()
}

fn digest(family: usize, at: usize) -> TokenDigest {
    TokenDigest::of(&token(family, at))
}

fn code(family: usize) -> NewCode {
    let root = format!("family {family}");
    NewCode { digest: TokenDigest::of(root.as_bytes()), root, record: b"grant".to_vec(), until: LATER }
}

fn in_a_file(folder: &Path) -> Arc<dyn Store> {
    Arc::new(EmbeddedStore::open(&folder.join("narrowgate.redb")).unwrap())
}

/// In the database whose address a file in the folder has.
async fn in_a_database(folder: &Path) -> Arc<dyn Store> {
    let url = fs::read_to_string(folder.join("url")).unwrap();
    Arc::new(PostgresStore::open(&database::database_at(&url), None).await.unwrap())
}

async fn look(store: &dyn Store, family: usize, at: usize) -> Refresh {
    store.look_up_refresh(&digest(family, at), NOW).await.unwrap()
}

/// Takes the code of a family; that of one which began before is spent.
async fn redeem(store: &dyn Store, family: usize) -> Code {
    let NewCode { digest: of_code, record, .. } = code(family);
    let new = NewFamily {
        client: "app".to_owned(),
        subject: "ann".to_owned(),
        record: record.clone(),
        leaf: digest(family, 0),
        until: LATER,
        tokens_until: LATER,
        end: LATER,
    };
    let taking = TakingCode { digest: of_code, record, family: new, now: NOW };
    store.take_code(&taking).await.unwrap()
}

/// Goes on where the family was left, and tells every answer that it gets.
async fn rotate_for_ever(store: Arc<dyn Store>, family: usize) {
    // It is there already if the child was killed before.
    let _ = store.save_code(&code(family)).await;
    redeem(&*store, family).await;
    let mut at = 0;
    while !matches!(look(&*store, family, at).await, Refresh::Leaf(_)) {
        at += 1;
    }
    loop {
        println!("leaf {family} {at}");
        let rotation = Rotation {
            shown: digest(family, at),
            leaf: digest(family, at + 1),
            successor: token(family, at + 1),
            until: LATER,
            tokens_until: LATER,
            now: NOW,
            asked: Instant::now(),
        };
        assert_eq!(store.rotate_refresh(&rotation).await.unwrap(), Rotated::Rotated);
        at += 1;
    }
}

async fn refresh_for_ever(store: Arc<dyn Store>) {
    let families = (0..FAMILIES).map(|family| tokio::spawn(rotate_for_ever(Arc::clone(&store), family)));
    for family in families.collect::<Vec<_>>() {
        family.await.unwrap();
    }
}

/// The child.
#[tokio::test(flavor = "multi_thread")]
async fn refreshes_in_a_file_until_it_is_killed() {
    let Some(folder) = Doomed::folder() else { return };
    refresh_for_ever(in_a_file(&folder)).await;
}

/// The child.
#[tokio::test(flavor = "multi_thread")]
async fn refreshes_in_a_database_until_it_is_killed() {
    let Some(folder) = Doomed::folder() else { return };
    refresh_for_ever(in_a_database(&folder).await).await;
}

/// The one leaf of a family is the one that was told last, or its successor, which the one told last gives again.
async fn stands_where_it_was_told(store: &dyn Store, family: usize, told: usize) {
    let leaf = match look(store, family, told).await {
        Refresh::Leaf(_) => told,
        Refresh::Grace { successor, .. } => {
            assert_eq!(successor, token(family, told + 1));
            assert!(matches!(look(store, family, told + 1).await, Refresh::Leaf(_)));
            told + 1
        }
        lost => panic!("{family} at {told}: {lost:?}"),
    };
    for at in (0..leaf + 3).filter(|at| *at != leaf) {
        let looked = look(store, family, at).await;
        let is_right = match looked {
            Refresh::Grace { .. } => at + 1 == leaf,
            Refresh::Reused(_) => at + 1 < leaf,
            Refresh::Unknown => at > leaf,
            Refresh::Leaf(_) => false,
        };
        assert!(is_right, "{family} at {at}, with its leaf at {leaf}: {looked:?}");
    }
}

/// Kills one child after the other, and looks each time what is left.
async fn no_kill_costs_a_family(child: &str, folder: &Path, open: impl AsyncFn() -> Arc<dyn Store>) {
    let mut told = [None; FAMILIES];
    for after in KILLS {
        let child = Doomed::start(child, folder);
        let answers = child.told_until_killed("leaf ", after);
        assert!(answers.len() >= after, "{} of {after}", answers.len());
        for answer in answers {
            let (family, at) = answer.split_once(' ').unwrap();
            told[family.parse::<usize>().unwrap()] = Some(at.parse().unwrap());
        }
        let store = open().await;
        for (family, told) in told.iter().enumerate() {
            match (store.peek_code(&code(family).digest, NOW).await.unwrap(), told) {
                (Code::Spent { .. }, told) => stands_where_it_was_told(&*store, family, told.unwrap_or(0)).await,
                (_, None) => assert_eq!(look(&*store, family, 0).await, Refresh::Unknown, "no code, no family"),
                (code, Some(at)) => panic!("{family} told {at}, and its code is {code:?}"),
            }
        }
        let standing = store.families(Whose::Client("app"), None, NOW).await.unwrap().len();
        assert!((told.iter().flatten().count()..=FAMILIES).contains(&standing));
        assert_eq!(store.revocations_after(0).await.unwrap().revocations, []);
    }
    assert!(told.iter().flatten().any(|at| *at > 5), "they got somewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_in_a_storm_of_rotations_costs_a_family_in_a_file() {
    let house = House::new("storm");
    let folder = house.path("");
    let child = "storm::refreshes_in_a_file_until_it_is_killed";
    no_kill_costs_a_family(child, &folder, async || in_a_file(&folder)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_in_a_storm_of_rotations_costs_a_family_in_a_database() {
    let house = House::new("storm-database");
    let folder = house.path("");
    let cluster = cluster::Cluster::start();
    fs::write(folder.join("url"), cluster.url("postgres")).unwrap();
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'narrowgate'";
    let open = async || {
        // What the child had asked for comes to its end after it.
        let end = Instant::now() + Duration::from_secs(20);
        while cluster.sql("postgres", left) != "0" {
            assert!(Instant::now() < end, "its sessions do not end");
        }
        in_a_database(&folder).await
    };
    no_kill_costs_a_family("storm::refreshes_in_a_database_until_it_is_killed", &folder, open).await;
}
