//! What a client gets for itself: which resource, which scopes.

use super::*;
use crate::oauth::OAuthError;

fn ask(client: &Client, names: &[&str], asked: Option<&[&str]>) -> Result<Grant, Refusal> {
    client_credentials(&World::new().policy(), client, &wanted(names, asked))
}

fn granted(client: &Client, names: &[&str], asked: Option<&[&str]>) -> (ResourceId, BTreeSet<Scope>) {
    let grant = ask(client, names, asked).unwrap();
    (grant.resource(), grant.scopes().clone())
}

fn with_matrix(matrix: &[(ResourceId, &[&str])]) -> Client {
    let matrix = matrix.iter().map(|(resource, row)| (*resource, patterns(row)));
    Client { resources: matrix.collect(), ..client("c") }
}

#[test]
fn a_client_speaks_for_itself_and_begins_a_grant() {
    let grant = ask(&app(), &["HTTPS://API1.example.com:443/"], Some(&["read"])).unwrap();
    assert_eq!(grant.audience().as_str(), ONE);
    assert_eq!((grant.client().to_string().as_str(), grant.subject().to_string().as_str()), ("app", "app"));
    assert_eq!((grant.act(), grant.root(), grant.expires_no_later_than()), (&[][..], None, None));
    assert_eq!(World::new().end(&grant, 1_000), 1_300);
}

#[test]
fn only_a_confidential_client_with_the_grant_gets_anything() {
    assert!(ask(&app(), &[ONE], None).is_ok());
    let error = |client: Client| ask(&client, &[ONE], None).unwrap_err();
    assert_eq!(error(Client { disabled: true, ..app() }), Refusal::ClientDisabled);
    assert_eq!(error(Client { grants: vec![GrantType::TokenExchange], ..app() }), Refusal::GrantNotAllowed);
    assert_eq!(error(Client { authentication: ClientAuthentication::None, ..app() }), Refusal::ClientPublic);
    assert_eq!(Refusal::ClientPublic.error(), OAuthError::UnauthorizedClient);
    assert_eq!(Refusal::GrantNotAllowed.error(), OAuthError::UnauthorizedClient);
}

#[test]
fn a_near_miss_an_unknown_and_a_forbidden_resource_are_one_refusal() {
    for name in [
        "https://api1.example.com/x",
        "https://api1.example.com#",
        "https://api1.example.com?x=1",
        "http://api1.example.com",
        "api1",
        "https://nobody.example",
        "https://free.example.com",
        "https://public.example.com",
    ] {
        assert_eq!(ask(&app(), &[name], None), Err(Refusal::TargetUnknown), "{name}");
    }
}

#[test]
fn what_takes_no_token_of_the_client_is_no_target() {
    let everywhere = with_matrix(&[(FREE, &[]), (PUBLIC, &[]), (ELSEWHERE, &[]), (VETOED, &[]), (WEB, &[])]);
    assert_eq!(granted(&everywhere, &["https://free.example.com"], None), (FREE, scopes(&[])));
    for name in ["public", "elsewhere", "vetoed", "web"] {
        let name = format!("https://{name}.example.com");
        assert_eq!(ask(&everywhere, &[&name], None), Err(Refusal::TargetUnknown), "{name}");
    }
    for resource in [PUBLIC, ELSEWHERE, VETOED, WEB] {
        let by_default = Client { default_resource: Some(resource), ..everywhere.clone() };
        assert_eq!(ask(&by_default, &[], None), Err(Refusal::TargetUnknown));
    }
}

#[test]
fn the_owners_list_knows_a_client_by_its_foreign_name() {
    let mut world = World::new();
    world.server.clients[0].resources.insert(WEB, Vec::new());
    let ask = |client: &Client| {
        client_credentials(&world.policy(), client, &wanted(&["https://web.example.com"], None)).map(|_| ())
    };
    assert_eq!(ask(&world.server.clients[0]), Ok(()));
    // The very name is not enough: it is a client of ours, not of corp.
    assert_eq!(ask(&Client { id: "reporting-web".into(), ..with_matrix(&[(WEB, &[])]) }), Err(Refusal::TargetUnknown));
}

#[test]
fn two_names_must_mean_one_resource() {
    assert_eq!(granted(&app(), &[ONE, "https://api1.example.com/"], Some(&["read"])).0, API1);
    assert_eq!(ask(&app(), &[ONE, TWO], None), Err(Refusal::TargetAmbiguous));
    assert_eq!(ask(&app(), &[ONE, "urn:nobody"], None), Err(Refusal::TargetUnknown));
}

#[test]
fn an_unnamed_resource_is_the_default_else_the_only_one_else_the_only_owner() {
    let both = with_matrix(&[(API1, &["read", "write"]), (API2, &["read", "reports"])]);
    let with_default = Client { default_resource: Some(API2), ..both.clone() };
    assert_eq!(granted(&with_default, &[], Some(&["read"])).0, API2);
    assert_eq!(granted(&with_default, &[ONE], Some(&["read"])).0, API1);
    assert_eq!(granted(&with_matrix(&[(API2, &["reports"])]), &[], None).0, API2);
    assert_eq!(granted(&both, &[], Some(&["reports"])).0, API2);
    assert_eq!(granted(&both, &[], Some(&["read", "write"])).0, API1);
    for asked in [None, Some(&["read"][..]), Some(&["write", "reports"]), Some(&["nothing"])] {
        assert_eq!(ask(&both, &[], asked), Err(Refusal::TargetMissing), "{asked:?}");
    }
    assert_eq!(ask(&client("c"), &[], None), Err(Refusal::TargetMissing));
}

#[test]
fn without_a_scope_a_client_gets_all_that_needs_no_value() {
    assert_eq!(granted(&app(), &[ONE], None).1, scopes(&["read", "write"]));
    let one_value = with_matrix(&[(API1, &["transaction:7"])]);
    assert_eq!(granted(&one_value, &[], None).1, scopes(&["transaction:7"]));
    assert_eq!(ask(&with_matrix(&[(API1, &["transaction:{id}"])]), &[], None), Err(Refusal::ScopeNothingLeft));
    assert_eq!(ask(&with_matrix(&[(API1, &[])]), &[], None), Err(Refusal::ScopeNothingLeft));
}

#[test]
fn a_scope_must_be_in_the_matrix_and_owned_by_the_resource() {
    assert_eq!(granted(&app(), &[ONE], Some(&["write", "transaction:8"])).1, scopes(&["write", "transaction:8"]));
    let narrow = with_matrix(&[(API1, &["read", "reports", "transaction:7"])]);
    assert_eq!(granted(&narrow, &[], Some(&["transaction:7"])).1, scopes(&["transaction:7"]));
    assert_eq!(granted(&narrow, &[], None).1, scopes(&["read", "transaction:7"]));
    for asked in ["write", "reports", "transaction:8", "transaction:{id}", "transaction:", "Read", "openid"] {
        assert_eq!(ask(&narrow, &[], Some(&["read", asked])), Err(Refusal::ScopeNotAvailable), "{asked}");
    }
    let free = with_matrix(&[(FREE, &["read"])]);
    assert_eq!(granted(&free, &[], None).1, scopes(&[]));
    assert_eq!(ask(&free, &[], Some(&["read"])), Err(Refusal::ScopeNotAvailable));
}

#[test]
fn there_is_no_user_and_no_refresh_token() {
    let mut world = World::new();
    let generous = with_matrix(&[(API1, &["read", "openid", "offline_access"])]);
    world.config.resources[0].scopes.extend(patterns(&["openid", "offline_access"]).into_iter().map(|p| (p, None)));
    for asked in ["openid", "offline_access"] {
        let answer = client_credentials(&world.policy(), &generous, &wanted(&[], Some(&["read", asked])));
        assert_eq!(answer, Err(Refusal::ScopeNotAvailable));
        assert_eq!(Refusal::ScopeNotAvailable.error(), OAuthError::InvalidScope);
    }
}

#[test]
fn what_belongs_to_another_api_is_left_out_and_what_belongs_to_none_is_refused() {
    let ask = |asked: &[&str]| {
        let world = World::new();
        client_credentials(&world.policy(), &app(), &wanted(&[ONE], Some(asked))).map(|grant| grant.scopes().clone())
    };
    assert_eq!(ask(&["read", "reports"]), Ok(scopes(&["read"])));
    assert_eq!(ask(&["reports"]), Err(Refusal::ScopeNothingLeft));
    assert_eq!(ask(&["read", "nowhere"]), Err(Refusal::ScopeNotAvailable));
}
