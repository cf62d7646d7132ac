//! What must hold of codes and of whatever else is taken once.

use super::sample::{BEGIN, END, TOKENS, begin, code, digest, family, taking};
use super::{Bench, MANY, at_once};
use crate::clock::Timestamp;
use crate::store::{Code, NewCode, NewFamily, Refresh, StoreError, TakingCode};

fn fresh() -> Code {
    Code::Fresh { record: b"granted a".to_vec(), root: "a".to_owned() }
}

fn spent() -> Code {
    Code::Spent { record: b"granted a".to_vec(), root: "a".to_owned(), tokens_until: TOKENS }
}

pub(crate) async fn looking_at_a_code_takes_nothing(bench: &impl Bench) {
    let store = bench.open();
    let digest = code("a").digest;
    assert_eq!(store.peek_code(&digest, BEGIN).await.unwrap(), Code::Unknown);
    store.save_code(&code("a")).await.unwrap();
    drop(store);
    let store = bench.open();
    for _ in 0..2 {
        assert_eq!(store.peek_code(&digest, BEGIN).await.unwrap(), fresh());
    }
    assert_eq!(store.take_code(&taking("a", family("a"))).await.unwrap(), fresh());
    assert_eq!(store.peek_code(&digest, BEGIN).await.unwrap(), spent());
}

pub(crate) async fn of_many_who_take_a_code_one_has_it_and_its_family(bench: &impl Bench) {
    let store = bench.open();
    store.save_code(&code("a")).await.unwrap();
    let taken = at_once(&store, |store, at| async move {
        let family = NewFamily { leaf: digest(&format!("leaf {at}")), ..family("a") };
        (at, store.take_code(&taking("a", family)).await.unwrap())
    })
    .await;
    let (won, late): (Vec<_>, Vec<_>) = taken.into_iter().partition(|(_, taken)| *taken == fresh());
    assert_eq!((won.len(), late.len()), (1, MANY - 1));
    assert!(late.iter().all(|(_, taken)| *taken == spent()));
    for at in 0..MANY {
        let leaf = store.look_up_refresh(&digest(&format!("leaf {at}")), BEGIN).await.unwrap();
        assert_eq!(matches!(leaf, Refresh::Leaf(_)), at == won[0].0, "{at}: {leaf:?}");
    }
}

pub(crate) async fn a_code_is_taken_as_it_was_looked_at(bench: &impl Bench) {
    let store = bench.open();
    store.save_code(&code("a")).await.unwrap();
    let other = TakingCode { record: b"granted b".to_vec(), ..taking("a", family("a")) };
    assert_eq!(store.take_code(&other).await.unwrap(), Code::Unknown);
    assert_eq!(store.look_up_refresh(&digest("a"), BEGIN).await.unwrap(), Refresh::Unknown);
    assert_eq!(store.take_code(&taking("a", family("a"))).await.unwrap(), fresh(), "nothing was burnt");
}

pub(crate) async fn a_spent_code_is_known_by_its_root_while_anything_is_left(bench: &impl Bench) {
    let store = bench.open();
    begin(&*store, "a", family("a")).await;
    store.save_code(&code("b")).await.unwrap();
    let short = NewFamily { until: TOKENS, end: TOKENS, ..family("b") };
    store.take_code(&taking("b", short)).await.unwrap();
    drop(store);
    let store = bench.open();
    for (name, last) in [("b", TOKENS), ("a", END)] {
        store.sweep(last).await.unwrap();
        let record = format!("granted {name}").into_bytes();
        let known = Code::Spent { record, root: name.to_owned(), tokens_until: TOKENS };
        assert_eq!(store.peek_code(&code(name).digest, last).await.unwrap(), known, "{name}");
        let again = TakingCode { now: last, ..taking(name, family("c")) };
        assert_eq!(store.take_code(&again).await.unwrap(), known, "{name}");
        let after = Timestamp(last.0 + 1);
        assert_eq!(store.peek_code(&code(name).digest, after).await.unwrap(), Code::Unknown, "{name}");
    }
}

pub(crate) async fn a_code_that_ended_is_unknown_and_swept(bench: &impl Bench) {
    let store = bench.open();
    let (last, late) = (Timestamp(1_060), Timestamp(1_061));
    store.save_code(&code("a")).await.unwrap();
    let too_late = TakingCode { now: late, ..taking("a", family("a")) };
    assert_eq!(store.take_code(&too_late).await.unwrap(), Code::Unknown);
    assert_eq!(store.look_up_refresh(&digest("a"), BEGIN).await.unwrap(), Refresh::Unknown);
    store.sweep(last).await.unwrap();
    assert_eq!(store.peek_code(&code("a").digest, last).await.unwrap(), fresh());
    assert!(matches!(store.save_code(&code("a")).await, Err(StoreError::NotNew)));
    store.sweep(late).await.unwrap();
    assert_eq!(store.peek_code(&code("a").digest, last).await.unwrap(), Code::Unknown);
    store.save_code(&code("a")).await.unwrap();
}

pub(crate) async fn a_code_and_what_it_gives_are_new_or_nothing_happens(bench: &impl Bench) {
    let store = bench.open();
    begin(&*store, "a", family("a")).await;
    assert!(matches!(store.save_code(&code("a")).await, Err(StoreError::NotNew)));
    store.save_code(&code("b")).await.unwrap();
    let same_root = NewCode { root: "a".to_owned(), ..code("c") };
    store.save_code(&same_root).await.unwrap();
    let same_leaf = store.take_code(&taking("b", family("a"))).await;
    assert!(matches!(same_leaf, Err(StoreError::NotNew)), "{same_leaf:?}");
    let same_root = store.take_code(&taking("c", family("c"))).await;
    assert!(matches!(same_root, Err(StoreError::NotNew)), "{same_root:?}");
    for name in ["b", "c"] {
        let code = store.peek_code(&code(name).digest, BEGIN).await.unwrap();
        assert!(matches!(code, Code::Fresh { .. }), "{name}: {code:?}");
    }
    assert_eq!(store.look_up_refresh(&digest("c"), BEGIN).await.unwrap(), Refresh::Unknown);
}

pub(crate) async fn of_many_who_take_what_is_there_once_one_has_it(bench: &impl Bench) {
    let store = bench.open();
    let put = at_once(&store, |store, at| async move {
        store.put_once("login", format!("{at}").as_bytes(), Timestamp(100)).await.unwrap().then_some(at)
    })
    .await;
    let put: Vec<_> = put.into_iter().flatten().collect();
    assert_eq!(put.len(), 1);
    drop(store);
    let store = bench.open();
    let there = put[0].to_string().into_bytes();
    assert_eq!(store.peek_once("login", Timestamp(50)).await.unwrap().as_ref(), Some(&there));
    let taken = at_once(&store, |store, _| async move { store.take_once("login", Timestamp(50)).await.unwrap() }).await;
    assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), [there]);
    assert_eq!(store.peek_once("login", Timestamp(50)).await.unwrap(), None);
    assert!(store.put_once("login", b"", Timestamp(100)).await.unwrap(), "the name is free again");
}

pub(crate) async fn what_is_there_for_good_stays(bench: &impl Bench) {
    let store = bench.open();
    assert!(store.put_once("proof", b"sealed", Timestamp(u64::MAX)).await.unwrap());
    store.sweep(Timestamp(u64::MAX)).await.unwrap();
    drop(store);
    let store = bench.open();
    assert!(!store.put_once("proof", b"other", Timestamp(u64::MAX)).await.unwrap());
    assert_eq!(store.peek_once("proof", Timestamp(u64::MAX)).await.unwrap().unwrap(), b"sealed");
}

pub(crate) async fn what_is_there_once_ends_and_is_swept(bench: &impl Bench) {
    let store = bench.open();
    for name in ["a", "b"] {
        assert!(store.put_once(name, b"sealed", Timestamp(100)).await.unwrap());
        store.sweep(Timestamp(100)).await.unwrap();
        assert_eq!(store.peek_once(name, Timestamp(100)).await.unwrap().unwrap(), b"sealed");
        assert_eq!(store.peek_once(name, Timestamp(101)).await.unwrap(), None);
    }
    assert_eq!(store.take_once("a", Timestamp(101)).await.unwrap(), None);
    assert!(store.put_once("a", b"later", Timestamp(100)).await.unwrap(), "what has ended is out of the way");
    assert!(!store.put_once("b", b"other", Timestamp(200)).await.unwrap());
    store.sweep(Timestamp(101)).await.unwrap();
    assert!(store.put_once("b", b"other", Timestamp(200)).await.unwrap());
    assert_eq!(store.take_once("b", Timestamp(101)).await.unwrap().unwrap(), b"other");
}
