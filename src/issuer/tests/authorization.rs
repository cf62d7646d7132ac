//! The rows of the authorization endpoint's table of errors: a good request, wrong in exactly one way.

use super::*;
use crate::oauth::{AuthorizationError, CodeVerifier, OAuthError};

/// RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A good request.
const GOOD: [(&str, &str); 8] = [
    ("response_type", "code"),
    ("client_id", "web"),
    ("redirect_uri", "https://app.example.com/cb"),
    ("state", "s"),
    ("scope", "read"),
    ("resource", ONE),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

fn query(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn judged(world: &World, pairs: &[(&str, &str)]) -> Result<Asked, NotAsked> {
    asked(&world.policy(), &AuthorizationRequest::of_query(query(pairs).as_bytes()).unwrap())
}

/// The good request, in which `name` says something else; nothing if it is empty.
pub(super) fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let others = GOOD.into_iter().filter(|(known, _)| *known != name);
    others.chain([(name, value)]).collect()
}

/// The good request, and one parameter more.
fn and<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    GOOD.into_iter().chain([(name, value)]).collect()
}

fn page(pairs: &[(&str, &str)]) -> PageFault {
    match judged(&World::for_users(), pairs) {
        Err(NotAsked::Page(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

/// What goes back to the client of a world, and where.
fn redirected(world: &World, pairs: &[(&str, &str)]) -> (AuthorizationError, String) {
    match judged(world, pairs) {
        Err(NotAsked::Client { to, fault }) => (fault.error(), to.with_error(fault.error())),
        other => panic!("{other:?}"),
    }
}

fn error(pairs: &[(&str, &str)]) -> &'static str {
    let (error, location) = redirected(&World::for_users(), pairs);
    let start = format!("https://app.example.com/cb?error={error}&state=s&iss=https%3A%2F%2Fauth.example.com");
    assert_eq!(location, start);
    error.as_str()
}

#[test]
fn a_good_request_says_what_to_ask_the_user() {
    let asked = judged(&World::for_users(), &GOOD).unwrap();
    assert_eq!((asked.client.as_str(), asked.to.redirect_uri()), ("web", "https://app.example.com/cb"));
    assert_eq!(asked.to.state(), Some("s"));
    assert_eq!(asked.grant, BTreeMap::from([(API1, scopes(&["read"]))]));
    assert_eq!(asked.prompt, Prompt::Asking(BTreeSet::new()));
    assert_eq!((asked.max_age, asked.login_hint), (None, None));
    let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    assert!(asked.challenge.matches(&verifier));
}

#[test]
fn what_a_user_is_to_be_asked_is_passed_on() {
    let more = [("prompt", "consent"), ("max_age", "0"), ("login_hint", "alice"), ("response_mode", "query")];
    let pairs: Vec<_> = GOOD.into_iter().chain(more).collect();
    let asked = judged(&World::for_users(), &pairs).unwrap();
    assert_eq!(asked.prompt, Prompt::Asking(BTreeSet::from([Interaction::Consent])));
    assert_eq!((asked.max_age, asked.login_hint.as_deref()), (Some(Duration::ZERO), Some("alice")));
}

#[test]
fn unknown_parameters_count_for_nothing() {
    for more in [("nonce", "n"), ("display", "page"), ("audience", TWO), ("acr_values", "gold"), ("x", "y")] {
        assert_eq!(judged(&World::for_users(), &and(more.0, more.1)), judged(&World::for_users(), &GOOD), "{more:?}");
    }
}

#[test]
fn a_client_that_is_not_known_is_told_nothing() {
    assert_eq!(page(&with("client_id", "")), PageFault::ClientMissing);
    assert_eq!(page(&with("client_id", "nobody")), PageFault::ClientUnknown);
    assert_eq!(page(&with("client_id", "WEB")), PageFault::ClientUnknown);
    assert_eq!(page(&and("client_id", "web")), PageFault::ParameterRepeated);
    let mut world = World::for_users();
    world.server.clients[3].disabled = true;
    assert_eq!(judged(&world, &GOOD), Err(NotAsked::Page(PageFault::ClientUnknown)));
    assert_eq!(PageFault::ClientUnknown.error(), OAuthError::InvalidClient);
    assert_eq!(PageFault::ParameterRepeated.error(), OAuthError::InvalidRequest);
}

#[test]
fn a_place_that_is_not_registered_gets_no_answer() {
    for other in [
        "https://app.example.com/cb/",
        "https://app.example.com/cb?x",
        "https://app.example.com/cb#",
        "https://evil.example/cb",
        "javascript:alert(1)",
        "http://127.0.0.1:0/cb",
    ] {
        assert_eq!(page(&with("redirect_uri", other)), PageFault::RedirectUriUnknown, "{other}");
    }
    assert_eq!(page(&and("redirect_uri", "https://app.example.com/cb")), PageFault::ParameterRepeated);
    assert_eq!(PageFault::RedirectUriUnknown.error(), OAuthError::InvalidRequest);
}

#[test]
fn a_place_may_be_left_out_where_there_is_one() {
    assert_eq!(page(&with("redirect_uri", "")), PageFault::RedirectUriMissing);
    let mut world = World::for_users();
    world.server.clients[3].redirect_uris.truncate(1);
    let asked = judged(&world, &with("redirect_uri", "")).unwrap();
    assert_eq!(asked.to.redirect_uri(), "https://app.example.com/cb");
    world.server.clients[3].redirect_uris.clear();
    assert_eq!(judged(&world, &with("redirect_uri", "")), Err(NotAsked::Page(PageFault::RedirectUriMissing)));
    assert_eq!(judged(&world, &GOOD), Err(NotAsked::Page(PageFault::RedirectUriUnknown)));
}

#[test]
fn only_a_public_client_may_listen_at_any_port() {
    let sent = "http://127.0.0.1:49152/cb";
    let mut world = World::for_users();
    let asked = judged(&world, &with("redirect_uri", sent)).unwrap();
    assert_eq!(asked.to.redirect_uri(), sent);
    world.server.clients[3].authentication = app().authentication;
    let refused = judged(&world, &with("redirect_uri", sent));
    assert_eq!(refused, Err(NotAsked::Page(PageFault::RedirectUriUnknown)));
    assert!(judged(&world, &with("redirect_uri", "http://127.0.0.1/cb")).is_ok());
}

#[test]
fn an_answer_comes_in_the_query_or_not_at_all() {
    for mode in ["fragment", "form_post", "jwt", "query "] {
        assert_eq!(page(&with("response_mode", mode)), PageFault::ResponseModeUnsupported, "{mode}");
    }
    assert_eq!(PageFault::ResponseModeUnsupported.error(), OAuthError::InvalidRequest);
}

#[test]
fn every_other_fault_goes_back_to_the_client() {
    for (pairs, expected) in [
        (with("response_type", ""), "invalid_request"),
        (with("response_type", "token"), "unsupported_response_type"),
        (with("response_type", "code id_token"), "unsupported_response_type"),
        (with("code_challenge", ""), "invalid_request"),
        (with("code_challenge", &CHALLENGE[1..]), "invalid_request"),
        (with("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="), "invalid_request"),
        (with("code_challenge_method", ""), "invalid_request"),
        (with("code_challenge_method", "plain"), "invalid_request"),
        (with("code_challenge_method", "s256"), "invalid_request"),
        (with("prompt", "none login"), "invalid_request"),
        (with("max_age", "-1"), "invalid_request"),
        (with("max_age", "+1"), "invalid_request"),
        (with("max_age", "soon"), "invalid_request"),
        (with("max_age", "18446744073709551616"), "invalid_request"),
        (with("request", "e30.e30."), "request_not_supported"),
        (with("request_uri", "https://evil.example/r"), "request_uri_not_supported"),
        (with("authorization_details", "[]"), "invalid_authorization_details"),
        (with("resource", "orders"), "invalid_target"),
        (with("resource", "https://api1.example.com#"), "invalid_target"),
        (with("resource", "https://nobody.example"), "invalid_target"),
        (with("resource", "https://vetoed.example.com"), "invalid_target"),
        (with("resource", ""), "invalid_target"),
        (with("scope", "re\\ad"), "invalid_scope"),
        (with("scope", "read  write"), "invalid_scope"),
        (with("scope", "nowhere"), "invalid_scope"),
    ] {
        assert_eq!(error(&pairs), expected, "{pairs:?}");
    }
}

#[test]
fn a_parameter_that_comes_twice_is_told_to_the_client() {
    for (name, value) in GOOD {
        if !["client_id", "redirect_uri", "resource", "state"].contains(&name) {
            assert_eq!(error(&and(name, value)), "invalid_request", "{name}");
        }
    }
    let unknown = [("x", "1"), ("x", "2")];
    assert_eq!(error(&GOOD.into_iter().chain(unknown).collect::<Vec<_>>()), "invalid_request");
    let modes = [("response_mode", "query"), ("response_mode", "fragment")];
    assert_eq!(error(&GOOD.into_iter().chain(modes).collect::<Vec<_>>()), "invalid_request");
    assert!(judged(&World::for_users(), &and("resource", ONE)).is_ok());
    // Of two states neither comes back.
    let (error, location) = redirected(&World::for_users(), &and("state", "other"));
    assert_eq!(error, AuthorizationError::InvalidRequest);
    assert!(!location.contains("state="), "{location}");
}

#[test]
fn a_form_is_as_good_as_a_query_but_not_both() {
    let world = World::for_users();
    let of = |query: &str, body: &str| {
        asked(&world.policy(), &AuthorizationRequest::of_form(query.as_bytes(), body.as_bytes()).unwrap())
    };
    assert_eq!(of("", &query(&GOOD)), judged(&world, &GOOD));
    let Err(NotAsked::Client { fault, .. }) = of(&query(&GOOD[..4]), &query(&GOOD[4..])) else {
        panic!("the client is to be told")
    };
    assert_eq!(fault, AuthorizationFault::ParametersSplit);
    assert_eq!(fault.error(), AuthorizationError::InvalidRequest);
    let repeated = of("client_id=web", &query(&GOOD));
    assert_eq!(repeated, Err(NotAsked::Page(PageFault::ParameterRepeated)));
}

#[test]
fn a_client_without_the_grant_asks_nobody() {
    let mut world = World::for_users();
    world.server.clients[3].grants = vec![GrantType::RefreshToken];
    assert_eq!(redirected(&world, &GOOD).0, AuthorizationError::UnauthorizedClient);
}
