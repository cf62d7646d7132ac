//! P3, where a user is asked: for any matrix, request, consent and later configuration, a token of the grant has one audience
//! that was granted, and no scope outside of what was granted, what the matrix allows and what the resource owns by then; and
//! none is for an API that is not for the user (`access`).

use std::collections::BTreeSet;

use narrowgate::clock::Timestamp;
use narrowgate::config::ResourceId;
use narrowgate::issuer::GrantRecord;
use narrowgate::oauth::Scope;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use scene::{BEGUN, any_scene, key};

mod model;
mod scene;

fn words<'s>(scopes: impl IntoIterator<Item = &'s Scope>) -> BTreeSet<&'s str> {
    scopes.into_iter().map(|scope| scope.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_user_is_asked_what_the_contract_says(scene in any_scene()) {
        let asked = scene.asked();
        let shown = asked.as_ref().ok().map(|asked| {
            asked.grant.iter().map(|(ResourceId(api), scopes)| (*api, words(scopes))).collect()
        });
        prop_assert_eq!(shown, scene.asked_by_contract(), "{:?}", asked);
    }

    #[test]
    fn a_user_is_asked_for_nothing_that_is_not_for_him(scene in any_scene()) {
        let asked = scene.within_reach();
        let shown = asked.as_ref().map(|asked| {
            asked.grant.iter().map(|(ResourceId(api), scopes)| (*api, words(scopes))).collect()
        });
        prop_assert_eq!(shown, scene.within_reach_by_contract());
    }

    #[test]
    fn what_is_granted_was_asked_for(scene in any_scene()) {
        let record = scene.record();
        let kept = record.as_ref().map(|record| {
            let rows = record.resources().iter();
            rows.map(|(key, scopes)| (scene::api_of(key.as_str()), words(scopes))).collect()
        });
        prop_assert_eq!(kept, scene.granted_by_contract());
        if let Some(record) = record {
            prop_assert_eq!(GrantRecord::from_json(&record.to_json()), Ok(record));
        }
    }

    #[test]
    fn a_token_is_within_the_grant_and_within_the_configuration_of_now(scene in any_scene(), now in 0u64..4_000_000) {
        let Some(record) = scene.record() else { return Ok(()) };
        for answer in [scene.redeemed(&record), scene.refreshed(&record)] {
            let what = answer.as_ref().ok().map(|grant| (grant.resource().0, words(grant.scopes())));
            prop_assert_eq!(what, scene.token_by_contract(), "{:?}", answer);
            let Ok(grant) = answer else { continue };
            // Once more, and straight from the promise.
            let api = grant.resource().0;
            let name = scene.later.name_of(api);
            let demanded = scene.later.api(name).and_then(|api| api.access);
            prop_assert!(demanded.is_none_or(|group| scene.groups.contains(&group)));
            prop_assert_eq!(grant.audience().as_str(), key(name));
            let granted = record.resources().get(grant.audience());
            prop_assert!(granted.is_some_and(|granted| grant.scopes().is_subset(granted)));
            prop_assert!(grant.scopes().iter().all(|scope| scene.later.allows(name, scope.as_str())));
            prop_assert_eq!((grant.root(), grant.client().to_string()), (Some(record.root()), "web".to_owned()));
            let ends = scene.end(&grant, Timestamp(BEGUN + now));
            prop_assert!(ends.is_none_or(|end| end <= record.ends().0));
        }
    }

    #[test]
    fn what_was_consented_to_is_had_as_long_as_nothing_changes(scene in any_scene()) {
        let mut scene = scene;
        scene.later = scene.before.clone();
        let Some(record) = scene.record() else { return Ok(()) };
        for (key, granted) in record.resources() {
            (scene.named_later, scene.wanted_later) = (vec![scene::api_of(key.as_str())], None);
            let grant = scene.refreshed(&record);
            prop_assert_eq!(grant.as_ref().map(|grant| grant.scopes()), Ok(granted));
        }
    }
}

/// The properties say little if nearly everything is refused.
#[test]
fn a_fair_share_of_the_scenes_is_granted() {
    let mut runner = TestRunner::deterministic();
    let scenes = (0..2_000).map(|_| any_scene().new_tree(&mut runner).expect("nothing is rejected").current());
    let (mut asked, mut beyond, mut granted, mut several, mut refreshed, mut narrower) = (0, 0, 0, 0, 0, 0);
    for scene in scenes {
        asked += usize::from(scene.asked().is_ok());
        beyond += usize::from(scene.asked().ok() != scene.within_reach());
        let Some(record) = scene.record() else { continue };
        granted += 1;
        several += usize::from(record.resources().len() > 1);
        let Ok(grant) = scene.refreshed(&record) else { continue };
        refreshed += 1;
        narrower += usize::from(record.resources().get(grant.audience()).is_some_and(|all| all != grant.scopes()));
    }
    let counted = format!(
        "{asked} asked, {beyond} beyond, {granted} granted, {several} several, {refreshed} refreshed, {narrower} narrower"
    );
    assert!(asked > granted && granted > 300 && several > 60 && refreshed > 150 && narrower > 20, "{counted}");
    assert!(beyond > 20 && beyond < asked / 2, "{counted}");
}
