//! Who a token speaks of and who acts: foreign names, foreign scopes, actors and their chain.

use super::*;

fn ask(world: &World, client: &Client, subject: &TokenFacts, target: &str) -> Result<Grant, Refusal> {
    let wanted = wanted(&[target], None);
    token_exchange(&world.policy(), &Exchange { client, wanted: &wanted, subject, actor: None })
}

fn with_actor(client: &Client, subject: &TokenFacts, target: &str, actor: &TokenFacts) -> Result<Grant, Refusal> {
    let wanted = wanted(&[target], None);
    token_exchange(&World::new().policy(), &Exchange { client, wanted: &wanted, subject, actor: Some(actor) })
}

fn with_subject(token: TokenFacts, subject: &str) -> TokenFacts {
    TokenFacts { claimed: Claimed { subject: Some(subject.into()), ..token.claimed.clone() }, ..token }
}

fn chain(grant: &Grant) -> Vec<String> {
    grant.act().iter().map(ToString::to_string).collect()
}

/// A token for the API itself, which says who acts.
fn services_own() -> TokenFacts {
    let claimed = Claimed { subject: Some("api1-service".into()), client: Some("api1-service".into()), scopes: None };
    TokenFacts { claimed, expires: Timestamp(2_000), ..ours() }
}

#[test]
fn a_subject_keeps_its_issuer() {
    let world = World::new();
    let grant = ask(&world, &app(), &theirs(), ONE).unwrap();
    assert_eq!((grant.subject().to_string().as_str(), grant.root()), ("corp|alice", None));
    let plain = TokenFacts { issuer: PLAIN, audiences: vec![ONE.into()], ..theirs() };
    let plain = TokenFacts { claimed: Claimed { scopes: words(&["read"]), ..plain.claimed.clone() }, ..plain };
    let subject = |value: &str| ask(&world, &service(), &with_subject(plain.clone(), value), TWO);
    assert_eq!(subject("alice").unwrap().subject().to_string(), "alice");
    assert_eq!(subject("auth0|42").unwrap().subject().to_string(), "auth0|42");
    assert_eq!(subject("plain|42").unwrap().subject().to_string(), "plain|42");
    for somebody_else in ["corp|alice", "other|", "app"] {
        assert_eq!(subject(somebody_else), Err(Refusal::SubjectAmbiguous), "{somebody_else}");
    }
}

#[test]
fn nobody_is_no_subject() {
    let world = World::new();
    for subject in [None, Some(String::new())] {
        let token = TokenFacts { claimed: Claimed { subject, ..ours().claimed }, ..ours() };
        assert_eq!(ask(&world, &app(), &token, ONE), Err(Refusal::TokenIncomplete));
    }
}

#[test]
fn foreign_scopes_count_as_the_resource_sees_them() {
    let world = World::new();
    let seen = |scopes: Option<Vec<String>>| {
        let token = TokenFacts { claimed: Claimed { scopes, ..theirs().claimed }, ..theirs() };
        ask(&world, &app(), &token, ONE).map(|grant| grant.scopes().clone())
    };
    assert_eq!(seen(words(&["Docs.All"])), Ok(scopes(&["read", "write"])));
    // Unmapped names count for nothing, and an empty claim is not an absent one.
    assert_eq!(seen(words(&["write"])), Err(Refusal::ScopeNothingLeft));
    assert_eq!(seen(words(&[])), Err(Refusal::ScopeNothingLeft));
    assert_eq!(seen(None), Ok(scopes(&["read"])));
}

#[test]
fn an_edge_maps_what_the_scopes_mean_where_they_come_from() {
    let world = World::new();
    assert_eq!(ask(&world, &service(), &theirs(), TWO).unwrap().scopes(), &scopes(&["reports"]));
    // `read` means something at the target, but nothing at the API that the token is for.
    let token = TokenFacts { claimed: Claimed { scopes: words(&["read"]), ..theirs().claimed }, ..theirs() };
    assert_eq!(ask(&world, &service(), &token, TWO), Err(Refusal::ScopeNothingLeft));
}

#[test]
fn a_resource_may_say_where_its_issuer_keeps_things() {
    let world = World::new();
    let claimed =
        Claimed { subject: Some("oid".into()), client: Some("reporting-web".into()), scopes: words(&["Docs.All"]) };
    let token = TokenFacts { claimed: Claimed::default(), claimed_at: BTreeMap::from([(API1, claimed)]), ..theirs() };
    let grant = ask(&world, &app(), &token, ONE).unwrap();
    assert_eq!((grant.subject().to_string(), grant.scopes()), ("corp|oid".to_owned(), &scopes(&["read", "write"])));
}

#[test]
fn what_the_api_would_turn_away_is_not_carried_on() {
    let mut world = World::new();
    let lacking = TokenFacts { refused_at: BTreeSet::from([API1]), ..theirs() };
    assert_eq!(ask(&world, &service(), &lacking, TWO), Err(Refusal::TargetNotReached));
    let lacking = TokenFacts { refused_at: BTreeSet::from([API2]), ..theirs() };
    assert_eq!(ask(&world, &service(), &lacking, TWO), Err(Refusal::ClaimNotAllowed));
    // The API does not let that issuer vouch at all.
    let other = TokenFacts { issuer: OTHER, audiences: vec![ONE.into()], ..theirs() };
    world.config.resources[1].issuers[1].exchange = true;
    assert_eq!(ask(&world, &service(), &other, TWO), Err(Refusal::TargetNotReached));
    // Its owner does not let that client in.
    world.config.resources[0].allowed_clients = Some(vec![crate::config::AllowedClient::Own("somebody".into())]);
    assert_eq!(ask(&world, &service(), &ours(), TWO), Err(Refusal::TargetNotReached));
    world.config.resources[0].allowed_clients = Some(vec![crate::config::AllowedClient::Own("app".into())]);
    assert!(ask(&world, &service(), &ours(), TWO).is_ok());
}

#[test]
fn the_owner_of_the_target_may_veto_the_one_who_carries_on() {
    let mut world = World::new();
    world.config.resources[1].allowed_clients = Some(vec![crate::config::AllowedClient::Own("app".into())]);
    assert_eq!(ask(&world, &service(), &ours(), TWO), Err(Refusal::TargetUnknown));
}

#[test]
fn earlier_actors_stay_inside_and_are_bounded() {
    let world = World::new();
    let acting = |count: usize, token: TokenFacts| TokenFacts { act: vec!["before".into(); count], ..token };
    let grant = ask(&world, &service(), &acting(3, ours()), TWO).unwrap();
    assert_eq!(chain(&grant), ["api1-service", "before", "before", "before"]);
    assert_eq!(ask(&world, &service(), &acting(4, ours()), TWO), Err(Refusal::ChainTooLong));
    assert!(ask(&world, &app(), &acting(4, ours()), ONE).is_ok());
    assert_eq!(ask(&world, &app(), &acting(5, ours()), ONE), Err(Refusal::ChainTooLong));
    // What another issuer says of actors stays its word.
    let grant = ask(&world, &service(), &acting(1, theirs()), TWO).unwrap();
    assert_eq!(chain(&grant), ["api1-service", "corp|before"]);
}

#[test]
fn an_actor_token_names_the_actor_if_it_is_the_clients_own() {
    let grant = with_actor(&service(), &ours(), TWO, &services_own()).unwrap();
    assert_eq!(chain(&grant), ["api1-service"]);
    assert_eq!(grant.expires_no_later_than(), Some(Timestamp(1_000)));
    let short = TokenFacts { expires: Timestamp(500), ..services_own() };
    assert_eq!(with_actor(&service(), &ours(), TWO, &short).unwrap().expires_no_later_than(), Some(Timestamp(500)));
    let foreign = TokenFacts { issuer: CORP, root: None, ..services_own() };
    assert_eq!(with_actor(&service(), &ours(), TWO, &foreign), Err(Refusal::ActorNotTheirs));
    let known = Client { known_as: known_as("api1-service"), ..service() };
    assert_eq!(chain(&with_actor(&known, &ours(), TWO, &foreign).unwrap()), ["corp|api1-service"]);
}

#[test]
fn a_bad_actor_token_refuses_the_exchange() {
    let error = |actor: TokenFacts| with_actor(&service(), &ours(), TWO, &actor).unwrap_err();
    assert_eq!(error(ours()), Refusal::ActorNotTheirs);
    assert_eq!(error(TokenFacts { act: vec!["x".into()], ..services_own() }), Refusal::ActorNotTheirs);
    let users = Claimed { subject: Some("corp|bob".into()), ..services_own().claimed };
    assert_eq!(error(TokenFacts { claimed: users, ..services_own() }), Refusal::ActorNotTheirs, "a user's token");
    assert_eq!(error(TokenFacts { bound: true, ..services_own() }), Refusal::TokenBound);
    let nobody = Claimed { subject: None, ..services_own().claimed };
    assert_eq!(error(TokenFacts { claimed: nobody, ..services_own() }), Refusal::TokenIncomplete);
    assert_eq!(error(TokenFacts { issuer: OTHER, ..services_own() }), Refusal::IssuerNotAdmitted);
    // Nobody is carried on, so nobody acts.
    assert_eq!(with_actor(&app(), &ours(), ONE, &ours()), Err(Refusal::ActorNotTheirs));
}
