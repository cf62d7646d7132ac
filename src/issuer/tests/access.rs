//! Which users may have a token for an API at all, and what is left of a grant once a consent is withdrawn.

use serde_json::{Value, json};

use super::user_grants::{BEGUN, alice, asked_for};
use super::*;
use crate::config::{ClaimPath, LocalUser, Requirement};
use crate::oauth::{AuthorizationError, IssuerName, OAuthError};

/// The second API is for sales alone.
fn world() -> World {
    let mut world = World::for_users();
    world.config.resources[1].access = vec![demand("department", &["sales"])];
    world
}

fn demand(claim: &str, values: &[&str]) -> Requirement {
    let claim = ClaimPath { text: claim.into(), steps: vec![claim.into()] };
    Requirement { claim, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

fn of(claims: Value) -> Map<String, Value> {
    serde_json::from_value(claims).unwrap()
}

fn knowing(claims: Value) -> Consenting {
    Consenting { user_claims: of(claims), ..alice() }
}

fn granted(world: &World, user: Consenting) -> Result<GrantRecord, AuthorizationError> {
    let asked = asked_for(&[(API1, &["read"]), (API2, &["reports"])]);
    GrantRecord::after_consent(&world.policy(), &asked, &asked.grant, user, root(), Timestamp(BEGUN))
}

fn refreshed(world: &World, record: &GrantRecord, name: &str) -> Result<Grant, Refusal> {
    refresh_token(&world.policy(), &world.server.clients[3], record, &wanted(&[name], None))
}

#[test]
fn every_demand_must_be_met_by_what_is_known() {
    let mut world = world();
    world.config.resources[1].access.push(demand("groups", &["admins", "7"]));
    let admits = |claims| world.policy().admits(API2, &of(claims));
    assert!(admits(json!({ "department": "sales", "groups": ["staff", "admins"] })));
    assert!(admits(json!({ "department": "sales", "groups": 7 })));
    for lacking in [
        json!({}),
        json!({ "department": "sales" }),
        json!({ "groups": ["admins"] }),
        json!({ "department": "Sales", "groups": ["admins"] }),
        json!({ "department": "sales", "groups": [] }),
        json!({ "department": null, "groups": ["admins"] }),
        json!({ "department": { "sales": true }, "groups": ["admins"] }),
    ] {
        assert!(!admits(lacking.clone()), "{lacking}");
    }
    assert!(world.policy().admits(API1, &Map::new()), "an API that demands nothing is for everybody");
    assert!(!world.policy().admits(ResourceId(99), &Map::new()), "an API that is none is for nobody");
}

#[test]
fn a_user_is_asked_for_the_apis_that_are_for_him() {
    let world = world();
    let asked = || asked_for(&[(API1, &["read"]), (API2, &["reports"])]);
    let within = |asked: Asked, claims| asked.within_reach_of(&world.policy(), &of(claims));
    let (left, denied) = within(asked(), json!({ "department": "law" })).unwrap();
    assert_eq!((left.grant.keys().collect::<Vec<_>>(), denied), (vec![&API1], vec![API2]));
    assert_eq!(Asked { grant: asked().grant, ..left }, asked());
    assert_eq!(within(asked(), json!({ "department": "sales" })), Ok((asked(), Vec::new())));
    let only = asked_for(&[(API2, &["reports"])]);
    assert_eq!(within(only, json!({})), Err(AuthorizationError::AccessDenied));
}

#[test]
fn consent_grants_no_api_that_is_not_for_the_user() {
    let keys = |record: GrantRecord| record.resources().keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(granted(&world(), knowing(json!({}))).map(keys), Ok(vec![ONE.to_owned()]));
    let all = vec![ONE.to_owned(), TWO.to_owned()];
    assert_eq!(granted(&world(), knowing(json!({ "department": "sales" }))).map(keys), Ok(all));
}

#[test]
fn a_demand_that_comes_later_takes_back_what_was_granted() {
    let record = granted(&World::for_users(), knowing(json!({ "department": "law" }))).unwrap();
    assert!(refreshed(&World::for_users(), &record, TWO).is_ok());
    assert_eq!(refreshed(&world(), &record, TWO), Err(Refusal::UserNotAdmitted));
    assert!(refreshed(&world(), &record, ONE).is_ok());
    assert_eq!(Refusal::UserNotAdmitted.error(), OAuthError::InvalidTarget);
}

#[test]
fn a_local_user_is_known_by_the_configuration_of_now() {
    let local = Party { issuer: Some(UserLogin::local()), value: "bob".into() };
    let with = |users: &[(&str, Value)]| {
        let user = |(name, claims): &(&str, Value)| LocalUser {
            name: (*name).to_owned(),
            password: Secret::new("h"),
            claims: of(claims.clone()),
        };
        let mut world = world();
        world.server.login = Some(UserLogin { openid: everywhere(), users: users.iter().map(user).collect() });
        world
    };
    let sales = || json!({ "department": "sales" });
    let record =
        granted(&with(&[("bob", sales())]), Consenting { provider: None, subject: local, ..knowing(sales()) }).unwrap();
    assert_eq!(
        refreshed(&with(&[("bob", sales())]), &record, TWO).map(|grant| grant.subject().to_string()),
        Ok("local|bob".to_owned())
    );
    assert_eq!(refreshed(&with(&[("bob", json!({}))]), &record, TWO), Err(Refusal::UserNotAdmitted));
    assert_eq!(refreshed(&with(&[("alice", sales())]), &record, ONE), Err(Refusal::SubjectGone));
    assert_eq!(refreshed(&world(), &record, ONE), Err(Refusal::SubjectGone));
    // Nobody else's subject reads like him, as long as there are local users.
    let plain = Party { issuer: None, value: "local|bob".into() };
    let provider = IssuerName::parse("plain").ok();
    let record = granted(&world(), Consenting { provider, subject: plain, ..alice() }).unwrap();
    assert!(refreshed(&world(), &record, ONE).is_ok());
    assert_eq!(refreshed(&with(&[("alice", sales())]), &record, ONE), Err(Refusal::SubjectGone));
}

#[test]
fn no_plain_subject_reads_like_a_local_user() {
    let mut world = World::new();
    let reads_like_another = |world: &World| {
        let plain = crate::config::PlainSubjects::of(&world.config).unwrap();
        plain.reads_like_another(IssuerId(2), "local|bob")
    };
    assert!(!reads_like_another(&world));
    let bob = LocalUser { name: "bob".into(), password: Secret::new("h"), claims: Map::new() };
    let login = UserLogin { openid: Vec::new(), users: vec![bob] };
    world.config.issuer.as_mut().unwrap().login = Some(login);
    assert!(reads_like_another(&world));
}

fn exchanged(world: &World, subject: &TokenFacts) -> Result<Grant, Refusal> {
    let wanted = wanted(&[TWO], None);
    let client = service();
    token_exchange(&world.policy(), &Exchange { client: &client, wanted: &wanted, subject, actor: None })
}

#[test]
fn an_exchange_asks_what_the_subject_token_says_of_its_user() {
    let with = |token: TokenFacts, claims| TokenFacts { user_claims: of(claims), ..token };
    for token in [ours(), theirs()] {
        let token = |claims| with(token.clone(), claims);
        assert!(exchanged(&world(), &token(json!({ "department": "sales" }))).is_ok());
        assert_eq!(exchanged(&world(), &token(json!({ "department": "law" }))), Err(Refusal::UserNotAdmitted));
        assert_eq!(exchanged(&world(), &token(json!({}))), Err(Refusal::UserNotAdmitted), "what is not said is not so");
    }
}

#[test]
fn a_client_for_itself_is_no_user() {
    let world = world();
    let itself = |token: TokenFacts| TokenFacts {
        claimed: Claimed { subject: Some("app".into()), ..token.claimed.clone() },
        ..token
    };
    assert!(exchanged(&world, &itself(ours())).is_ok());
    let logged_in = LoginFacts { time: Some(Timestamp(900)), acr: None, amr: Vec::new() };
    let user = TokenFacts { login: Some(logged_in), ..itself(ours()) };
    assert_eq!(exchanged(&world, &user), Err(Refusal::UserNotAdmitted));
    // What another issuer calls so may be a user here.
    assert_eq!(exchanged(&world, &itself(theirs())), Err(Refusal::UserNotAdmitted));
    let wanted = wanted(&[TWO], None);
    assert!(client_credentials(&world.policy(), &app(), &wanted).is_ok());
}

#[test]
fn a_development_token_is_for_users_of_whom_enough_is_known() {
    let mut world = world();
    world.server.development_tokens = true;
    let asked = |sub: &str| DevelopmentToken {
        resource: TWO.into(),
        scope: Some("reports".into()),
        sub: sub.into(),
        client_id: Some("web".into()),
    };
    let refused = Err(DevelopmentFault::Refused(Refusal::UserNotAdmitted));
    assert_eq!(development_token(&world.policy(), &asked("corp|alice")), refused);
    let bob =
        LocalUser { name: "bob".into(), password: Secret::new("h"), claims: of(json!({ "department": "sales" })) };
    world.server.login = Some(UserLogin { openid: everywhere(), users: vec![bob] });
    let token = development_token(&world.policy(), &asked("local|bob"));
    assert_eq!(token.map(|grant| grant.subject().to_string()), Ok("local|bob".to_owned()));
    assert_eq!(development_token(&world.policy(), &asked("corp|alice")), refused);
    let unknown = development_token(&world.policy(), &asked("local|eve"));
    assert!(matches!(unknown, Err(DevelopmentFault::SubjectIssuerUnknown(_))), "{unknown:?}");
}

fn consented(rows: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let words = |had: &[&str]| had.iter().map(|scope| (*scope).to_owned()).collect();
    rows.iter().map(|(key, had)| ((*key).to_owned(), words(had))).collect()
}

#[test]
fn a_grant_shrinks_to_what_is_still_consented_to() {
    let asked = asked_for(&[(API1, &["read", "write"]), (API2, &["reports"]), (FREE, &[])]);
    let policy = World::for_users();
    let record =
        GrantRecord::after_consent(&policy.policy(), &asked, &asked.grant, alice(), root(), Timestamp(BEGUN)).unwrap();
    let left = |rows: &[(&str, &[&str])]| {
        let left = record.clone().limited_to(&consented(rows))?;
        let words = |had: &BTreeSet<Scope>| had.iter().map(Scope::to_string).collect::<Vec<_>>().join(" ");
        let rows = left.resources().iter().map(|(key, had)| format!("{key} {}", words(had)).trim_end().to_owned());
        Some(rows.collect::<Vec<_>>())
    };
    let free = "https://free.example.com";
    let all: &[(&str, &[&str])] = &[(ONE, &["read", "write", "more"]), (TWO, &["reports"]), (free, &[])];
    assert_eq!(record.clone().limited_to(&consented(all)), Some(record.clone()));
    assert_eq!(left(&[(ONE, &["read"])]), Some(vec![format!("{ONE} read")]));
    assert_eq!(left(&[(ONE, &[]), (TWO, &["read"]), (free, &[])]), Some(vec![free.to_owned()]));
    assert_eq!(left(&[(ONE, &[]), ("https://other.example", &["read"])]), None);
    assert_eq!(left(&[]), None);
}

#[test]
fn a_remembered_consent_covers_what_it_holds_all_of() {
    let world = World::for_users();
    let asked = asked_for(&[(API1, &["read", "write"]), (FREE, &[])]);
    let covers = |rows: &[(&str, &[&str])]| consent_covers(&asked, &world.policy(), &consented(rows));
    let free = "https://free.example.com";
    assert!(covers(&[(ONE, &["read", "write"]), (free, &[]), (TWO, &["reports"])]));
    for lacking in [
        &[(ONE, &["read", "write"][..])][..],
        &[(ONE, &["read"]), (free, &[])],
        &[(ONE, &["read"]), (TWO, &["write"]), (free, &[])],
        &[],
    ] {
        assert!(!covers(lacking), "{lacking:?}");
    }
}

#[test]
fn a_name_without_an_issuer_is_no_local_user() {
    let mut world = world();
    let bob =
        LocalUser { name: "alice".into(), password: Secret::new("h"), claims: of(json!({ "department": "sales" })) };
    world.server.login = Some(UserLogin { openid: everywhere(), users: vec![bob] });
    let corp = Party { issuer: IssuerName::parse("corp").ok(), value: "alice".into() };
    let record = granted(&World::for_users(), Consenting { subject: corp, ..knowing(json!({})) }).unwrap();
    assert_eq!(refreshed(&world, &record, TWO), Err(Refusal::UserNotAdmitted));
}
