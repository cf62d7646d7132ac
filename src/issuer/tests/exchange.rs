//! Token exchange: the four questions, each answered with no by a case that is valid but for one thing.

use super::*;
use crate::config::BroadTokens;
use crate::oauth::OAuthError;

fn ask(client: &Client, subject: &TokenFacts, names: &[&str], asked: Option<&[&str]>) -> Result<Grant, Refusal> {
    let wanted = wanted(names, asked);
    token_exchange(&World::new().policy(), &Exchange { client, wanted: &wanted, subject, actor: None })
}

fn got(answer: Result<Grant, Refusal>) -> Result<(ResourceId, BTreeSet<Scope>), Refusal> {
    answer.map(|grant| (grant.resource(), grant.scopes().clone()))
}

/// A token that only its `may_act` opens for `onward`.
fn for_onward() -> TokenFacts {
    TokenFacts { may_act: Some(MayAct::Client { issuer: TokenIssuer::Own, id: "onward".into() }), ..ours() }
}

fn with_scopes(token: TokenFacts, scopes: Option<Vec<String>>) -> TokenFacts {
    TokenFacts { claimed: Claimed { scopes, ..token.claimed.clone() }, ..token }
}

fn with_client(token: TokenFacts, client: &str) -> TokenFacts {
    TokenFacts { claimed: Claimed { client: Some(client.into()), ..token.claimed.clone() }, ..token }
}

#[test]
fn its_own_token_is_narrowed_and_keeps_everything_else() {
    let token = TokenFacts { act: vec!["earlier".into()], ..ours() };
    let grant = ask(&app(), &token, &[ONE], Some(&["read"])).unwrap();
    assert_eq!((grant.resource(), grant.scopes()), (API1, &scopes(&["read"])));
    assert_eq!((grant.client().to_string().as_str(), grant.subject().to_string().as_str()), ("app", "corp|alice"));
    assert_eq!(grant.act().iter().map(ToString::to_string).collect::<Vec<_>>(), ["earlier"]);
    assert_eq!((grant.root(), grant.expires_no_later_than()), (Some(root()), Some(Timestamp(1_000))));
    let world = World::new();
    assert_eq!((world.end(&grant, 900), world.end(&grant, 100)), (1_000, 400));
}

#[test]
fn an_api_carries_a_token_on_that_is_addressed_to_it() {
    let grant = ask(&service(), &ours(), &[TWO], None).unwrap();
    assert_eq!((grant.resource(), grant.scopes()), (API2, &scopes(&["reports", "payment:7"])));
    assert_eq!(
        (grant.client().to_string().as_str(), grant.subject().to_string().as_str()),
        ("api1-service", "corp|alice")
    );
    assert_eq!(grant.act().iter().map(ToString::to_string).collect::<Vec<_>>(), ["api1-service"]);
    assert_eq!((grant.root(), grant.expires_no_later_than()), (Some(root()), Some(Timestamp(1_000))));
}

#[test]
fn may_act_names_who_carries_a_token_on() {
    assert_eq!(got(ask(&onward(), &for_onward(), &[TWO], Some(&["reports"]))), Ok((API2, scopes(&["reports"]))));
    assert_eq!(ask(&onward(), &ours(), &[TWO], None), Err(Refusal::SubjectNotTheirs));
}

#[test]
fn only_confidential_clients_with_the_grant_exchange() {
    let error = |client: Client| ask(&client, &ours(), &[ONE], None).unwrap_err();
    assert_eq!(error(Client { grants: vec![GrantType::ClientCredentials], ..app() }), Refusal::GrantNotAllowed);
    assert_eq!(error(Client { authentication: ClientAuthentication::None, ..app() }), Refusal::ClientPublic);
    assert_eq!(error(Client { disabled: true, ..app() }), Refusal::ClientDisabled);
}

#[test]
fn there_is_exactly_one_target() {
    assert_eq!(got(ask(&app(), &ours(), &[ONE, ONE], Some(&["read"]))), Ok((API1, scopes(&["read"]))));
    assert_eq!(ask(&app(), &ours(), &[ONE, TWO], None), Err(Refusal::TargetAmbiguous));
    // Not even where there is only one.
    let lonely =
        Client { resources: BTreeMap::from([(API1, patterns(&["read"]))]), default_resource: Some(API1), ..app() };
    assert_eq!(ask(&lonely, &ours(), &[], None), Err(Refusal::TargetMissing));
    assert_eq!(ask(&app(), &ours(), &["urn:nobody"], None), Err(Refusal::TargetUnknown));
}

#[test]
fn a_resource_out_of_reach_looks_like_none_whatever_the_token() {
    for subject in [ours(), theirs(), TokenFacts { bound: true, ..theirs() }] {
        for name in ["https://free.example.com", "https://nobody.example"] {
            assert_eq!(ask(&app(), &subject, &[name], None), Err(Refusal::TargetUnknown), "{name}");
        }
    }
}

#[test]
fn a_token_that_is_bound_or_without_a_root_is_not_genuine() {
    assert_eq!(ask(&app(), &TokenFacts { bound: true, ..ours() }, &[ONE], None), Err(Refusal::TokenBound));
    assert_eq!(ask(&app(), &TokenFacts { root: None, ..ours() }, &[ONE], None), Err(Refusal::TokenIncomplete));
    let two = TokenFacts { audiences: vec![ONE.into(), TWO.into()], ..ours() };
    assert_eq!(ask(&app(), &two, &[ONE], None), Err(Refusal::TokenIncomplete));
    for bad in [Refusal::TokenBound, Refusal::TokenIncomplete, Refusal::SubjectNotTheirs, Refusal::MayActOther] {
        assert_eq!(bad.error(), OAuthError::InvalidRequest);
    }
}

#[test]
fn a_foreign_issuer_is_admitted_by_the_targets_entry() {
    assert_eq!(got(ask(&app(), &theirs(), &[ONE], None)), Ok((API1, scopes(&["read"]))));
    let mut world = World::new();
    world.config.resources[0].issuers[0].exchange = false;
    let wanted = wanted(&[ONE], None);
    let exchange = Exchange { client: &app(), wanted: &wanted, subject: &theirs(), actor: None };
    assert_eq!(token_exchange(&world.policy(), &exchange), Err(Refusal::IssuerNotAdmitted));
    world.config.resources[0].issuers.clear();
    assert_eq!(token_exchange(&world.policy(), &exchange), Err(Refusal::IssuerNotAdmitted));
}

#[test]
fn the_entry_that_counts_is_the_targets() {
    assert_eq!(got(ask(&service(), &theirs(), &[TWO], None)), Ok((API2, scopes(&["reports"]))));
    let mut world = World::new();
    world.config.resources[1].issuers[0].exchange = false;
    let wanted = wanted(&[TWO], None);
    let exchange = Exchange { client: &service(), wanted: &wanted, subject: &theirs(), actor: None };
    assert_eq!(token_exchange(&world.policy(), &exchange), Err(Refusal::IssuerNotAdmitted));
}

#[test]
fn own_is_the_client_and_not_a_namesake() {
    let namesake = with_client(theirs(), "app");
    assert_eq!(ask(&app(), &namesake, &[ONE], None), Err(Refusal::SubjectNotTheirs));
    let known_there = with_client(ours(), "reporting-web");
    assert_eq!(ask(&app(), &known_there, &[ONE], None), Err(Refusal::SubjectNotTheirs));
    let nobodys = TokenFacts { claimed: Claimed { client: None, ..ours().claimed }, ..ours() };
    assert_eq!(ask(&app(), &nobodys, &[ONE], None), Err(Refusal::SubjectNotTheirs));
}

#[test]
fn addressed_is_what_names_the_served_resource() {
    let for_two = TokenFacts { audiences: vec![TWO.into()], ..ours() };
    assert_eq!(ask(&service(), &for_two, &[TWO], None), Err(Refusal::SubjectNotTheirs));
    for near in ["https://api1.example.com/", "HTTPS://api1.example.com", "api://one"] {
        let near = TokenFacts { audiences: vec![near.into()], ..ours() };
        assert_eq!(ask(&service(), &near, &[TWO], None), Err(Refusal::SubjectNotTheirs));
    }
}

#[test]
fn a_may_act_that_names_somebody_else_refuses_all_three() {
    let somebody = |issuer, id: &str| Some(MayAct::Client { issuer, id: id.into() });
    for may_act in [
        somebody(TokenIssuer::Own, "somebody"),
        somebody(CORP, "app"),
        somebody(CORP, "api1-service"),
        somebody(CORP, "onward"),
        somebody(OTHER, "corp-onward"),
        Some(MayAct::Stranger),
    ] {
        let token = TokenFacts { may_act, ..ours() };
        assert_eq!(ask(&app(), &token, &[ONE], None), Err(Refusal::MayActOther));
        assert_eq!(ask(&service(), &token, &[TWO], None), Err(Refusal::MayActOther));
        assert_eq!(ask(&onward(), &token, &[TWO], None), Err(Refusal::MayActOther));
    }
    let known = TokenFacts { may_act: somebody(CORP, "corp-onward"), ..ours() };
    assert!(ask(&onward(), &known, &[TWO], None).is_ok());
}

#[test]
fn a_token_for_several_of_our_apis_is_usable_by_own_alone() {
    let broad = TokenFacts { audiences: vec!["api://one".into(), TWO.into(), "stranger".into()], ..theirs() };
    assert_eq!(got(ask(&app(), &broad, &[ONE], None)), Ok((API1, scopes(&["read"]))));
    assert_eq!(ask(&service(), &broad, &[TWO], None), Err(Refusal::SubjectNotTheirs));
    let named = TokenFacts { may_act: Some(MayAct::Client { issuer: CORP, id: "corp-onward".into() }), ..broad };
    assert_eq!(ask(&onward(), &named, &[TWO], None), Err(Refusal::SubjectNotTheirs));
    let one = TokenFacts { audiences: vec!["api://one".into(), "stranger".into()], ..named };
    assert_eq!(got(ask(&onward(), &one, &[TWO], None)), Ok((API2, scopes(&["reports"]))));
}

#[test]
fn own_leads_where_the_audience_says_and_the_matrix_allows() {
    assert_eq!(ask(&app(), &ours(), &[TWO], None), Err(Refusal::TargetNotReached));
    let without_row = Client { exchange: BTreeMap::from([(API1, Vec::new())]), resources: BTreeMap::new(), ..app() };
    assert_eq!(ask(&without_row, &ours(), &[ONE], None), Err(Refusal::TargetNotReached));
    assert_eq!(Refusal::TargetNotReached.error(), OAuthError::InvalidTarget);
}

#[test]
fn an_exchange_audience_leads_own_anywhere_in_the_matrix() {
    let account = |audiences: &[&str], scopes: &[&str]| {
        let audiences = audiences.iter().map(|name| (*name).to_owned()).collect();
        with_scopes(TokenFacts { audiences, ..theirs() }, words(scopes))
    };
    assert_eq!(got(ask(&app(), &account(&["account"], &["reports"]), &[TWO], None)), Ok((API2, scopes(&["reports"]))));
    let of_ours = TokenFacts { audiences: vec!["account".into()], ..ours() };
    assert_eq!(ask(&app(), &of_ours, &[ONE], None), Err(Refusal::TargetNotReached));
    assert_eq!(ask(&app(), &account(&["accounts"], &["reports"]), &[TWO], None), Err(Refusal::TargetNotReached));
    // It says where it belongs.
    let both = account(&["account", "api://one"], &["reports"]);
    assert_eq!(ask(&app(), &both, &[TWO], None), Err(Refusal::TargetNotReached));
    // Somebody else's it stays.
    let elses = with_client(account(&["account"], &["reports"]), "else");
    assert_eq!(ask(&app(), &elses, &[TWO], None), Err(Refusal::SubjectNotTheirs));
    assert_eq!(ask(&service(), &account(&["account"], &["read"]), &[TWO], None), Err(Refusal::SubjectNotTheirs));
}

#[test]
fn addressed_and_named_lead_over_an_edge_only() {
    let without_edge = |client: Client| Client {
        exchange: BTreeMap::new(),
        resources: BTreeMap::from([(API2, patterns(&["reports"]))]),
        ..client
    };
    assert_eq!(ask(&without_edge(service()), &ours(), &[TWO], None), Err(Refusal::TargetNotReached));
    assert_eq!(ask(&without_edge(onward()), &for_onward(), &[TWO], None), Err(Refusal::TargetNotReached));
}

#[test]
fn one_that_is_own_and_addressed_takes_the_way_that_leads_there() {
    let both = Client { resources: BTreeMap::from([(API1, patterns(&["read"]))]), ..service() };
    let token = with_client(ours(), "api1-service");
    assert_eq!(ask(&both, &token, &[ONE], None).unwrap().act(), []);
    assert_eq!(ask(&both, &token, &[TWO], None).unwrap().act().len(), 1);
}

#[test]
fn own_keeps_what_subject_matrix_and_resource_agree_on() {
    let token = with_scopes(ours(), words(&["read", "write", "transaction:7", "reports", "a\"b"]));
    let narrow =
        Client { resources: BTreeMap::from([(API1, patterns(&["read", "transaction:{id}", "reports"]))]), ..app() };
    assert_eq!(got(ask(&narrow, &token, &[ONE], None)), Ok((API1, scopes(&["read", "transaction:7"]))));
    for asked in ["write", "reports", "transaction:8"] {
        assert_eq!(ask(&narrow, &token, &[ONE], Some(&[asked])), Err(Refusal::ScopeNotAvailable), "{asked}");
    }
    for nothing in [None, words(&[]), words(&["reports"])] {
        let token = with_scopes(ours(), nothing);
        assert_eq!(ask(&narrow, &token, &[ONE], None), Err(Refusal::ScopeNothingLeft));
    }
}

#[test]
fn an_edge_maps_what_it_says_and_nothing_else() {
    let over = |edge: Vec<EdgeScope>, asked: Option<&[&str]>| {
        let client = Client { exchange: BTreeMap::from([(API2, edge)]), ..service() };
        got(ask(&client, &ours(), &[TWO], asked))
    };
    let rule = |from: &str, to: &[&str]| EdgeScope { from: pattern(from), to: patterns(to) };
    assert_eq!(over(vec![rule("read", &["read"])], None), Ok((API2, scopes(&["read"]))));
    assert_eq!(over(Vec::new(), None), Err(Refusal::ScopeNothingLeft));
    assert_eq!(over(vec![rule("write", &["reports"])], None), Err(Refusal::ScopeNothingLeft));
    // Not the target's.
    assert_eq!(over(vec![rule("read", &["write"])], None), Err(Refusal::ScopeNothingLeft));
    assert_eq!(over(vec![rule("read", &["reports"])], Some(&["read"])), Err(Refusal::ScopeNotAvailable));
    assert_eq!(over(vec![rule("transaction:{id}", &["payment:{id}"])], None), Ok((API2, scopes(&["payment:7"]))));
    assert_eq!(over(vec![rule("transaction:{id}", &["payment:{x}"])], None), Err(Refusal::ScopeNothingLeft));
    assert_eq!(over(vec![rule("transaction:8", &["reports"])], None), Err(Refusal::ScopeNothingLeft));
    assert_eq!(over(vec![rule("read", &["payment:{id}"])], None), Err(Refusal::ScopeNothingLeft));
}

#[test]
fn nothing_is_enough_where_nothing_is_declared() {
    let edge = Client { exchange: BTreeMap::from([(FREE, Vec::new())]), ..service() };
    let free = ["https://free.example.com"];
    assert_eq!(got(ask(&edge, &ours(), &free, None)), Ok((FREE, scopes(&[]))));
    assert_eq!(ask(&edge, &ours(), &free, Some(&["read"])), Err(Refusal::ScopeNotAvailable));
}

#[test]
fn an_edge_begins_at_the_api_that_the_client_serves() {
    let named = Client { serves: Some(API2), ..onward() };
    let elsewhere = Client { exchange: [(FREE, Vec::new())].into(), ..named.clone() };
    assert_eq!(ask(&named, &for_onward(), &[TWO], None), Err(Refusal::TargetNotReached), "it serves another API");
    assert_eq!(ask(&elsewhere, &for_onward(), &["https://free.example.com"], None), Err(Refusal::TargetNotReached));
    let of_nobody = TokenFacts { audiences: vec!["urn:elsewhere".into()], ..for_onward() };
    assert_eq!(
        ask(&onward(), &of_nobody, &[TWO], None),
        Err(Refusal::TargetNotReached),
        "the token names no API of ours"
    );
}

#[test]
fn what_the_api_would_turn_away_for_its_audiences_is_worth_nothing_behind_it() {
    let mut world = World::new();
    world.config.resources[API1.0].broad_tokens = BroadTokens::Strict;
    let token = TokenFacts { audiences: vec!["api://one".into(), "urn:stranger".into()], ..theirs() };
    let wanted = wanted(&[TWO], None);
    let client = service();
    let exchange = Exchange { client: &client, wanted: &wanted, subject: &token, actor: None };
    assert_eq!(token_exchange(&world.policy(), &exchange), Err(Refusal::TargetNotReached));
    world.config.resources[API1.0].broad_tokens = BroadTokens::Reject;
    assert!(token_exchange(&world.policy(), &exchange).is_ok());
}
