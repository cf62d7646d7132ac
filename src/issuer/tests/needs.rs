//! What a user has to do before a client gets what it asks for.

use super::authorization::with;
use super::user_grants::alice;
use super::*;

const NOW: Timestamp = Timestamp(10_000);

fn judged(world: &World, pairs: &[(&str, &str)]) -> Asked {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    asked(&world.policy(), &AuthorizationRequest::of_query(query.as_bytes()).unwrap()).unwrap()
}

/// What `web` asks for, in which `name` says something else.
fn asking(name: &str, value: &str) -> Asked {
    judged(&World::for_users(), &with(name, value))
}

/// Alice, who logged in at this time, and here so many seconds later.
fn session(logged_in: u64, later: u64) -> Session {
    let Consenting { subject, login, user_claims, .. } = alice();
    Session {
        voucher: Voucher::Provider(subject.issuer.clone().unwrap()),
        subject,
        login: LoginFacts { time: Some(Timestamp(logged_in)), ..login },
        user_claims,
        begun: Timestamp(logged_in + later),
        ends: Timestamp(logged_in + 28_800),
        made_for: String::new(),
    }
}

/// The transaction by which she was sent to log in then.
fn sent(begun: u64) -> Transaction {
    Transaction { goal: Goal::Grants, browser: "hers".to_owned(), begun: Timestamp(begun) }
}

#[test]
fn whoever_is_not_logged_in_has_to() {
    for prompt in ["", "none", "login", "consent"] {
        assert!(asking("prompt", prompt).needs_login(None, None, NOW), "{prompt}");
    }
    assert!(!asking("prompt", "").needs_login(Some(&session(1, 0)), None, NOW));
}

#[test]
fn a_fresh_login_is_one_since_the_user_was_sent() {
    for prompt in ["login", "select_account", "login consent"] {
        let asked = asking("prompt", prompt);
        assert!(asked.needs_login(Some(&session(9_999, 0)), None, NOW), "{prompt}: nobody was sent yet");
        assert!(asked.needs_login(Some(&session(8_999, 0)), Some(&sent(9_000)), NOW), "{prompt}");
        assert!(!asked.needs_login(Some(&session(9_000, 0)), Some(&sent(9_000)), NOW), "{prompt}");
    }
    assert!(!asking("prompt", "consent").needs_login(Some(&session(1, 0)), None, NOW));
}

#[test]
fn a_login_may_be_as_old_as_the_client_says() {
    let asked = asking("max_age", "100");
    assert!(!asked.needs_login(Some(&session(9_900, 0)), None, NOW));
    assert!(asked.needs_login(Some(&session(9_899, 50)), None, NOW), "when it was complete here does not count");
    let consents_for_long = Timestamp(10_900);
    assert!(
        !asked.needs_login(Some(&session(9_900, 100)), Some(&sent(9_940)), consents_for_long),
        "it was young enough"
    );
    assert!(asked.needs_login(Some(&session(9_800, 150)), Some(&sent(9_940)), NOW), "a login for something else");
    assert!(asking("max_age", "0").needs_login(Some(&session(10_000, 0)), None, NOW));
    assert!(!asking("max_age", "0").needs_login(Some(&session(9_950, 0)), Some(&sent(9_940)), NOW));
}

#[test]
fn a_login_that_the_provider_had_before_is_not_fresh() {
    let old = session(8_000, 1_500);
    assert!(asking("prompt", "login").needs_login(Some(&old), Some(&sent(9_000)), NOW));
    assert!(!asking("prompt", "select_account").needs_login(Some(&old), Some(&sent(9_000)), NOW), "he could choose");
    let by_another_clock = session(8_980, 30);
    assert!(!asking("prompt", "login").needs_login(Some(&by_another_clock), Some(&sent(9_000)), NOW));
}

#[test]
fn a_login_that_nobody_dates_is_neither_fresh_nor_young() {
    let mut undated = session(9_950, 0);
    undated.login.time = None;
    for (name, value, needs) in [("prompt", "login", true), ("max_age", "3600", true), ("prompt", "", false)] {
        for sent in [None, Some(&sent(9_900))] {
            assert_eq!(asking(name, value).needs_login(Some(&undated), sent, NOW), needs, "{name} {value}");
        }
    }
}

#[test]
fn a_login_for_this_very_request_counts_by_whatever_clock() {
    let sent = sent(9_000);
    let by_a_slow_clock = Session { made_for: sent.name(), ..session(8_990, 0) };
    for prompt in ["login", "select_account"] {
        assert!(!asking("prompt", prompt).needs_login(Some(&by_a_slow_clock), Some(&sent), NOW), "{prompt}");
    }
}

fn agreed(rows: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let words = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    rows.iter().map(|(key, scopes)| ((*key).to_owned(), words(scopes))).collect()
}

#[test]
fn whoever_has_agreed_to_all_of_it_is_not_asked() {
    let world = World::for_users();
    let asked = asking("scope", "read write");
    for (rows, needs) in [
        (&[][..], true),
        (&[(ONE, &["read"][..])][..], true),
        (&[(TWO, &["read", "write"])], true),
        (&[(ONE, &["read", "write", "transaction:7"])], false),
    ] {
        assert_eq!(asked.needs_consent(&world.policy(), &agreed(rows)), needs, "{rows:?}");
    }
    let everything = agreed(&[(ONE, &["read", "write"])]);
    assert!(asking("prompt", "consent").needs_consent(&world.policy(), &everything));
}

#[test]
fn a_program_that_may_be_any_is_always_asked_for() {
    let everything = agreed(&[(ONE, &["read"])]);
    for consent in [Consent::Ask, Consent::Never] {
        let mut world = World::for_users();
        world.server.clients.last_mut().unwrap().consent = consent;
        let on_the_machine = judged(&world, &with("redirect_uri", "http://127.0.0.1:7777/cb"));
        assert!(on_the_machine.needs_consent(&world.policy(), &everything), "{consent:?}");
        let at_a_site = judged(&world, &with("scope", "read"));
        assert!(!at_a_site.needs_consent(&world.policy(), &everything), "{consent:?}");
        assert_eq!(at_a_site.needs_consent(&world.policy(), &agreed(&[])), consent == Consent::Ask);
    }
}

#[test]
fn a_client_that_has_to_push_cannot_ask_directly() {
    let mut world = World::for_users();
    world.server.clients.last_mut().unwrap().require_pushed_authorization_requests = true;
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(with("scope", "read")).finish();
    let request = AuthorizationRequest::of_query(query.as_bytes()).unwrap();
    assert!(asked(&world.policy(), &request).is_ok());
    let refused = asked_directly(&world.policy(), &request);
    assert!(matches!(refused, Err(NotAsked::Client { fault: AuthorizationFault::NotPushed, .. })), "{refused:?}");
}

#[test]
fn another_account_is_asked_for_beside_what_was_said() {
    let query = "client_id=web&prompt=login+consent&login_hint=alice&resource=a&resource=b&state=s";
    let other = AuthorizationRequest::of_query(query.as_bytes()).unwrap().for_another_account();
    assert_eq!(other.to_form(), "client_id=web&resource=a&resource=b&state=s&prompt=consent+login+select_account");
}
