//! `kill -9` in a storm of refreshes (P7), as clients see it: a crash may cost one of them an answer, never its family, and no
//! code and no refresh token is worth anything twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use narrowgate::store::{EmbeddedStore, GRACE_SECONDS, PostgresStore};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::fleet::{Fleet, random};
use super::World;
use super::database::cluster::Cluster;
use crate::gateway::PATIENCE;

mod fleet;
pub mod seeds;

/// How many families refresh at once, and how often each.
const FAMILIES: usize = 200;
const REFRESHES: usize = 10;
/// How many codes several clients show at once, and how many.
const RACED: usize = 30;
const RACERS: usize = 6;

/// The first refresh token of each code's family.
async fn begin(fleet: &Arc<Fleet>, codes: &[String]) -> Vec<String> {
    let redeemed = codes.iter().cloned().map(|code| {
        let fleet = Arc::clone(fleet);
        async move {
            let (status, answer) = fleet.redeem(&code).await.expect("all is calm");
            assert_eq!(status, 200, "{answer}");
            answer["refresh_token"].as_str().expect("the client may refresh").to_owned()
        }
    });
    redeemed.collect::<JoinSet<_>>().join_all().await
}

/// A family's life: every token is shown once, or by two at once, until one has an answer. Gives the last token.
async fn live(fleet: Arc<Fleet>, first: String) -> String {
    let mut token = first;
    for _ in 0..REFRESHES {
        let (once, twice) = match random(4) {
            0 => {
                let (one, other) = tokio::join!(fleet.next(&token), fleet.next(&token));
                (one, Some(other))
            }
            _ => (fleet.next(&token).await, None),
        };
        let successor = once.unwrap_or_else(|lost| panic!("a family is lost: {lost}"));
        assert!(twice.is_none_or(|twice| twice.as_ref() == Ok(&successor)), "one successor");
        token = successor;
    }
    token
}

/// Several clients show one code at once; gives the tokens that came of it, and whether any of them was told that it is none.
async fn race(fleet: Arc<Fleet>, code: String) -> (Vec<Value>, bool) {
    let racers = (0..RACERS).map(|_| {
        let (fleet, code) = (Arc::clone(&fleet), code.clone());
        async move { fleet.redeem_somewhere(&code).await }
    });
    let answers: Vec<_> = racers.collect::<JoinSet<_>>().join_all().await.into_iter().flatten().collect();
    let is_told = answers.iter().any(|(status, answer)| *status == 400 && answer["error"] == "invalid_grant");
    (answers.into_iter().filter(|(status, _)| *status == 200).map(|(_, answer)| answer).collect(), is_told)
}

/// Waits until so many refreshes were answered.
async fn until(fleet: &Fleet, count: usize) {
    let begun = Instant::now();
    while fleet.count() < count {
        assert!(begun.elapsed() < 4 * PATIENCE, "{} of {count}", fleet.count());
        sleep(Duration::from_millis(5)).await;
    }
}

/// Holds everything that was answered against what must never be.
fn check(fleet: &Fleet) {
    let accepted = fleet.accepted.lock().expect("nobody panics with it");
    assert!(accepted.len() >= FAMILIES * REFRESHES, "{}", accepted.len());
    let mut of_token: BTreeMap<&str, (BTreeSet<&str>, Instant, Instant)> = BTreeMap::new();
    for one in accepted.iter() {
        let known = of_token.entry(&one.shown).or_insert_with(|| (BTreeSet::new(), one.at, one.at));
        known.0.insert(&one.successor);
        (known.1, known.2) = (known.1.min(one.at), known.2.max(one.at));
    }
    for (successors, first, last) in of_token.values() {
        assert_eq!(successors.len(), 1, "no token has two successors");
        assert!(*last - *first <= Duration::from_secs(GRACE_SECONDS + 1), "none is taken again behind the grace");
    }
    let successors: BTreeSet<_> = accepted.iter().map(|one| &one.successor).collect();
    assert_eq!(successors.len(), of_token.len(), "no successor has two parents");
    println!(
        "{} refreshes were answered, {} of them again; {} answers were lost",
        accepted.len(),
        accepted.len() - of_token.len(),
        fleet.lost.load(Ordering::Relaxed)
    );
}

/// Every family stands: its last token is good. Then one that was spent long ago is shown, and the family has ended.
async fn stands_and_ends(fleet: &Arc<Fleet>, first: &[String], last: Vec<String>) {
    let refreshed = last.into_iter().map(|token| {
        let fleet = Arc::clone(fleet);
        async move { fleet.next(&token).await.unwrap_or_else(|lost| panic!("a family is lost: {lost}")) }
    });
    let leaves = refreshed.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(leaves.len(), FAMILIES);
    for (spent, _) in first.iter().zip(0..10) {
        let (status, answer) = fleet.refresh(spent).await.expect("all is calm");
        assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
    }
    let mut ended = 0;
    for leaf in leaves {
        ended += usize::from(fleet.refresh(&leaf).await.expect("all is calm").0 == 400);
    }
    assert_eq!(ended, 10, "a reuse ends its family and no other");
}

/// The tokens of a code that was shown again by whoever had used it are worth nothing.
async fn is_worthless(fleet: &Fleet, given: &Value) {
    let token = given["refresh_token"].as_str().expect("the client may refresh");
    let (status, answer) = fleet.refresh(token).await.expect("all is calm");
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_among_two_nodes_costs_a_family_or_doubles_one() {
    let cluster = Cluster::start();
    let store = format!("store: \"{}\"", cluster.url("postgres"));
    let on_database = |text: String| {
        let signing = format!("  signing: {{ key_encryption: {} }}\n  clients:\n", "5a".repeat(32));
        seeds::with_users(&text.replace("store: narrowgate.redb", &store).replace("  clients:\n", &signing))
    };
    let mut first = World::start_with(on_database).await;
    let url = first.url.clone();
    let mut second = World::start_with(|text| {
        let text = on_database(text).replace("url: \"http://127.0.0.1:${PORT}\"", &format!("url: \"{url}\""));
        text.replace("${PORT}", "0")
    })
    .await;
    let kept = PostgresStore::open(&seeds::database_at(&cluster.url("postgres")), None).await.expect("it runs");
    let fleet = Arc::new(Fleet::new(&url, vec![first.gateway.address, second.gateway.address]));

    for code in seeds::codes(&kept, RACED).await {
        let (given, is_told) = race(Arc::clone(&fleet), code).await;
        assert!(given.len() == 1 && is_told, "{given:?}");
        is_worthless(&fleet, &given[0]).await;
    }
    let tokens = begin(&fleet, &seeds::codes(&kept, FAMILIES).await).await;
    let mut families: JoinSet<_> = tokens.iter().cloned().map(|token| live(Arc::clone(&fleet), token)).collect();
    let mut races = JoinSet::new();
    for (count, node) in [(300, 0), (1_100, 1)] {
        until(&fleet, count).await;
        for code in seeds::codes(&kept, RACED).await {
            races.spawn(race(Arc::clone(&fleet), code));
        }
        let world = if node == 0 { &mut first } else { &mut second };
        world.gateway.kill_and_start_again().await;
        fleet.nodes.lock().expect("nobody panics with it")[node] = world.gateway.address;
    }
    let mut last = Vec::new();
    while let Some(token) = families.join_next().await {
        last.push(token.expect("no family is lost"));
    }
    check(&fleet);
    let mut raced = 0;
    while let Some(done) = races.join_next().await {
        let (given, is_told) = done.expect("a race ends");
        assert!(given.len() <= 1, "a code gives one grant: {given:?}");
        raced += given.len();
        if let (Some(given), true) = (given.first(), is_told) {
            is_worthless(&fleet, given).await;
        }
    }
    assert!(raced > 0, "some of them had an answer");
    stands_and_ends(&fleet, &tokens, last).await;
    assert!(fleet.lost.load(Ordering::Relaxed) > 0, "the kills were felt");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_of_a_single_node_costs_a_family_or_doubles_one() {
    let (mut of_families, mut of_races) = (Vec::new(), Vec::new());
    let mut world = World::start_in(async |folder, text| {
        let store = EmbeddedStore::open(&folder.join("narrowgate.redb")).expect("the folder is ours");
        of_families = seeds::codes(&store, FAMILIES).await;
        of_races = seeds::codes(&store, RACED).await;
        seeds::with_users(&text)
    })
    .await;
    let fleet = Arc::new(Fleet::new(&world.url, vec![world.gateway.address]));
    let tokens = begin(&fleet, &of_families).await;
    let mut families: JoinSet<_> = tokens.iter().cloned().map(|token| live(Arc::clone(&fleet), token)).collect();
    for (count, code) in [300, 900, 1_500].into_iter().zip(of_races.chunks(RACED / 3)) {
        until(&fleet, count).await;
        let races: JoinSet<_> = code.iter().cloned().map(|code| race(Arc::clone(&fleet), code)).collect();
        world.gateway.kill_and_start_again().await;
        for (given, is_told) in races.join_all().await {
            assert!(given.len() <= 1, "a code gives one grant: {given:?}");
            if let (Some(given), true) = (given.first(), is_told) {
                is_worthless(&fleet, given).await;
            }
        }
    }
    let mut last = Vec::new();
    while let Some(token) = families.join_next().await {
        last.push(token.expect("no family is lost"));
    }
    check(&fleet);
    stands_and_ends(&fleet, &tokens, last).await;
    assert!(fleet.lost.load(Ordering::Relaxed) > 0, "the kills were felt");
}
