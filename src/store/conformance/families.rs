//! What must hold of refresh families (P7, I29).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sample::{BEGIN, END, IDLE, TOKENS, begin, digest, family, rotation, sealed};
use super::{Bench, MANY, at_once, feed, revocation};
use crate::clock::Timestamp;
use crate::store::{
    FAMILY_PAGE, Family, GRACE_SECONDS, NewFamily, Refresh, Rotated, Rotation, Store, StoreError, Whose,
};

async fn look(store: &dyn Store, token: &str, now: u64) -> Refresh {
    store.look_up_refresh(&digest(token), Timestamp(now)).await.unwrap()
}

async fn rotate(store: &dyn Store, shown: &str, leaf: &str, now: u64) -> Rotated {
    store.rotate_refresh(&rotation(shown, leaf, now)).await.unwrap()
}

/// The family `a` as it begins.
fn begun() -> Family {
    let NewFamily { client, subject, record, until, tokens_until, end, .. } = family("a");
    Family { root: "a".to_owned(), client, subject, record, until, tokens_until, end }
}

/// The family `a` after a rotation at `now`.
fn rotated(now: u64) -> Family {
    Family { until: Timestamp(now + 4_000), tokens_until: Timestamp(now + 300), ..begun() }
}

async fn begun_in(bench: &impl Bench) -> Arc<dyn Store> {
    let store = bench.open();
    begin(&*store, "a", family("a")).await;
    store
}

pub(crate) async fn a_rotation_survives_and_the_parent_gives_the_same_successor(bench: &impl Bench) {
    let store = begun_in(bench).await;
    assert_eq!(look(&*store, "a", 1_000).await, Refresh::Leaf(begun()));
    assert_eq!(look(&*store, "b", 1_000).await, Refresh::Unknown);
    assert_eq!(rotate(&*store, "a", "b", 2_000).await, Rotated::Rotated);
    drop(store);
    let store = bench.open();
    let (family, successor) = (rotated(2_000), sealed("b"));
    for now in [2_000, 2_000 + GRACE_SECONDS] {
        let looked = Refresh::Grace { family: family.clone(), successor: successor.clone() };
        assert_eq!(look(&*store, "a", now).await, looked);
        let again = Rotated::Grace { family: family.clone(), successor: successor.clone() };
        assert_eq!(rotate(&*store, "a", "c", now).await, again);
        assert_eq!(look(&*store, "c", now).await, Refresh::Unknown, "nobody was given it");
    }
    assert_eq!(look(&*store, "b", 2_000).await, Refresh::Leaf(family));
    assert_eq!(feed(&*store, 0).await.revocations, []);
}

pub(crate) async fn of_many_rotations_at_once_one_is_the_first_and_the_others_get_its_successor(bench: &impl Bench) {
    let store = begun_in(bench).await;
    let mut shown = "a".to_owned();
    for round in 0..3 {
        let leaf = |at: usize| format!("leaf {round}.{at}");
        let now = 2_000 + round;
        let told = at_once(&store, |store, at| {
            let (shown, leaf) = (shown.clone(), leaf(at));
            async move { (leaf.clone(), rotate(&*store, &shown, &leaf, now).await) }
        })
        .await;
        let (first, again): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, told)| *told == Rotated::Rotated);
        assert_eq!((first.len(), again.len()), (1, MANY - 1));
        let (won, _) = &first[0];
        let same = Rotated::Grace { family: rotated(now), successor: sealed(won) };
        assert!(again.iter().all(|(_, told)| *told == same), "{again:?}");
        for at in 0..MANY {
            let is_leaf = matches!(look(&*store, &leaf(at), now).await, Refresh::Leaf(_));
            assert_eq!(is_leaf, leaf(at) == *won);
        }
        shown.clone_from(won);
    }
}

pub(crate) async fn a_parent_beyond_the_grace_ends_its_family(bench: &impl Bench) {
    let store = begun_in(bench).await;
    rotate(&*store, "a", "b", 2_000).await;
    let late = 2_000 + GRACE_SECONDS + 1;
    assert_eq!(look(&*store, "a", late).await, Refresh::Reused(rotated(2_000)));
    assert_eq!(look(&*store, "b", late).await, Refresh::Leaf(rotated(2_000)), "looking ends nothing");
    assert_eq!(rotate(&*store, "a", "c", late).await, Rotated::Reused(rotated(2_000)));
    drop(store);
    let store = bench.open();
    for token in ["a", "b", "c"] {
        assert_eq!(look(&*store, token, 2_000).await, Refresh::Unknown, "{token}");
        assert_eq!(rotate(&*store, token, "d", 2_000).await, Rotated::Gone, "{token}");
    }
    assert_eq!(feed(&*store, 0).await.revocations, [revocation("a", 2_300)]);
}

pub(crate) async fn a_grandparent_ends_its_family_at_any_time(bench: &impl Bench) {
    let store = begun_in(bench).await;
    rotate(&*store, "a", "b", 2_000).await;
    rotate(&*store, "b", "c", 2_000).await;
    assert_eq!(look(&*store, "a", 2_000).await, Refresh::Reused(rotated(2_000)));
    assert_eq!(rotate(&*store, "a", "d", 2_000).await, Rotated::Reused(rotated(2_000)));
    assert_eq!(look(&*store, "c", 2_000).await, Refresh::Unknown);
    assert_eq!(feed(&*store, 0).await.revocations, [revocation("a", 2_300)]);
}

pub(crate) async fn of_many_reuses_at_once_one_ends_the_family(bench: &impl Bench) {
    let store = begun_in(bench).await;
    rotate(&*store, "a", "b", 2_000).await;
    let told =
        at_once(&store, |store, at| async move { rotate(&*store, "a", &format!("leaf {at}"), 2_100).await }).await;
    assert_eq!(told.iter().filter(|told| **told == Rotated::Reused(rotated(2_000))).count(), 1);
    assert_eq!(told.iter().filter(|told| **told == Rotated::Gone).count(), MANY - 1);
    assert_eq!(feed(&*store, 0).await.revocations.len(), 1);
}

pub(crate) async fn a_clock_that_lies_behind_is_within_the_grace(bench: &impl Bench) {
    let store = begun_in(bench).await;
    rotate(&*store, "a", "b", 2_000).await;
    let again = Rotated::Grace { family: rotated(2_000), successor: sealed("b") };
    assert_eq!(rotate(&*store, "a", "c", 1_990).await, again);
}

/// Or the retry of a client that a slow store has cost its answer would end the family.
pub(crate) async fn waiting_is_no_part_of_the_grace(bench: &impl Bench) {
    let store = begun_in(bench).await;
    let waited = |shown, leaf, now| Rotation {
        asked: Instant::now().checked_sub(Duration::from_secs(9)).unwrap(),
        ..rotation(shown, leaf, now)
    };
    assert_eq!(store.rotate_refresh(&waited("a", "b", 2_000)).await.unwrap(), Rotated::Rotated);
    let last = 2_009 + GRACE_SECONDS;
    for now in [2_010, last] {
        assert!(matches!(look(&*store, "a", now).await, Refresh::Grace { .. }), "{now}");
    }
    assert!(matches!(look(&*store, "a", last + 1).await, Refresh::Reused(_)));
    let told = store.rotate_refresh(&waited("a", "c", last)).await.unwrap();
    assert!(matches!(told, Rotated::Grace { .. }), "it was shown in time: {told:?}");
}

pub(crate) async fn a_family_ends_when_nobody_uses_it(bench: &impl Bench) {
    let store = begun_in(bench).await;
    assert_eq!(look(&*store, "a", IDLE.0).await, Refresh::Leaf(begun()));
    assert_eq!(look(&*store, "a", IDLE.0 + 1).await, Refresh::Unknown);
    assert_eq!(rotate(&*store, "a", "b", IDLE.0 + 1).await, Rotated::Gone);
    assert_eq!(rotate(&*store, "a", "b", IDLE.0).await, Rotated::Rotated, "what comes too late changes nothing");
    assert!(matches!(look(&*store, "b", IDLE.0 + 1).await, Refresh::Leaf(_)));
}

pub(crate) async fn no_rotation_goes_beyond_the_end_of_its_family(bench: &impl Bench) {
    let store = begun_in(bench).await;
    rotate(&*store, "a", "b", IDLE.0).await;
    rotate(&*store, "b", "c", END.0 - 100).await;
    let Refresh::Leaf(found) = look(&*store, "c", END.0).await else { panic!("it is good") };
    assert_eq!((found.until, found.end), (END, END));
    assert_eq!(look(&*store, "c", END.0 + 1).await, Refresh::Unknown);
    assert_eq!(rotate(&*store, "c", "d", END.0 + 1).await, Rotated::Gone);
    let long = NewFamily { until: Timestamp(END.0 + 1), ..family("z") };
    begin(&*store, "z", long).await;
    assert_eq!(look(&*store, "z", END.0 + 1).await, Refresh::Unknown);
}

pub(crate) async fn a_parent_that_was_about_to_end_has_its_grace(bench: &impl Bench) {
    let store = begun_in(bench).await;
    rotate(&*store, "a", "b", IDLE.0).await;
    let last = IDLE.0 + GRACE_SECONDS;
    store.sweep(Timestamp(last)).await.unwrap();
    assert!(matches!(rotate(&*store, "a", "c", last).await, Rotated::Grace { .. }));
}

pub(crate) async fn a_successor_that_is_known_changes_nothing(bench: &impl Bench) {
    let store = begun_in(bench).await;
    begin(&*store, "z", family("z")).await;
    for known in ["z", "a"] {
        let told = store.rotate_refresh(&rotation("a", known, 2_000)).await;
        assert!(matches!(told, Err(StoreError::NotNew)), "{told:?}");
    }
    assert_eq!(look(&*store, "a", 2_000).await, Refresh::Leaf(begun()));
    assert!(matches!(look(&*store, "z", 2_000).await, Refresh::Leaf(found) if found.root == "z"));
}

pub(crate) async fn a_family_that_is_revoked_is_in_the_feed_with_its_last_token(bench: &impl Bench) {
    let store = begun_in(bench).await;
    begin(&*store, "z", family("z")).await;
    let short = Rotation { tokens_until: Timestamp(1_200), ..rotation("a", "b", 1_100) };
    assert_eq!(store.rotate_refresh(&short).await.unwrap(), Rotated::Rotated);
    assert!(!store.revoke_family("y").await.unwrap());
    assert!(store.revoke_family("a").await.unwrap());
    assert!(!store.revoke_family("a").await.unwrap());
    drop(store);
    let store = bench.open();
    for token in ["a", "b"] {
        assert_eq!(look(&*store, token, 1_100).await, Refresh::Unknown);
        assert_eq!(rotate(&*store, token, "c", 1_100).await, Rotated::Gone);
    }
    assert!(matches!(look(&*store, "z", 1_100).await, Refresh::Leaf(_)), "another one stands");
    let last = revocation("a", TOKENS.0);
    assert_eq!(feed(&*store, 0).await.revocations, [last], "an earlier token ends later than the last one");
}

pub(crate) async fn of_many_who_revoke_a_family_one_does(bench: &impl Bench) {
    let store = begun_in(bench).await;
    let told = at_once(&store, |store, _| async move { store.revoke_family("a").await.unwrap() }).await;
    assert_eq!(told.into_iter().filter(|was_there| *was_there).count(), 1);
    assert_eq!(feed(&*store, 0).await.revocations.len(), 1);
}

pub(crate) async fn revoking_while_many_rotate_leaves_nothing_that_is_good(bench: &impl Bench) {
    let store = begun_in(bench).await;
    at_once(&store, |store, at| async move {
        if at == MANY / 2 {
            assert!(store.revoke_family("a").await.unwrap());
        } else {
            rotate(&*store, "a", &format!("leaf {at}"), 2_000).await;
        }
    })
    .await;
    for token in (0..MANY).map(|at| format!("leaf {at}")).chain(["a".to_owned()]) {
        assert_eq!(look(&*store, &token, 2_000).await, Refresh::Unknown, "{token}");
    }
    assert_eq!(feed(&*store, 0).await.revocations.len(), 1);
}

async fn roots(store: &dyn Store, of: Whose<'_>, now: u64) -> Vec<String> {
    let found = store.families(of, None, Timestamp(now)).await.unwrap();
    found.into_iter().map(|family| family.root).collect()
}

pub(crate) async fn families_are_listed_by_whose_they_are(bench: &impl Bench) {
    let store = bench.open();
    let whose = |name: &str, client: &str, subject: &str| NewFamily {
        client: client.to_owned(),
        subject: subject.to_owned(),
        ..family(name)
    };
    for (name, client, subject) in [("d", "app", "ann"), ("a", "app", "bob"), ("c", "web", "ann"), ("b", "ann", "app")]
    {
        begin(&*store, name, whose(name, client, subject)).await;
    }
    // What nobody can refresh any more has an access token that somebody may want to end.
    let until = |until, tokens_until| NewFamily {
        until: Timestamp(until),
        tokens_until: Timestamp(tokens_until),
        ..whose("e", "app", "ann")
    };
    begin(&*store, "e", until(1_100, 1_500)).await;
    drop(store);
    let store = bench.open();
    for (of, at_first, later) in [
        (Whose::Client("app"), &["a", "d", "e"][..], &["a", "d"][..]),
        (Whose::Subject("ann"), &["c", "d", "e"], &["c", "d"]),
        (Whose::Client("ann"), &["b"], &["b"]),
        (Whose::Subject("an"), &[], &[]),
        (Whose::Client(""), &[], &[]),
    ] {
        assert_eq!(roots(&*store, of, 1_500).await, at_first, "{of:?}");
        assert_eq!(roots(&*store, of, 1_501).await, later, "{of:?}");
    }
    let all = store.families(Whose::Subject("bob"), None, BEGIN).await.unwrap();
    assert_eq!(all, [Family { subject: "bob".to_owned(), ..begun() }]);
    store.revoke_family("d").await.unwrap();
    assert_eq!(roots(&*store, Whose::Client("app"), 1_501).await, ["a"]);
    assert_eq!(roots(&*store, Whose::Subject("ann"), 1_501).await, ["c"]);
}

pub(crate) async fn a_list_of_families_comes_in_pages(bench: &impl Bench) {
    let store = bench.open();
    let names: Vec<_> = (0..FAMILY_PAGE + 6).map(|at| format!("{at:03}")).collect();
    for name in &names {
        begin(&*store, name, family(name)).await;
    }
    for ended in [5, 6, FAMILY_PAGE] {
        store.revoke_family(&names[ended]).await.unwrap();
    }
    let left: Vec<_> = names.iter().enumerate().filter(|(at, _)| ![5, 6, FAMILY_PAGE].contains(at)).collect();
    for of in [Whose::Client("app"), Whose::Subject("ann")] {
        let first = store.families(of, None, BEGIN).await.unwrap();
        assert_eq!(first.len(), FAMILY_PAGE);
        let second = store.families(of, Some(&first[FAMILY_PAGE - 1].root), BEGIN).await.unwrap();
        let seen: Vec<_> = first.into_iter().chain(second).map(|family| family.root).collect();
        assert_eq!(seen, left.iter().map(|(_, name)| (*name).clone()).collect::<Vec<_>>());
        assert_eq!(store.families(of, Some(&names[5]), BEGIN).await.unwrap()[0].root, "007", "behind one that is gone");
        assert_eq!(store.families(of, Some("999"), BEGIN).await.unwrap(), []);
    }
}

pub(crate) async fn families_that_ended_are_swept_with_their_tokens(bench: &impl Bench) {
    let store = begun_in(bench).await;
    rotate(&*store, "a", "b", 1_500).await;
    let last = 1_500 + 4_000;
    let short = NewFamily { until: Timestamp(1_100), tokens_until: Timestamp(last), ..family("z") };
    begin(&*store, "z", short).await;
    store.sweep(Timestamp(last)).await.unwrap();
    assert_eq!(look(&*store, "a", last).await, Refresh::Unknown, "it could not be shown in good faith any more");
    assert_eq!(look(&*store, "b", last).await, Refresh::Leaf(rotated(1_500)));
    assert!(store.revoke_family("z").await.unwrap(), "while a token of its lives");
    store.sweep(Timestamp(last + 1)).await.unwrap();
    assert!(!store.revoke_family("a").await.unwrap());
    assert_eq!(look(&*store, "b", last).await, Refresh::Unknown);
    assert_eq!(roots(&*store, Whose::Client("app"), 1_500).await, [""; 0]);
    assert_eq!(roots(&*store, Whose::Subject("ann"), 1_500).await, [""; 0]);
    store.sweep(END).await.unwrap();
    store.sweep(Timestamp(END.0 + 1)).await.unwrap();
    begin(&*store, "a", family("a")).await;
    assert_eq!(look(&*store, "b", 1_500).await, Refresh::Unknown, "nothing of the earlier one is left");
}
