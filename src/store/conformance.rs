//! What every backend must hold, as tests that each of them runs: `conforms!(Backend)`.
//!
//! To open a backend again stands for a restart: nothing but what was kept may be there then.

pub(crate) mod codes;
pub(crate) mod consents;
pub(crate) mod families;
mod sample;

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{FEED_PAGE, Revocation, RevocationFeed, SealedKeyRing, Store};
use crate::clock::Timestamp;

/// How many ask at once.
const MANY: usize = 50;

/// A backend under test; what it keeps goes when it is dropped.
pub(crate) trait Bench {
    /// A place where nothing is kept yet; `name` is of one test only.
    fn fresh(name: &str) -> Self;
    /// The store at that place; nobody else has it open.
    fn open(&self) -> Arc<dyn Store>;
}

/// Makes a test of every check, for one backend.
macro_rules! conforms {
    ($bench:ty) => {
        $crate::store::conformance::conforms!($bench:
            nothing_is_there_at_first,
            a_ring_takes_the_place_of_the_one_that_was_meant,
            of_many_first_rings_one_is_kept,
            of_many_rotations_one_wins,
            a_ring_can_be_long,
            of_many_who_mark_a_name_one_is_the_first,
            a_mark_survives,
            revocations_survive_in_their_order,
            a_feed_comes_in_pages,
            no_revocation_is_missed_while_many_are_made,
            what_ended_is_swept_and_nothing_else,
            places_are_never_used_twice,
        );
        $crate::store::conformance::conforms!($bench, codes:
            looking_at_a_code_takes_nothing,
            of_many_who_take_a_code_one_has_it_and_its_family,
            a_code_is_taken_as_it_was_looked_at,
            a_spent_code_is_known_by_its_root_while_anything_is_left,
            a_code_that_ended_is_unknown_and_swept,
            a_code_and_what_it_gives_are_new_or_nothing_happens,
            of_many_who_take_what_is_there_once_one_has_it,
            what_is_there_once_ends_and_is_swept,
            what_is_there_for_good_stays,
        );
        $crate::store::conformance::conforms!($bench, families:
            a_rotation_survives_and_the_parent_gives_the_same_successor,
            of_many_rotations_at_once_one_is_the_first_and_the_others_get_its_successor,
            a_parent_beyond_the_grace_ends_its_family,
            a_grandparent_ends_its_family_at_any_time,
            of_many_reuses_at_once_one_ends_the_family,
            a_clock_that_lies_behind_is_within_the_grace,
            waiting_is_no_part_of_the_grace,
            a_family_ends_when_nobody_uses_it,
            no_rotation_goes_beyond_the_end_of_its_family,
            a_parent_that_was_about_to_end_has_its_grace,
            a_successor_that_is_known_changes_nothing,
            a_family_that_is_revoked_is_in_the_feed_with_its_last_token,
            of_many_who_revoke_a_family_one_does,
            revoking_while_many_rotate_leaves_nothing_that_is_good,
            families_are_listed_by_whose_they_are,
            a_list_of_families_comes_in_pages,
            families_that_ended_are_swept_with_their_tokens,
        );
        $crate::store::conformance::conforms!($bench, consents:
            consents_add_up_and_survive,
            what_is_declined_is_forgotten,
            of_many_consents_at_once_none_is_lost,
            a_consent_is_withdrawn_for_one_resource,
        );
    };
    ($bench:ty, $module:ident: $($check:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $check() {
                let bench = <$bench as $crate::store::conformance::Bench>::fresh(stringify!($check));
                $crate::store::conformance::$module::$check(&bench).await;
            }
        )+
    };
    ($bench:ty: $($check:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $check() {
                let bench = <$bench as $crate::store::conformance::Bench>::fresh(stringify!($check));
                $crate::store::conformance::$check(&bench).await;
            }
        )+
    };
}
pub(crate) use conforms;

/// What `task` gave to each of many who began at once.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    store: &Arc<dyn Store>,
    task: impl Fn(Arc<dyn Store>, usize) -> F,
) -> Vec<T> {
    let mut tasks = JoinSet::new();
    for at in 0..MANY {
        tasks.spawn(task(Arc::clone(store), at));
    }
    tasks.join_all().await
}

fn revocation(name: &str, until: u64) -> Revocation {
    Revocation { name: name.to_owned(), until: Timestamp(until) }
}

/// The whole feed behind `place`, page by page.
async fn feed(store: &dyn Store, mut place: u64) -> RevocationFeed {
    let mut revocations = Vec::new();
    loop {
        let page = store.revocations_after(place).await.unwrap();
        if page.revocations.is_empty() {
            assert_eq!(page.place, place, "nothing new moves nobody");
            return RevocationFeed { revocations, place };
        }
        assert!(page.place > place && page.revocations.len() <= FEED_PAGE);
        place = page.place;
        revocations.extend(page.revocations);
    }
}

pub(crate) async fn nothing_is_there_at_first(bench: &impl Bench) {
    let store = bench.open();
    assert_eq!(store.key_ring().await.unwrap(), None);
    assert_eq!(store.revocations_after(0).await.unwrap(), RevocationFeed::default());
    let far = store.revocations_after(u64::MAX).await.unwrap();
    assert_eq!(far, RevocationFeed { revocations: Vec::new(), place: u64::MAX });
    store.sweep(Timestamp(100)).await.unwrap();
}

pub(crate) async fn a_ring_takes_the_place_of_the_one_that_was_meant(bench: &impl Bench) {
    let store = bench.open();
    assert!(!store.replace_key_ring(Some(1), b"of none").await.unwrap(), "there is no first one");
    assert_eq!(store.key_ring().await.unwrap(), None);
    assert!(store.replace_key_ring(None, b"first").await.unwrap());
    let first = store.key_ring().await.unwrap().unwrap();
    assert_eq!(first.sealed, b"first");
    assert!(store.replace_key_ring(Some(first.version), b"second").await.unwrap());
    for stale in [None, Some(first.version), Some(first.version + 2)] {
        assert!(!store.replace_key_ring(stale, b"third").await.unwrap(), "{stale:?}");
    }
    drop(store);
    let second = SealedKeyRing { version: first.version + 1, sealed: b"second".to_vec() };
    assert_eq!(bench.open().key_ring().await.unwrap(), Some(second), "what failed is not to be seen");
}

pub(crate) async fn of_many_first_rings_one_is_kept(bench: &impl Bench) {
    one_wins(&bench.open(), None).await;
}

pub(crate) async fn of_many_rotations_one_wins(bench: &impl Bench) {
    let store = bench.open();
    for _ in 0..5 {
        let before = store.key_ring().await.unwrap().map(|ring| ring.version);
        one_wins(&store, before).await;
    }
}

async fn one_wins(store: &Arc<dyn Store>, before: Option<u64>) {
    let tried = at_once(store, move |store, at| async move {
        let sealed = format!("ring {at}").into_bytes();
        store.replace_key_ring(before, &sealed).await.unwrap().then_some(sealed)
    })
    .await;
    let won: Vec<_> = tried.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert_eq!(store.key_ring().await.unwrap().unwrap().sealed, won[0]);
}

pub(crate) async fn a_ring_can_be_long(bench: &impl Bench) {
    let long: Vec<u8> = (0..100_000_usize).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let store = bench.open();
    assert!(store.replace_key_ring(None, &long).await.unwrap());
    drop(store);
    assert_eq!(bench.open().key_ring().await.unwrap().unwrap().sealed, long);
}

pub(crate) async fn of_many_who_mark_a_name_one_is_the_first(bench: &impl Bench) {
    let store = bench.open();
    for name in ["assertion", "another", ""] {
        let marked =
            at_once(&store, move |store, _| async move { store.mark_used(name, Timestamp(100)).await.unwrap() }).await;
        assert_eq!(marked.into_iter().filter(|first| *first).count(), 1, "{name}");
    }
}

pub(crate) async fn a_mark_survives(bench: &impl Bench) {
    let store = bench.open();
    assert!(store.mark_used("assertion", Timestamp(100)).await.unwrap());
    drop(store);
    let store = bench.open();
    assert!(!store.mark_used("assertion", Timestamp(200)).await.unwrap());
    store.sweep(Timestamp(101)).await.unwrap();
    assert!(store.mark_used("assertion", Timestamp(300)).await.unwrap(), "the second until did not count");
}

pub(crate) async fn revocations_survive_in_their_order(bench: &impl Bench) {
    let store = bench.open();
    let made = [revocation("root.b", 300), revocation("root", 100), revocation("a", 200), revocation("root", 400)];
    for revocation in &made {
        store.revoke(revocation).await.unwrap();
    }
    drop(store);
    let store = bench.open();
    let all = feed(&*store, 0).await;
    assert_eq!(all.revocations, made);
    store.revoke(&revocation("late", 500)).await.unwrap();
    assert_eq!(feed(&*store, all.place).await.revocations, [revocation("late", 500)]);
}

pub(crate) async fn a_feed_comes_in_pages(bench: &impl Bench) {
    let store = bench.open();
    let made: Vec<_> = (0..FEED_PAGE + 3).map(|at| revocation(&format!("grant-{at}"), 100)).collect();
    for revocation in &made {
        store.revoke(revocation).await.unwrap();
    }
    let page = store.revocations_after(0).await.unwrap();
    assert_eq!(page.revocations, made[..FEED_PAGE]);
    assert_eq!(store.revocations_after(page.place).await.unwrap().revocations, made[FEED_PAGE..]);
}

/// Who follows the feed while others write must not step over what is written late (as a sequence would let it).
pub(crate) async fn no_revocation_is_missed_while_many_are_made(bench: &impl Bench) {
    let store = bench.open();
    let following = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let (mut seen, mut place) = (Vec::new(), 0);
            while seen.len() < MANY {
                let page = store.revocations_after(place).await.unwrap();
                seen.extend(page.revocations);
                place = page.place;
                tokio::task::yield_now().await;
            }
            seen
        }
    });
    at_once(&store, |store, at| async move { store.revoke(&revocation(&format!("{at:02}"), 100)).await.unwrap() })
        .await;
    let mut seen: Vec<_> = following.await.unwrap().into_iter().map(|revocation| revocation.name).collect();
    assert_eq!(seen, feed(&*store, 0).await.revocations.into_iter().map(|made| made.name).collect::<Vec<_>>());
    seen.sort();
    assert_eq!(seen, (0..MANY).map(|at| format!("{at:02}")).collect::<Vec<_>>());
}

pub(crate) async fn what_ended_is_swept_and_nothing_else(bench: &impl Bench) {
    let store = bench.open();
    store.replace_key_ring(None, b"ring").await.unwrap();
    for until in [99, 100, 101] {
        store.revoke(&revocation(&format!("until {until}"), until)).await.unwrap();
        assert!(store.mark_used(&format!("until {until}"), Timestamp(until)).await.unwrap());
    }
    store.sweep(Timestamp(100)).await.unwrap();
    drop(store);
    let store = bench.open();
    let left = [revocation("until 100", 100), revocation("until 101", 101)];
    assert_eq!(feed(&*store, 0).await.revocations, left);
    let mut marks = Vec::new();
    for until in [99, 100, 101] {
        marks.push(store.mark_used(&format!("until {until}"), Timestamp(200)).await.unwrap());
    }
    assert_eq!(marks, [true, false, false]);
    assert_eq!(store.key_ring().await.unwrap().unwrap().sealed, b"ring");
}

/// Or whoever asks on from an earlier place would miss what took it.
pub(crate) async fn places_are_never_used_twice(bench: &impl Bench) {
    let store = bench.open();
    store.revoke(&revocation("early", 100)).await.unwrap();
    let place = store.revocations_after(0).await.unwrap().place;
    store.sweep(Timestamp(101)).await.unwrap();
    drop(store);
    let store = bench.open();
    store.revoke(&revocation("late", 200)).await.unwrap();
    assert_eq!(store.revocations_after(place).await.unwrap().revocations, [revocation("late", 200)]);
}
