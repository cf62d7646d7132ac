//! Clients that others wrote, with a user who logs in at a provider that others wrote: one grant for two APIs, and narrow tokens
//! of it by turns.

use serde_json::json;

use super::clients::{authlib, openid_client, text};
use super::login::{CALLBACK, Proof, WEBAPP, start};
use super::*;
use crate::oidc_provider::Provider;

const THREE: &str = "https://api3.example.com";

/// A step of the client that asks users.
fn step(verb: &str, more: Value) -> Value {
    let mut step = json!({
        "verb": verb, "client": WEBAPP.0, "secret": WEBAPP.1, "method": "client_secret_basic", "redirect_uri": CALLBACK,
    });
    step.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    step
}

/// A grant for two APIs, redeemed at the first, and then refreshed by turns.
fn by_turns() -> Vec<Value> {
    let refresh = |resource: &str| step("refresh", json!({ "parameters": { "resource": resource } }));
    let grant = json!({ "resources": [ONE, TWO], "at": ONE, "parameters": { "login_hint": "grace" } });
    vec![step("authorize", grant), refresh(TWO), refresh(ONE), refresh(THREE), refresh(TWO)]
}

/// What has to come of it.
async fn assert_by_turns(world: &World, answers: &[Value]) {
    let [first, second, third, refused, last] = answers else { panic!("{answers:#?}") };
    assert_eq!(refused["failed"]["error"], "invalid_target", "{refused}");
    let mismatch = "401 audience_mismatch";
    for (answer, resource, scope, verdicts) in [
        (first, ONE, "read write", ["200", mismatch]),
        (second, TWO, "reports", [mismatch, "200"]),
        (third, ONE, "read write", ["200", mismatch]),
        (last, TWO, "reports", [mismatch, "200"]),
    ] {
        let token = text(answer, "access_token");
        assert_eq!((text(answer, "scope"), &answer["resource"]), (scope, &json!([resource])), "{answer}");
        assert_eq!((&claims(token)["aud"], &claims(token)["sub"]), (&json!(resource), &json!("panva|grace")));
        assert_eq!(world.verdicts(token).await[..2], verdicts, "{answer}");
    }
    let roots: Vec<_> = [first, second, third, last].map(root).into();
    assert!(roots.iter().all(|root| *root == roots[0]), "they are one grant: {roots:?}");
}

/// The grant that a token belongs to.
fn root(answer: &Value) -> String {
    let jti = claims(text(answer, "access_token"))["jti"].as_str().expect("a token has a name").to_owned();
    jti.split_once('.').expect("and its grant's in front").0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_has_one_grant_and_narrow_tokens_by_turns() {
    let provider = Provider::start();
    let world = start(&provider, Proof::Secret).await;
    let answers = openid_client(&world, by_turns().into()).await;
    assert_by_turns(&world, &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_has_one_grant_and_narrow_tokens_by_turns() {
    let provider = Provider::start();
    let world = start(&provider, Proof::Key).await;
    let answers = authlib(&world, by_turns().into()).await;
    assert_by_turns(&world, &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_pushes_its_request() {
    let provider = Provider::start();
    let world = start(&provider, Proof::Secret).await;
    let grant = |more: Value| {
        let mut grant = json!({ "resources": [TWO], "pushed": true });
        grant.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        step("authorize", grant)
    };
    let verify = step("verify", json!({ "token_of": 0, "audience": TWO }));
    let nothing = grant(json!({ "resources": ["https://nowhere.example"] }));
    let answers = openid_client(&world, json!([grant(json!({})), verify, nothing])).await;
    let [granted, verified, refused] = &answers[..] else { panic!("{answers:#?}") };
    assert_eq!(granted["asked"], json!(["request_uri", "client_id"]), "nothing else goes by the browser");
    assert_eq!(verified["payload"]["sub"], "panva|ada");
    assert_eq!(world.verdicts(text(granted, "access_token")).await[..2], ["401 audience_mismatch", "200"]);
    assert_eq!(refused["failed"]["error"], "invalid_target", "{refused}");
}
