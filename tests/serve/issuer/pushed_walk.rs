//! The way of a user whose client pushed beforehand what it asks for (RFC 9126 §4), and what becomes of the code.

use narrowgate::clock::Timestamp;
use narrowgate::config::{ClaimPath, Requirement};
use serde_json::Value;

use super::visitor::{CALLBACK, CHALLENGE, Page, Visitor, asking, words, world, world_with};
use super::world::{APP, ONE, TWO, World, claims, encoded};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

async fn pushed(world: &World, client: &str) -> String {
    let form = [
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", ONE),
        ("scope", "read"),
        ("state", "pushed"),
    ];
    let reply = world.post("/par", Some((client, APP.1)), &form).await;
    assert_eq!(reply.status, 201, "{:?}", String::from_utf8_lossy(&reply.body));
    reply.json()["request_uri"].as_str().unwrap().to_owned()
}

fn by_reference(client: &str, request_uri: &str, more: &[(&str, &str)]) -> String {
    let form = [&[("client_id", client), ("request_uri", request_uri)], more].concat();
    format!("/authorize?{}", encoded(&form))
}

fn is_refused(page: &Page) -> bool {
    page.status == 400 && page.location.is_none() && page.text.contains("<code>invalid_request_uri</code>")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_pushed_counts_and_it_gives_one_code() {
    let world = world().await;
    let request_uri = pushed(&world, "pusher").await;
    let mut browser = Visitor::new(&world);
    let injected =
        [("resource", TWO), ("scope", "read write"), ("redirect_uri", "https://evil.example"), ("state", "x")];
    let target = by_reference("pusher", &request_uri, &injected);
    browser.visit(&target).await;
    let consent = browser.reach_consent(&target).await;
    let second = browser.visit(&target).await;
    let answer = browser.answer(&consent, "allow", &[]).await;
    assert_eq!((answer.told("state").as_deref(), answer.told("error")), (Some("pushed"), None));
    assert_eq!(words(&browser.granted(&answer).await), [(ONE.to_owned(), "read".to_owned())]);
    assert!(is_refused(&browser.answer(&second, "allow", &[]).await), "a tab that was opened before");
    assert!(is_refused(&browser.get(&target).await), "and whoever comes later");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_answer_at_once_one_gets_the_code() {
    let world = world().await;
    let request_uri = pushed(&world, "pusher").await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&by_reference("pusher", &request_uri, &[])).await;
    let mut browsers = [(); 8].map(|()| {
        let mut same = Visitor::new(&world);
        same.cookies.clone_from(&browser.cookies);
        same
    });
    let [a, b, c, d, e, f, g, h] = browsers.each_mut().map(|browser| browser.answer(&consent, "allow", &[]));
    let answers: [Page; 8] = tokio::join!(a, b, c, d, e, f, g, h).into();
    let codes = answers.iter().filter(|answer| answer.told("code").is_some()).count();
    assert_eq!((codes, answers.iter().filter(|answer| is_refused(answer)).count()), (1, 7), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_it_was_used_is_remembered_longer_than_any_tab_lasts() {
    let world = world().await;
    let request_uri = pushed(&world, "pusher").await;
    let mut browser = Visitor::new(&world);
    let target = by_reference("pusher", &request_uri, &[]);
    let consent = browser.reach_consent(&target).await;
    let second = browser.visit(&target).await;
    assert!(browser.answer(&consent, "allow", &[]).await.told("code").is_some());
    let last_end = Timestamp(Timestamp::now().0 + 60 + 2 * 15 * 60);
    let snapshot = world.gateway.current.load();
    snapshot.issuing.as_ref().unwrap().store.sweep(last_end).await.unwrap();
    assert!(is_refused(&browser.answer(&second, "allow", &[]).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_is_its_clients() {
    let world = world().await;
    let request_uri = pushed(&world, "pusher").await;
    let mut browser = Visitor::new(&world);
    for client in ["app", "nobody"] {
        assert!(is_refused(&browser.get(&by_reference(client, &request_uri, &[])).await), "{client}");
    }
    let nobody = browser.get(&format!("/authorize?{}", encoded(&[("request_uri", &request_uri)]))).await;
    assert_eq!((nobody.status, nobody.location), (400, None));
    let twice = by_reference("pusher", &request_uri, &[("request_uri", &request_uri)]);
    assert_eq!(browser.get(&twice).await.told("error").as_deref(), Some("invalid_request"));
    assert!(browser.visit(&by_reference("pusher", &request_uri, &[])).await.title() == "Sign in", "it is still good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_brings_tokens_one_for_each_api() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[("resource", ONE), ("resource", TWO)])).await;
    let answer = browser.answer(&consent, "allow", &["scope-0-1"]).await;
    let code = answer.told("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
        ("resource", ONE),
    ];
    let reply = world.post("/token", Some(APP), &form).await;
    assert_eq!(reply.status, 200, "{:?}", reply.json());
    let token = claims(reply.json()["access_token"].as_str().unwrap());
    assert_eq!((&token["sub"], &token["aud"], &token["scope"]), (&"local|alice".into(), &ONE.into(), &"read".into()));
    let refresh_token = reply.json()["refresh_token"].as_str().unwrap().to_owned();
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("resource", TWO)];
    let reply = world.post("/token", Some(APP), &form).await;
    assert_eq!(reply.json()["resource"], serde_json::json!([TWO]), "{:?}", reply.json());
    let next = reply.json()["refresh_token"].as_str().unwrap().to_owned();
    let page = browser.get("/grants").await;
    assert!(page.text.contains("In use since"), "{}", page.text);
    browser.post("/grants", &[("token", &page.hidden("token")), ("client", "app")]).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*next), ("resource", TWO)];
    let reply = world.post("/token", Some(APP), &form).await;
    assert_eq!((reply.status, &reply.json()["error"]), (400, &Value::from("invalid_grant")), "he took it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_not_for_this_user_is_told_and_not_given() {
    let world = world_with(|config| {
        let claim = ClaimPath { text: "department".to_owned(), steps: vec!["department".to_owned()] };
        config.resources[1].access = vec![Requirement { claim, values: vec!["legal".to_owned()] }];
    })
    .await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[("resource", ONE), ("resource", TWO)])).await;
    assert!(consent.text.contains("not open to you") && consent.text.contains(TWO), "{}", consent.text);
    let answer = browser.answer(&consent, "allow", &[]).await;
    assert_eq!(words(&browser.granted(&answer).await), [(ONE.to_owned(), "read write".to_owned())]);
    let nothing = browser.visit(&asking(&[("resource", TWO)])).await;
    assert_eq!(nothing.told("error").as_deref(), Some("access_denied"));
}
