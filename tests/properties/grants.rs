//! P3: narrow, never widen. Every grant has one audience, scopes that it owns and that came with the step before, and an
//! end no later; and it is given exactly where the contract gives it.

use std::collections::BTreeSet;

use narrowgate::config::ResourceId;
use narrowgate::issuer::Grant;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use scene::{ISSUERS, Scene, any_scene, key};

mod model;
mod scene;

fn what(grant: &Grant) -> (usize, BTreeSet<&str>) {
    let ResourceId(api) = grant.resource();
    (api, grant.scopes().iter().map(|scope| scope.as_str()).collect())
}

/// What holds of every grant, wherever it comes from.
fn is_narrow(scene: &Scene, grant: &Grant) -> Result<(), TestCaseError> {
    let (api, scopes) = what(grant);
    prop_assert_eq!(grant.audience().as_str(), key(api));
    prop_assert!(scopes.iter().all(|scope| model::covers_any(&scene.apis[api].scopes, scope)));
    prop_assert!(!scopes.is_empty() || scene.apis[api].scopes.is_empty());
    prop_assert_eq!(grant.client().to_string(), format!("c{}", scene.who));
    prop_assert!(scene.targets.iter().all(|target| *target == api));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_exchange_gives_what_the_contract_gives(scene in any_scene(), now in 0u64..3_000) {
        let answer = scene.exchanged();
        prop_assert_eq!(answer.as_ref().ok().map(what), scene.exchange_by_contract(), "{:?}", answer);
        if let Ok(grant) = &answer {
            is_narrow(&scene, grant)?;
            prop_assert!(scene.end(grant, now).is_none_or(|end| end <= scene.token.end));
            prop_assert_eq!(grant.root(), (scene.token.issuer == 2).then(scene::root));
        }
    }

    #[test]
    fn a_client_gets_for_itself_what_the_contract_gives(scene in any_scene()) {
        let answer = scene.own();
        prop_assert_eq!(answer.as_ref().ok().map(what), scene.own_by_contract(), "{:?}", answer);
        if let Ok(grant) = &answer {
            is_narrow(&scene, grant)?;
            prop_assert_eq!(grant.subject().to_string(), format!("c{}", scene.who));
        }
    }

    #[test]
    fn narrowing_keeps_what_was_carried_there_and_no_more(scene in any_scene(), now in 0u64..3_000) {
        for api in 0..scene.apis.len() {
            let answer = scene.narrowed(api);
            prop_assert_eq!(answer.as_ref().ok().map(what), scene.narrowed_by_contract(api), "{:?}", answer);
            if let Ok(grant) = &answer {
                prop_assert_eq!(grant.audience().as_str(), key(api));
                prop_assert!(scene.end(grant, now).is_none_or(|end| end <= scene.token.end));
                let presenter = match ISSUERS.get(scene.token.issuer) {
                    Some(issuer) => format!("{issuer}|{}", scene.token.client),
                    None => scene.token.client.to_owned(),
                };
                prop_assert_eq!(grant.client().to_string(), presenter);
                prop_assert_eq!(grant.act().len(), scene.token.actors);
            }
        }
    }

    #[test]
    fn a_token_of_one_api_becomes_one_of_another_over_an_edge_only(scene in any_scene()) {
        let named = scene.named();
        if let Ok(grant) = scene.exchanged() && !named.is_empty() && !named.contains(&grant.resource().0) {
            let asker = &scene.askers[scene.who];
            prop_assert!(asker.edges.contains_key(&grant.resource().0));
            prop_assert_eq!(named.len(), 1);
            prop_assert!(scene.token.may_act.is_some() || asker.serves == named.first().copied());
            prop_assert_eq!(grant.act()[0].to_string(), format!("c{}", scene.who));
        }
    }

    #[test]
    fn a_namesake_at_another_issuer_gets_nothing(scene in any_scene(), issuer in 0usize..2) {
        let mut scene = scene;
        scene.token.issuer = issuer;
        scene.token.client = ["c0", "c1"][scene.who];
        scene.token.may_act = None;
        scene.askers[scene.who].serves = None;
        scene.askers[scene.who].known_as = [None, None];
        prop_assert!(scene.exchanged().is_err());
    }

    #[test]
    fn a_subject_stays_its_issuers(scene in any_scene()) {
        if let Ok(grant) = scene.exchanged() {
            let subject = match ISSUERS.get(scene.token.issuer) {
                Some(issuer) => format!("{issuer}|{}", scene.token.subject),
                None => scene.token.subject.to_owned(),
            };
            prop_assert_eq!(grant.subject().to_string(), subject);
        }
    }
}

/// The properties say little if nearly everything is refused.
#[test]
fn a_fair_share_of_the_scenes_is_granted() {
    let mut runner = TestRunner::deterministic();
    let scenes = (0..2_000).map(|_| any_scene().new_tree(&mut runner).expect("nothing is rejected").current());
    let (mut stays, mut carried_on, mut own, mut narrowed) = (0, 0, 0, 0);
    for scene in scenes {
        if let Ok(grant) = scene.exchanged() {
            let is_carried_on = grant.act().len() > scene.token.actors;
            (stays, carried_on) = (stays + usize::from(!is_carried_on), carried_on + usize::from(is_carried_on));
        }
        own += usize::from(scene.own().is_ok());
        narrowed += usize::from((0..scene.apis.len()).any(|api| scene.narrowed(api).is_ok()));
    }
    assert!(narrowed > 200, "{narrowed} are narrowed");
    assert!(stays > 80 && carried_on > 60 && own > 400, "{stays} stay, {carried_on} are carried on, {own} are its own");
}
