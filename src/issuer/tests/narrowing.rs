//! Narrowing: what the gate let in comes out for one resource, with no more than it carried there.

use super::*;
use crate::config::{AllowedClient, BroadTokens};
use crate::oauth::IssuerName;

fn narrowed(token: &TokenFacts) -> Result<Grant, Refusal> {
    narrow(&World::new().policy(), API1, token)
}

fn printed(grant: &Grant) -> (String, String, Vec<String>) {
    let act = grant.act().iter().map(ToString::to_string).collect();
    (grant.client().to_string(), grant.subject().to_string(), act)
}

#[test]
fn the_presenter_and_everybody_who_acted_stay_named() {
    let token = TokenFacts { act: vec!["first".into()], ..theirs() };
    let grant = narrowed(&token).unwrap();
    let expected = ("corp|reporting-web".into(), "corp|alice".into(), vec!["corp|first".into()]);
    assert_eq!(printed(&grant), expected);
    assert_eq!((grant.resource(), grant.expires_no_later_than()), (API1, Some(Timestamp(1_000))));
    let ours = narrowed(&ours()).unwrap();
    assert_eq!(printed(&ours), ("app".into(), "corp|alice".into(), Vec::new()));
    assert_eq!(ours.root(), Some(root()));
}

#[test]
fn its_scopes_are_what_it_carried_there_and_the_matrix_does_not_rule() {
    assert_eq!(narrowed(&theirs()).unwrap().scopes(), &scopes(&["read"]), "corp calls it Docs.Read");
    let stranger =
        TokenFacts { claimed: Claimed { client: Some("nobody-here".into()), ..theirs().claimed }, ..theirs() };
    assert_eq!(narrowed(&stranger).unwrap().scopes(), &scopes(&["read"]));
    let foreign_words =
        TokenFacts { claimed: Claimed { scopes: words(&["read", "reports", "odd"]), ..ours().claimed }, ..ours() };
    assert_eq!(narrowed(&foreign_words).unwrap().scopes(), &scopes(&["read"]));
    let none = TokenFacts { claimed: Claimed { scopes: None, ..ours().claimed }, ..ours() };
    assert_eq!(narrowed(&none).unwrap().scopes(), &scopes(&[]));
}

#[test]
fn a_token_that_was_narrowed_before_keeps_its_foreign_client() {
    let before =
        TokenFacts { claimed: Claimed { client: Some("corp|reporting-web".into()), ..ours().claimed }, ..ours() };
    let grant = narrowed(&before).unwrap();
    assert_eq!(grant.client(), &Party { issuer: IssuerName::parse("corp").ok(), value: "reporting-web".into() });
    let odd = TokenFacts { claimed: Claimed { client: Some("Corp|x".into()), ..ours().claimed }, ..ours() };
    assert_eq!(narrowed(&odd), Err(Refusal::TokenIncomplete));
}

#[test]
fn a_token_for_several_apis_comes_out_for_one() {
    let broad = TokenFacts { audiences: vec!["api://one".into(), TWO.into()], ..theirs() };
    assert_eq!(narrowed(&broad), Err(Refusal::TargetUnknown), "the gate would not let it in");
    let mut world = World::new();
    world.config.resources[API1.0].broad_tokens = BroadTokens::Narrow;
    assert_eq!(narrow(&world.policy(), API1, &broad).unwrap().audience().as_str(), ONE);
}

#[test]
fn a_client_that_is_nobodys_agent_is_its_own_subject() {
    let machine = TokenFacts { claimed: Claimed { subject: None, ..theirs().claimed }, ..theirs() };
    assert_eq!(printed(&narrowed(&machine).unwrap()).1, "corp|reporting-web");
}

#[test]
fn nothing_is_made_of_a_token_that_lacks_what_ours_have() {
    let without_client = TokenFacts { claimed: Claimed { client: None, ..theirs().claimed }, ..theirs() };
    assert_eq!(narrowed(&without_client), Err(Refusal::TokenIncomplete));
    assert_eq!(narrowed(&TokenFacts { root: None, ..ours() }), Err(Refusal::TokenIncomplete));
    assert_eq!(narrowed(&TokenFacts { bound: true, ..ours() }), Err(Refusal::TokenBound));
    let elsewhere = TokenFacts { audiences: vec![TWO.into()], ..theirs() };
    assert_eq!(narrowed(&elsewhere), Err(Refusal::TargetUnknown));
    let refused = TokenFacts { refused_at: [API1].into(), ..theirs() };
    assert_eq!(narrowed(&refused), Err(Refusal::TargetUnknown));
}

#[test]
fn a_client_that_the_api_names_stays_that_client_once_it_is_narrowed() {
    let mut world = World::new();
    world.config.resources[API1.0].allowed_clients =
        Some(vec![AllowedClient::Foreign(IssuerId(0), "reporting-web".into())]);
    let narrowed =
        TokenFacts { claimed: Claimed { client: Some("corp|reporting-web".into()), ..ours().claimed }, ..ours() };
    assert!(narrow(&world.policy(), API1, &narrowed).is_ok());
    let other = TokenFacts { claimed: Claimed { client: Some("corp|other".into()), ..ours().claimed }, ..ours() };
    assert_eq!(narrow(&world.policy(), API1, &other), Err(Refusal::TargetUnknown));
}
