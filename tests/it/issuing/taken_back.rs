//! Revocation (RFC 7009) and introspection (RFC 7662), as a client, an API and the gate see them.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::gateway::PATIENCE;

/// Waits until an API answers a token with this.
async fn until(world: &World, token: &str, api: usize, verdict: &str) {
    let waiting = async {
        while world.verdicts(token).await[api] != verdict {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never {verdict}"));
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_more_and_neither_does_what_was_made_from_it() {
    let world = World::start().await;
    let own = world.own_token(APP, ONE).await;
    let onward = token_in(&world.exchange(API1_SERVICE, &own, &[("resource", TWO)]).await);
    assert_eq!((world.verdicts(&own).await[0].as_str(), world.verdicts(&onward).await[1].as_str()), ("200", "200"));
    let answer = world.post("/revoke", APP, &[("token", &own)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.verdicts(&own).await[0], "401 token_revoked");
    until(&world, &onward, 1, "401 token_revoked").await;
    let answer = world.exchange(API1_SERVICE, &own, &[("resource", TWO)]).await;
    assert_eq!(refusal(&answer), "400 invalid_request");
    let fresh = world.own_token(APP, ONE).await;
    assert_eq!(world.verdicts(&fresh).await[0], "200");
}

#[tokio::test]
async fn nobody_revokes_what_is_not_theirs() {
    let world = World::start().await;
    let own = world.own_token(APP, ONE).await;
    for client in [API1_SERVICE, HELPER] {
        let answer = world.post("/revoke", client, &[("token", &own)]).await;
        assert!(answer.status == 200 || answer.status == 400, "{}", answer.body);
    }
    assert_eq!(world.verdicts(&own).await[0], "200");
}

#[tokio::test]
async fn only_the_service_behind_the_api_sees_that_a_token_is_active() {
    let world = World::start().await;
    let own = world.own_token(APP, ONE).await;
    let answer = world.post("/introspect", API1_SERVICE, &[("token", &own)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    assert_eq!((&body["active"], &body["aud"], &body["client_id"]), (&true.into(), &ONE.into(), &"app".into()));
    for client in [API2_SERVICE, HELPER, APP] {
        let answer = world.post("/introspect", client, &[("token", &own)]).await;
        assert_eq!(answer.body, r#"{"active":false}"#, "{}", client.0);
    }
    let foreign = world.of_corp(|_| ());
    assert_eq!(world.post("/introspect", API1_SERVICE, &[("token", &foreign)]).await.body, r#"{"active":false}"#);
    world.post("/revoke", APP, &[("token", &own)]).await;
    assert_eq!(world.post("/introspect", API1_SERVICE, &[("token", &own)]).await.body, r#"{"active":false}"#);
}
