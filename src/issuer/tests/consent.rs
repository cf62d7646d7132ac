//! What is left after a user has ticked, and what is kept of it.

use super::user_grants::{BEGUN, alice, asked_for, ticks};
use super::*;
use crate::oauth::AuthorizationError;

fn consented(asked: &Asked, ticked: &BTreeMap<ResourceId, BTreeSet<Scope>>) -> Result<GrantRecord, AuthorizationError> {
    let mut world = World::for_users();
    world.config.resources[0].required_scopes = patterns(&["read", "transaction:{id}"]);
    GrantRecord::after_consent(&world.policy(), asked, ticked, alice(), root(), Timestamp(BEGUN))
}

fn left(asked: &[(ResourceId, &[&str])], ticked: &[(ResourceId, &[&str])]) -> Vec<(String, String)> {
    let record = consented(&asked_for(asked), &ticks(ticked)).unwrap();
    let words = |had: &BTreeSet<Scope>| had.iter().map(Scope::to_string).collect::<Vec<_>>().join(" ");
    record.resources().iter().map(|(key, had)| (key.to_string(), words(had))).collect()
}

fn at(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(key, had)| ((*key).to_owned(), (*had).to_owned())).collect()
}

#[test]
fn what_is_ticked_and_what_is_required_stays() {
    let asked: &[(ResourceId, &[&str])] = &[(API1, &["read", "transaction:7", "write"]), (API2, &["read", "reports"])];
    assert_eq!(left(asked, asked), at(&[(ONE, "read transaction:7 write"), (TWO, "read reports")]));
    assert_eq!(left(asked, &[(API1, &["write"])]), at(&[(ONE, "read transaction:7 write")]));
    assert_eq!(left(asked, &[(API1, &[]), (API2, &["read"])]), at(&[(ONE, "read transaction:7"), (TWO, "read")]));
}

#[test]
fn a_tick_adds_nothing_that_was_not_asked_for() {
    let ticked: &[(ResourceId, &[&str])] = &[(API1, &["write", "read", "reports"]), (API2, &["reports"])];
    assert_eq!(left(&[(API1, &["write"])], ticked), at(&[(ONE, "write")]));
}

#[test]
fn a_resource_without_a_scope_that_is_left_is_declined() {
    let asked: &[(ResourceId, &[&str])] = &[(API1, &["read"]), (API2, &["reports"]), (FREE, &[])];
    assert_eq!(left(asked, &[(API2, &[]), (API1, &["read"])]), at(&[(ONE, "read")]));
    assert_eq!(left(asked, &[(FREE, &[])]), at(&[("https://free.example.com", "")]));
}

#[test]
fn nothing_ticked_is_nothing_granted() {
    let asked = asked_for(&[(API1, &["read"]), (API2, &["reports"]), (FREE, &[])]);
    for ticked in [ticks(&[]), ticks(&[(API2, &[])]), ticks(&[(API2, &["read"])])] {
        assert_eq!(consented(&asked, &ticked), Err(AuthorizationError::AccessDenied), "{ticked:?}");
    }
}

#[test]
fn a_record_says_who_granted_to_whom_and_until_when() {
    let asked = asked_for(&[(API1, &["read"])]);
    let record = consented(&asked, &asked.grant).unwrap();
    assert_eq!((record.root(), record.client(), record.subject().to_string().as_str()), (root(), "web", "corp|alice"));
    let month = AuthorizationServer::REFRESH_TOKEN_LIFETIME.as_secs();
    assert_eq!((record.begun(), record.ends()), (Timestamp(BEGUN), Timestamp(BEGUN + month)));
    assert_eq!(record.login(), &alice().login);
}

#[test]
fn a_record_is_read_as_it_was_written_or_not_at_all() {
    let asked = asked_for(&[(API1, &["read", "write"]), (FREE, &[])]);
    let record = consented(&asked, &asked.grant).unwrap();
    let json = String::from_utf8(record.to_json()).unwrap();
    assert_eq!(GrantRecord::from_json(json.as_bytes()), Ok(record));
    for (from, to) in [
        ("\"client\":\"web\"", "\"client\":\"\""),
        ("\"subject\":\"alice\"", "\"subject\":\"\""),
        ("\"issuer\":\"corp\"", "\"issuer\":\"Corp\""),
        (ONE, "api1"),
        ("\"write\"", "\"wri te\""),
        ("AAAAAAAAAAAAAAAAAAAAAA", "A"),
        ("\"root\"", "\"new\":1,\"root\""),
        ("\"begun\":", "\"begun\":-"),
        ("}", ""),
    ] {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from}");
        assert_eq!(GrantRecord::from_json(changed.as_bytes()), Err(UnreadableRecord), "{changed}");
    }
    let start = json.find("\"resources\":").unwrap() + "\"resources\":".len();
    let end = json[start..].find('}').unwrap() + start + 1;
    let without = [&json[..start], "{}", &json[end..]].concat();
    assert_eq!(GrantRecord::from_json(without.as_bytes()), Err(UnreadableRecord), "{without}");
}
