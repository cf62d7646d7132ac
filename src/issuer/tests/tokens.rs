//! What becomes of a token that was minted: who may see it, and what a client takes back.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::*;

const NOW: Timestamp = Timestamp(900);
const LONGEST: Duration = Duration::from_secs(1_000);

fn seen(client: &Client, token: &TokenFacts) -> Option<Map<String, Value>> {
    let claims = json!({ "iss": "i", "sub": "corp|alice", "aud": ONE, "client_id": "app", "exp": 1_000, "jti": "root.1",
        "act": { "sub": "x" }, "scope": "read gone", "email": "alice@example.com" });
    introspect(&World::new().policy(), client, token, claims.as_object().unwrap())
}

#[test]
fn an_api_sees_its_own_token() {
    let token = TokenFacts { claimed: Claimed { scopes: words(&["read", "gone"]), ..ours().claimed }, ..ours() };
    let shown = Value::Object(seen(&service(), &token).unwrap());
    assert_eq!(
        shown,
        json!({ "active": true, "iss": "i", "sub": "corp|alice", "aud": ONE, "client_id": "app", "exp": 1_000,
            "jti": "root.1", "act": { "sub": "x" }, "scope": "read", "token_type": "Bearer" })
    );
}

#[test]
fn nobody_else_sees_anything() {
    assert_eq!(seen(&app(), &ours()), None, "the client that the token is for");
    assert_eq!(seen(&Client { serves: Some(API2), ..service() }, &ours()), None, "another API");
    assert_eq!(seen(&service(), &theirs()), None, "a token of another issuer");
    assert_eq!(seen(&service(), &TokenFacts { bound: true, ..ours() }), None);
    for audiences in [vec![], vec![ONE.into(), TWO.into()], vec![format!("{ONE}/")]] {
        assert_eq!(seen(&service(), &TokenFacts { audiences, ..ours() }), None);
    }
    let vetoed = Client { serves: Some(VETOED), ..service() };
    let token = TokenFacts { audiences: vec!["https://vetoed.example.com".into()], ..ours() };
    assert_eq!(seen(&vetoed, &token), None, "a client that the API does not let in");
}

fn taken_back(client: &Client, token: &TokenFacts) -> Result<Option<(String, u64)>, NotTheirs> {
    let taken = revocation(client, token, "root.1", LONGEST, NOW)?;
    Ok(taken.map(|taken| (taken.name, taken.until.0)))
}

#[test]
fn a_clients_own_grant_ends_whole_and_somebody_elses_token_alone() {
    let own = TokenFacts { claimed: Claimed { subject: Some("app".into()), ..ours().claimed }, ..ours() };
    assert_eq!(taken_back(&app(), &own), Ok(Some((root().to_string(), 1_960))));
    assert_eq!(taken_back(&app(), &ours()), Ok(Some((root().to_string(), 1_960))), "a user's, which is its own");
    let handed = TokenFacts { act: vec!["app".into()], ..own };
    assert_eq!(taken_back(&app(), &handed), Ok(Some(("root.1".into(), 1_060))), "one that came through others");
}

#[test]
fn another_clients_token_stays_and_a_foreign_one_is_not_ours_to_take() {
    assert_eq!(taken_back(&service(), &ours()), Err(NotTheirs));
    assert_eq!(taken_back(&app(), &theirs()), Ok(None));
}
