//! What a code and a refresh token bring: the rows of the token endpoint's table of errors, and what a configuration that has
//! changed since takes back.

use serde_json::json;

use super::*;
use crate::oauth::{CodeChallenge, IssuerName, OAuthError, ResourceIndicator};

pub(super) const BEGUN: u64 = 1_000;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const PLACE: &str = "https://app.example.com/cb";

pub(super) fn alice() -> Consenting {
    let login = LoginFacts { time: Some(Timestamp(900)), acr: Some("gold".into()), amr: vec!["pwd".into()] };
    let user_claims = Map::from_iter([("email".to_owned(), json!("alice@example.com"))]);
    let subject = Party { issuer: Some(IssuerName::parse("corp").unwrap()), value: "alice".into() };
    Consenting { provider: subject.issuer.clone(), subject, login, user_claims }
}

pub(super) fn ticks(rows: &[(ResourceId, &[&str])]) -> BTreeMap<ResourceId, BTreeSet<Scope>> {
    rows.iter().map(|(id, had)| (*id, scopes(had))).collect()
}

/// What `web` asks for where everything is asked for by name.
pub(super) fn asked_for(rows: &[(ResourceId, &[&str])]) -> Asked {
    let query = format!(
        "response_type=code&client_id=web&redirect_uri={PLACE}&resource={ONE}&code_challenge={CHALLENGE}\
         &code_challenge_method=S256"
    );
    let request = AuthorizationRequest::of_query(query.as_bytes()).unwrap();
    Asked { grant: ticks(rows), ..asked(&World::for_users().policy(), &request).unwrap() }
}

fn record(rows: &[(ResourceId, &[&str])]) -> GrantRecord {
    let asked = asked_for(rows);
    let world = World::for_users();
    GrantRecord::after_consent(&world.policy(), &asked, &asked.grant, alice(), root(), Timestamp(BEGUN)).unwrap()
}

/// Two APIs, both of which know `read`, and one scope that only the first was granted.
fn both() -> GrantRecord {
    record(&[(API1, &["read", "write", "transaction:7"]), (API2, &["reports"])])
}

fn refresh(world: &World, record: &GrantRecord, names: &[&str], asked: Option<&[&str]>) -> Result<Grant, Refusal> {
    refresh_token(&world.policy(), &world.server.clients[3], record, &wanted(names, asked))
}

/// What is refreshed where nothing has changed.
fn got(record: &GrantRecord, names: &[&str], asked: Option<&[&str]>) -> Result<(ResourceId, BTreeSet<Scope>), Refusal> {
    refresh(&World::for_users(), record, names, asked).map(|grant| (grant.resource(), grant.scopes().clone()))
}

fn redeemed(client: &Client, redirect_uri: Option<&str>, verifier: &str) -> Result<Grant, Refusal> {
    let mut body =
        format!("grant_type=authorization_code&code=c0de&code_verifier={verifier}&resource={ONE}&scope=read");
    body += &redirect_uri.map(|uri| format!("&redirect_uri={uri}")).unwrap_or_default();
    let request = CodeRequest::read(&Form::parse(body.as_bytes(), 8 << 10)?)?;
    let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
    let binding = CodeBinding { redirect_uri: PLACE, challenge: &challenge };
    authorization_code(&World::for_users().policy(), client, &both(), binding, &request)
}

#[test]
fn a_code_brings_one_token_for_the_user() {
    let grant = redeemed(&web(), Some(PLACE), VERIFIER).unwrap();
    assert_eq!((grant.audience().as_str(), grant.scopes()), (ONE, &scopes(&["read"])));
    assert_eq!((grant.subject().to_string(), grant.client().to_string()), ("corp|alice".into(), "web".into()));
    assert_eq!((grant.root(), grant.act()), (Some(root()), &[][..]));
    assert_eq!(redeemed(&web(), None, VERIFIER), Ok(grant));
}

#[test]
fn a_code_is_for_its_client_its_place_and_whoever_asked() {
    let error = |client: Client, place, verifier: &str| redeemed(&client, place, verifier).unwrap_err();
    let other = || Client { id: "app".into(), ..web() };
    assert_eq!(error(other(), Some(PLACE), VERIFIER), Refusal::GrantNotTheirs);
    for place in ["https://app.example.com/cb/", "http://127.0.0.1/cb"] {
        assert_eq!(error(web(), Some(place), VERIFIER), Refusal::RedirectUriDiffers, "{place}");
    }
    assert_eq!(error(web(), Some(PLACE), CHALLENGE), Refusal::VerifierWrong);
    assert_eq!(error(web(), Some(PLACE), &VERIFIER.replacen('d', "e", 1)), Refusal::VerifierWrong);
    for refusal in [Refusal::GrantNotTheirs, Refusal::RedirectUriDiffers, Refusal::VerifierWrong] {
        assert_eq!(refusal.error(), OAuthError::InvalidGrant);
    }
    assert_eq!(error(web(), Some(PLACE), &VERIFIER[1..]), Refusal::VerifierMalformed);
    assert_eq!(error(web(), Some(PLACE), ""), Refusal::ParameterMissing);
    for refusal in [Refusal::VerifierMalformed, Refusal::ParameterMissing] {
        assert_eq!(refusal.error(), OAuthError::InvalidRequest);
    }
}

#[test]
fn a_client_needs_the_grant_and_must_not_be_switched_off() {
    let no_code = Client { grants: vec![GrantType::RefreshToken], ..web() };
    assert_eq!(redeemed(&no_code, None, VERIFIER), Err(Refusal::GrantNotAllowed));
    assert_eq!(redeemed(&Client { disabled: true, ..web() }, None, VERIFIER), Err(Refusal::ClientDisabled));
    let refresh = |client: Client| refresh_token(&World::for_users().policy(), &client, &both(), &wanted(&[ONE], None));
    assert_eq!(refresh(Client { grants: vec![GrantType::AuthorizationCode], ..web() }), Err(Refusal::GrantNotAllowed));
    assert_eq!(refresh(Client { disabled: true, ..web() }), Err(Refusal::ClientDisabled));
    assert_eq!(refresh(Client { id: "app".into(), ..web() }), Err(Refusal::GrantNotTheirs));
    assert!(refresh(web()).is_ok());
}

#[test]
fn a_form_says_what_is_shown() {
    fn form(body: &str) -> Form<'_> {
        Form::parse(body.as_bytes(), 8 << 10).unwrap()
    }
    let request = RefreshRequest::read(&form("refresh_token=r&resource=a&resource=b&audience=c&scope=read")).unwrap();
    assert!(request.refresh_token.matches(b"r"));
    assert_eq!(request.wanted, wanted(&["a", "b"], Some(&["read"])));
    assert_eq!(RefreshRequest::read(&form("resource=a")).unwrap_err(), Refusal::ParameterMissing);
    assert_eq!(RefreshRequest::read(&form("refresh_token=r&scope=a++b")).unwrap_err(), Refusal::ScopeMalformed);
    let without_code = format!("code_verifier={VERIFIER}");
    assert_eq!(CodeRequest::read(&form(&without_code)).unwrap_err(), Refusal::ParameterMissing);
    let malformed = format!("code=c&code_verifier={VERIFIER}&scope=a++b");
    assert_eq!(CodeRequest::read(&form(&malformed)).unwrap_err(), Refusal::ScopeMalformed);
    let whole = format!("code=hunter2&code_verifier={VERIFIER}");
    let shown = format!("{:?}", CodeRequest::read(&form(&whole)).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains(VERIFIER), "{shown}");
}

#[test]
fn the_whole_grant_stays_whatever_was_taken_of_it() {
    let all = |texts: &[&str]| scopes(texts);
    assert_eq!(got(&both(), &[ONE], None), Ok((API1, all(&["read", "write", "transaction:7"]))));
    assert_eq!(got(&both(), &["HTTPS://API2.example.com:443/"], None), Ok((API2, all(&["reports"]))));
    assert_eq!(got(&both(), &[ONE, ONE], Some(&["read"])), Ok((API1, all(&["read"]))));
}

#[test]
fn a_target_is_one_of_the_grant() {
    assert_eq!(got(&both(), &[ONE, TWO], None), Err(Refusal::TargetAmbiguous));
    for name in ["api1", "https://nobody.example", "https://free.example.com", "https://api1.example.com/x"] {
        assert_eq!(got(&both(), &[name], None), Err(Refusal::TargetUnknown), "{name}");
        assert_eq!(got(&both(), &[ONE, name], None), Err(Refusal::TargetUnknown), "{name}");
    }
    for refusal in [Refusal::TargetAmbiguous, Refusal::TargetUnknown, Refusal::TargetMissing] {
        assert_eq!(refusal.error(), OAuthError::InvalidTarget);
    }
}

#[test]
fn an_unnamed_target_is_the_grants_only_one_else_what_the_client_tells() {
    assert_eq!(got(&record(&[(API2, &["reports"])]), &[], None), Ok((API2, scopes(&["reports"]))));
    assert_eq!(got(&both(), &[], None), Err(Refusal::TargetMissing));
    assert_eq!(got(&both(), &[], Some(&["write"])), Ok((API1, scopes(&["write"]))));
    let mut world = World::for_users();
    world.server.clients[3].default_resource = Some(API2);
    assert_eq!(refresh(&world, &both(), &[], None).unwrap().resource(), API2);
    world.server.clients[3].default_resource = Some(FREE);
    assert_eq!(refresh(&world, &both(), &[], None), Err(Refusal::TargetUnknown));
}

#[test]
fn a_scope_may_narrow_and_nothing_else() {
    assert_eq!(got(&both(), &[ONE], Some(&["write", "transaction:7"])).unwrap().1, scopes(&["write", "transaction:7"]));
    for beyond in ["transaction:8", "transaction:{id}", "nowhere", "payment:7"] {
        assert_eq!(got(&both(), &[ONE], Some(&["read", beyond])), Err(Refusal::ScopeNotAvailable), "{beyond}");
    }
    assert_eq!(Refusal::ScopeNotAvailable.error(), OAuthError::InvalidScope);
    // `read` at the first says nothing about `read` at the second, which knows it too.
    assert_eq!(got(&both(), &[TWO], Some(&["reports", "read"])), Err(Refusal::ScopeNotAvailable));
}

#[test]
fn scopes_of_the_grants_other_resources_are_left_out() {
    assert_eq!(got(&both(), &[ONE], Some(&["read", "reports"])).unwrap().1, scopes(&["read"]));
    assert_eq!(got(&both(), &[ONE], Some(&["reports"])), Err(Refusal::ScopeNothingLeft));
    assert_eq!(got(&both(), &[ONE], Some(&["openid", "offline_access"])), got(&both(), &[ONE], None));
}

/// What is refreshed at the first API once the configuration has changed.
fn after(change: impl Fn(&mut World)) -> Result<BTreeSet<Scope>, Refusal> {
    let mut world = World::for_users();
    change(&mut world);
    world.audiences = AudienceTable::new(&world.config).unwrap();
    refresh(&world, &both(), &[ONE], None).map(|grant| grant.scopes().clone())
}

#[test]
fn what_the_configuration_takes_back_is_taken_back() {
    assert_eq!(after(|_| {}), Ok(scopes(&["read", "write", "transaction:7"])));
    let matrix = |world: &mut World, row: &[&str]| {
        world.server.clients[3].resources.insert(API1, patterns(row));
    };
    assert_eq!(after(|world| matrix(world, &["read", "transaction:8"])), Ok(scopes(&["read"])));
    assert_eq!(after(|world| matrix(world, &[])), Err(Refusal::ScopeNothingLeft));
    let gone = |world: &mut World| drop(world.server.clients[3].resources.remove(&API1));
    assert_eq!(after(gone), Err(Refusal::TargetUnknown));
    let shrunk = |world: &mut World| world.config.resources[0].scopes.retain(|(scope, _)| scope.as_str() == "read");
    assert_eq!(after(shrunk), Ok(scopes(&["read"])));
    let vetoed = |world: &mut World| world.config.resources[0].allowed_clients = Some(Vec::new());
    assert_eq!(after(vetoed), Err(Refusal::TargetUnknown));
    assert_eq!(after(|world| world.config.resources[0].public = true), Err(Refusal::TargetUnknown));
    assert_eq!(after(|world| world.config.resources[0].own_issuer = false), Err(Refusal::TargetUnknown));
    let renamed = |world: &mut World| {
        world.config.resources[0].key = ResourceIndicator::parse("https://api9.example.com").unwrap();
    };
    assert_eq!(after(renamed), Err(Refusal::TargetUnknown));
}

#[test]
fn what_the_configuration_gives_later_was_not_granted() {
    let narrow = record(&[(API1, &["read"])]);
    assert_eq!(got(&narrow, &[], None), Ok((API1, scopes(&["read"]))));
    assert_eq!(got(&narrow, &[], Some(&["write"])), Err(Refusal::ScopeNotAvailable));
    // A resource that declared nothing, and declares something now.
    let free = record(&[(FREE, &[])]);
    assert_eq!(got(&free, &[], None), Ok((FREE, scopes(&[]))));
    let mut world = World::for_users();
    world.config.resources[2].scopes = vec![(pattern("new"), None)];
    world.server.clients[3].resources.insert(FREE, patterns(&["new"]));
    assert_eq!(refresh(&world, &free, &[], None), Err(Refusal::ScopeNothingLeft));
}

#[test]
fn a_user_whom_nobody_vouches_for_any_more_gets_nothing() {
    let mut world = World::for_users();
    world.config.trusted_issuers[0].name = IssuerName::parse("other-corp").unwrap();
    assert_eq!(refresh(&world, &both(), &[ONE], None), Err(Refusal::SubjectGone));
    assert_eq!(Refusal::SubjectGone.error(), OAuthError::InvalidGrant);
    let asked = asked_for(&[(API1, &["read"])]);
    let of = |value: &str| {
        let (provider, subject) = (IssuerName::parse("plain").ok(), Party { issuer: None, value: value.into() });
        let user = Consenting { provider, subject, ..alice() };
        let world = World::for_users();
        let record =
            GrantRecord::after_consent(&world.policy(), &asked, &asked.grant, user, root(), Timestamp(BEGUN)).unwrap();
        refresh(&world, &record, &[], None).map(|grant| grant.subject().to_string())
    };
    assert_eq!(of("bob"), Ok("bob".to_owned()));
    assert_eq!(of("plain|bob"), Ok("plain|bob".to_owned()));
    for somebody_else in ["app", "corp|alice"] {
        assert_eq!(of(somebody_else), Err(Refusal::SubjectGone), "{somebody_else}");
    }
}

/// A name without an issuer means whoever has it at the provider whose subjects are plain now.
#[test]
fn a_plain_user_is_nobody_once_his_provider_is_another() {
    let asked = asked_for(&[(API1, &["read"])]);
    let user = Consenting {
        provider: IssuerName::parse("plain").ok(),
        subject: Party { issuer: None, value: "bob".into() },
        ..alice()
    };
    let mut world = World::for_users();
    let record =
        GrantRecord::after_consent(&world.policy(), &asked, &asked.grant, user, root(), Timestamp(BEGUN)).unwrap();
    assert!(refresh(&world, &record, &[], None).is_ok());
    assert_eq!(GrantRecord::from_json(&record.to_json()).as_ref(), Ok(&record), "it is kept with him");
    world.config.trusted_issuers[2].subjects = SubjectForm::Qualified;
    assert_eq!(refresh(&world, &record, &[], None), Err(Refusal::SubjectGone));
    world.config.trusted_issuers[1].subjects = SubjectForm::Plain;
    assert_eq!(refresh(&world, &record, &[], None), Err(Refusal::SubjectGone), "another one's bob");
}

#[test]
fn a_user_of_a_provider_at_which_nobody_logs_in_any_more_gets_nothing() {
    let mut world = World::for_users();
    world.server.login.as_mut().unwrap().openid.retain(|login| login.issuer != IssuerId(0));
    assert_eq!(refresh(&world, &both(), &[ONE], None), Err(Refusal::SubjectGone));
}

#[test]
fn no_token_outlives_the_grant_and_each_says_how_the_user_logged_in() {
    let mut world = World::for_users();
    world.config.resources[0].user_claims = vec![crate::config::UserClaim { name: "email".into(), scopes: Vec::new() }];
    let (record, policy) = (both(), world.policy());
    let grant = refresh(&world, &record, &[ONE], None).unwrap();
    assert_eq!(grant.expires_no_later_than(), Some(record.ends()));
    assert_eq!(world.end(&grant, BEGUN), BEGUN + 300);
    assert_eq!(world.end(&grant, record.ends().0 - 10), record.ends().0);
    assert!(grant.access_token(&policy, record.ends()).is_err());
    assert_eq!(grant.user_claims().as_map().get("email"), Some(&json!("alice@example.com")));
}
