//! What must hold of what users have agreed to.

use std::collections::BTreeSet;

use super::{Bench, MANY, at_once};
use crate::clock::Timestamp;
use crate::store::{Consent, ConsentedScopes};

fn consent(resource: &str, scopes: &[&str]) -> Consent {
    Consent {
        client: "app".to_owned(),
        subject: "ann".to_owned(),
        resource: resource.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        declined: BTreeSet::new(),
    }
}

fn agreed(resources: &[(&str, &[&str])]) -> ConsentedScopes {
    resources.iter().map(|(resource, scopes)| ((*resource).to_owned(), consent("", scopes).scopes)).collect()
}

pub(crate) async fn consents_add_up_and_survive(bench: &impl Bench) {
    let store = bench.open();
    assert_eq!(store.consent_of("app", "ann").await.unwrap(), agreed(&[]));
    for (resource, scopes) in [("one", &["write"][..]), ("two", &[]), ("one", &["read", "write"])] {
        store.remember_consent(&consent(resource, scopes)).await.unwrap();
    }
    let others = [("ap", "pann"), ("app", "an"), ("app", "annx"), ("ann", "app"), ("", "")];
    for (client, subject) in others {
        let consent = Consent { client: client.to_owned(), subject: subject.to_owned(), ..consent("one", &["admin"]) };
        store.remember_consent(&consent).await.unwrap();
    }
    drop(store);
    let store = bench.open();
    store.sweep(Timestamp(u64::MAX)).await.unwrap();
    let all = agreed(&[("one", &["read", "write"]), ("two", &[])]);
    assert_eq!(store.consent_of("app", "ann").await.unwrap(), all);
    for (client, subject) in others {
        assert_eq!(store.consent_of(client, subject).await.unwrap(), agreed(&[("one", &["admin"])]), "{client}");
    }
}

pub(crate) async fn what_is_declined_is_forgotten(bench: &impl Bench) {
    let store = bench.open();
    let declined = |resource: &str, agreed: &[&str], declined: &[&str]| Consent {
        declined: consent("", declined).scopes,
        ..consent(resource, agreed)
    };
    store.remember_consent(&declined("new", &[], &["read"])).await.unwrap();
    store.remember_consent(&declined("other", &["read"], &["write"])).await.unwrap();
    assert_eq!(store.consent_of("app", "ann").await.unwrap(), agreed(&[("other", &["read"])]));
    for resource in ["one", "two", "three"] {
        store.remember_consent(&consent(resource, &["admin", "read", "write"])).await.unwrap();
    }
    store.remember_consent(&declined("one", &["extra", "read"], &["write"])).await.unwrap();
    store.remember_consent(&declined("two", &[], &["read", "write"])).await.unwrap();
    store.remember_consent(&declined("three", &[], &["admin", "read", "write"])).await.unwrap();
    let left = agreed(&[("one", &["admin", "extra", "read"]), ("other", &["read"]), ("two", &["admin"])]);
    drop(store);
    assert_eq!(bench.open().consent_of("app", "ann").await.unwrap(), left);
}

pub(crate) async fn of_many_consents_at_once_none_is_lost(bench: &impl Bench) {
    let store = bench.open();
    at_once(&store, |store, at| async move {
        store.remember_consent(&consent("one", &[&format!("scope-{at}")])).await.unwrap();
    })
    .await;
    assert_eq!(store.consent_of("app", "ann").await.unwrap()["one"].len(), MANY);
}

pub(crate) async fn a_consent_is_withdrawn_for_one_resource(bench: &impl Bench) {
    let store = bench.open();
    store.remember_consent(&consent("one", &["read"])).await.unwrap();
    store.remember_consent(&consent("two", &["read"])).await.unwrap();
    for (client, subject, resource) in [("app", "ann", "three"), ("app", "bob", "one"), ("web", "ann", "one")] {
        assert!(!store.withdraw_consent(client, subject, resource).await.unwrap());
    }
    let withdrawn =
        at_once(&store, |store, _| async move { store.withdraw_consent("app", "ann", "one").await.unwrap() }).await;
    assert_eq!(withdrawn.into_iter().filter(|was_there| *was_there).count(), 1);
    drop(store);
    assert_eq!(bench.open().consent_of("app", "ann").await.unwrap(), agreed(&[("two", &["read"])]));
}
