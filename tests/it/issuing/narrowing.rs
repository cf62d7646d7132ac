//! `forward: narrowed` and `broad_tokens: narrow`: no API ever sees a token that another API would accept.

use serde_json::json;

use super::*;

const THREE: &str = "https://api3.example.com";

/// The credential that the third API was sent last.
fn forwarded(world: &World) -> String {
    let seen = world.gateway.api("API_3").last();
    let credentials = seen.values("authorization");
    assert_eq!(credentials.len(), 1, "{credentials:?}");
    credentials[0].strip_prefix("Bearer ").expect("a bearer token").to_owned()
}

#[tokio::test]
async fn the_api_gets_a_token_that_opens_nothing_but_itself() {
    let world = World::start().await;
    let broad = world.of_corp(|claims| {
        claims["aud"] = json!([ONE, TWO, "api://three"]);
        claims["scope"] = "Docs.Read reports write".into();
        claims["email"] = "alice@corp.example".into();
        claims["act"] = json!({ "sub": "agent" });
    });
    let verdicts = ["401 audience_too_broad", "401 audience_too_broad", "200"];
    assert_eq!(world.verdicts(&broad).await, verdicts);
    let narrowed = forwarded(&world);
    let said = claims(&narrowed);
    assert_eq!((&said["aud"], &said["iss"], &said["scope"]), (&json!(THREE), &json!(world.url), &json!("read")));
    assert_eq!((&said["sub"], &said["client_id"]), (&json!("corp|alice"), &json!("corp|web")));
    assert_eq!((&said["act"], &said["email"]), (&json!({ "sub": "corp|agent" }), &json!("alice@corp.example")));
    assert!(said["exp"].as_u64() <= claims(&broad)["exp"].as_u64());
    // The API could not use it anywhere, and nobody could use the broad one through it.
    assert_eq!(world.verdicts(&narrowed).await, ["401 audience_mismatch", "401 audience_mismatch", "200"]);
}

#[tokio::test]
async fn it_is_minted_once_for_its_life() {
    let world = World::start().await;
    let token = world.of_corp(|claims| (claims["aud"], claims["scope"]) = (json!(THREE), "Docs.Read".into()));
    let mut seen = Vec::new();
    for _ in 0..3 {
        assert_eq!(world.verdicts(&token).await[2], "200");
        seen.push(forwarded(&world));
    }
    assert!(seen.iter().all(|narrowed| *narrowed == seen[0]));
    let another = world.of_corp(|claims| (claims["aud"], claims["scope"]) = (json!(THREE), "Docs.Read".into()));
    assert_eq!(world.verdicts(&another).await[2], "200");
    assert_ne!(forwarded(&world), seen[0]);
}

#[tokio::test]
async fn what_cannot_be_narrowed_is_refused_and_not_forwarded() {
    let world = World::start().await;
    let nameless = world.of_corp(|claims| {
        (claims["aud"], claims["scope"]) = (json!(THREE), "Docs.Read".into());
        claims.as_object_mut().expect("claims").remove("client_id");
    });
    assert_eq!(world.verdicts(&nameless).await[2], "401 claim_missing");
    let odd = world.of_corp(|claims| {
        (claims["aud"], claims["scope"], claims["act"]) = (json!(THREE), "Docs.Read".into(), json!("somebody"));
    });
    assert_eq!(world.verdicts(&odd).await[2], "401 claim_missing");
    assert!(world.gateway.api("API_3").requests().is_empty());
}
