//! Which APIs a user is asked for, and which scopes there.

use super::*;
use crate::oauth::{AuthorizationError, CodeChallenge};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn asked_of(client: Client, names: &[&str], scope: Option<&str>) -> Result<Asked, NotAsked> {
    let mut world = World::new();
    world.server.clients = vec![client];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", "https://app.example.com/cb"),
    ]);
    query.extend_pairs([("code_challenge", CHALLENGE), ("code_challenge_method", CodeChallenge::METHOD)]);
    query.extend_pairs(names.iter().map(|name| ("resource", name)));
    query.extend_pairs(scope.map(|scope| ("scope", scope)));
    asked(&world.policy(), &AuthorizationRequest::of_query(query.finish().as_bytes()).unwrap())
}

type Rows<'a> = &'a [(ResourceId, &'a [&'a str])];

fn ask(
    client: Client,
    names: &[&str],
    scope: Option<&str>,
) -> Result<Vec<(ResourceId, Vec<String>)>, AuthorizationFault> {
    match asked_of(client, names, scope) {
        Ok(asked) => {
            let row = |(id, had): (ResourceId, BTreeSet<Scope>)| (id, had.iter().map(Scope::to_string).collect());
            Ok(asked.grant.into_iter().map(row).collect())
        }
        Err(NotAsked::Client { fault, .. }) => Err(fault),
        Err(NotAsked::Page(fault)) => panic!("{fault}"),
    }
}

fn rows(rows: Rows<'_>) -> Result<Vec<(ResourceId, Vec<String>)>, AuthorizationFault> {
    Ok(rows.iter().map(|(id, had)| (*id, had.iter().map(|scope| (*scope).to_owned()).collect())).collect())
}

fn with_matrix(matrix: Rows<'_>) -> Client {
    Client { resources: matrix.iter().map(|(id, row)| (*id, patterns(row))).collect(), ..web() }
}

#[test]
fn each_resource_gets_the_scopes_that_it_owns() {
    let both = ask(web(), &[ONE, TWO], Some("write reports read"));
    assert_eq!(both, rows(&[(API1, &["read", "write"]), (API2, &["read", "reports"])]));
    let one = ask(web(), &["HTTPS://API1.example.com:443/", ONE], Some("read transaction:7"));
    assert_eq!(one, rows(&[(API1, &["read", "transaction:7"])]));
    let with_free = ask(web(), &[ONE, "https://free.example.com"], Some("read"));
    assert_eq!(with_free, rows(&[(API1, &["read"]), (FREE, &[])]));
}

#[test]
fn no_scope_is_all_that_the_client_may_have_there_without_a_value() {
    assert_eq!(ask(web(), &[ONE, TWO], None), rows(&[(API1, &["read", "write"]), (API2, &["read", "reports"])]));
    let only_with_value = with_matrix(&[(API1, &["transaction:{id}"])]);
    assert_eq!(ask(only_with_value, &[ONE], None), Err(AuthorizationFault::TargetWithoutScope));
}

#[test]
fn a_scope_that_none_of_the_resources_owns_is_refused() {
    for scope in ["read nowhere", "read reports", "transaction:{id}", "Read"] {
        assert_eq!(ask(web(), &[ONE], Some(scope)), Err(AuthorizationFault::ScopeOfNone), "{scope}");
    }
    assert_eq!(ask(web(), &["https://free.example.com"], Some("read")), Err(AuthorizationFault::ScopeOfNone));
    assert_eq!(AuthorizationFault::ScopeOfNone.error(), AuthorizationError::InvalidScope);
}

#[test]
fn a_resource_that_gets_none_of_the_scopes_is_refused() {
    assert_eq!(ask(web(), &[ONE, TWO], Some("write")), Err(AuthorizationFault::TargetWithoutScope));
    assert_eq!(AuthorizationFault::TargetWithoutScope.error(), AuthorizationError::InvalidTarget);
}

#[test]
fn unknown_and_forbidden_look_the_same() {
    // `write` is of the first API, but not for this client; `other` is nobody's.
    let narrow = || with_matrix(&[(API1, &["read"]), (API2, &["reports", "read"])]);
    for names in [&[ONE][..], &[ONE, TWO]] {
        assert_eq!(ask(narrow(), names, Some("read write")), ask(narrow(), names, Some("read other")), "{names:?}");
    }
    let forbidden = ask(with_matrix(&[(API1, &["read"])]), &[TWO], None);
    assert_eq!(forbidden, Err(AuthorizationFault::Refused(Refusal::TargetUnknown)));
    assert_eq!(ask(with_matrix(&[(API1, &["read"])]), &["https://nobody.example"], None), forbidden);
    // What is denied here is still had there.
    let denied_here = with_matrix(&[(API1, &["write"]), (API2, &["read"])]);
    assert_eq!(ask(denied_here, &[ONE, TWO], Some("read write")), rows(&[(API1, &["write"]), (API2, &["read"])]));
}

#[test]
fn what_takes_no_token_of_the_client_is_no_target() {
    let everywhere = || with_matrix(&[(API1, &["read"]), (PUBLIC, &[]), (ELSEWHERE, &[]), (VETOED, &[]), (WEB, &[])]);
    for name in ["public", "elsewhere", "vetoed", "web"] {
        let name = format!("https://{name}.example.com");
        let refused = ask(everywhere(), &[ONE, &name], None);
        assert_eq!(refused, Err(AuthorizationFault::Refused(Refusal::TargetUnknown)), "{name}");
    }
    // An edge of exchange is no way for a user.
    let over_an_edge = Client { exchange: service().exchange, ..with_matrix(&[(API1, &["read"])]) };
    assert_eq!(ask(over_an_edge, &[TWO], None), Err(AuthorizationFault::Refused(Refusal::TargetUnknown)));
}

#[test]
fn an_unnamed_resource_is_the_default_else_the_only_one_else_the_only_owner() {
    let both = || with_matrix(&[(API1, &["read", "write"]), (API2, &["read", "reports"])]);
    let with_default = Client { default_resource: Some(API2), ..both() };
    assert_eq!(ask(with_default, &[], Some("read")), rows(&[(API2, &["read"])]));
    assert_eq!(ask(with_matrix(&[(API2, &["reports"])]), &[], None), rows(&[(API2, &["reports"])]));
    assert_eq!(ask(both(), &[], Some("read write")), rows(&[(API1, &["read", "write"])]));
    assert_eq!(ask(both(), &[], Some("openid reports")), rows(&[(API2, &["reports"])]));
    for scope in [None, Some("read"), Some("openid"), Some("write reports")] {
        assert_eq!(ask(both(), &[], scope), Err(AuthorizationFault::Refused(Refusal::TargetMissing)), "{scope:?}");
    }
}

#[test]
fn words_for_an_openid_provider_change_nothing() {
    assert_eq!(ask(web(), &[ONE], Some("openid offline_access read")), ask(web(), &[ONE], Some("read")));
    assert_eq!(ask(web(), &[ONE], Some("openid offline_access")), ask(web(), &[ONE], None));
}
