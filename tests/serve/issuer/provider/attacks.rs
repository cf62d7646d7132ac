//! What is not believed: each is a good login that is wrong in one way, told on a page that says nothing of it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use narrowgate::config::{Config, LoginAuthentication};
use narrowgate::oauth::Algorithm;
use narrowgate::secret::Secret;
use serde_json::{Value, json};

use super::mock::{Mock, SECRET, resealed};
use super::walk::{Browser, ago, assert_page, error_for_the_client, location, of_corp, sent, start, with_claims};
use crate::client::Reply;
use crate::issuer::world::{ISSUER, World};

/// Two providers, and a world whose users log in at either.
async fn two() -> (World, Mock, Mock) {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    (start(&corp, &other, |_| {}).await, corp, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_browser_finishes_nothing_and_takes_nothing() {
    let (world, corp, _other) = two().await;
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    let answer = sent.code(&corp.issuer);
    assert_page(&Browser::default().come_back(&world, &answer).await, "no cookie at all");
    let mut victim = Browser::default();
    victim.begin(&world, "").await;
    assert_page(&victim.come_back(&world, &answer).await, "another browser");
    assert!(corp.asked("/token").is_empty(), "no code is redeemed");
    assert!(location(&browser.come_back(&world, &answer).await).starts_with(ISSUER), "its own browser still may");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_used_once() {
    let (world, corp, _other) = two().await;
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    location(&browser.come_back(&world, &sent.code(&corp.issuer)).await);
    assert_page(&browser.come_back(&world, &sent.code(&corp.issuer)).await, "again");
    assert_page(&browser.come_back(&world, "state=x&code=c").await, "a state of nobody's");
    assert_page(&browser.come_back(&world, "code=c").await, "no state");
    assert_eq!(corp.asked("/token").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_another_provider_is_none() {
    let (world, corp, other) = two().await;
    for (told, more) in [
        ("another issuer", vec![("code", "c"), ("iss", other.issuer.as_str())]),
        ("an announced issuer is missing", vec![("code", "c")]),
        ("an error of another issuer", vec![("error", "access_denied"), ("iss", other.issuer.as_str())]),
        ("nothing", vec![("iss", corp.issuer.as_str())]),
        ("both", vec![("code", "c"), ("error", "x"), ("iss", corp.issuer.as_str())]),
    ] {
        let mut browser = Browser::default();
        let sent = browser.begin(&world, "").await;
        assert_page(&browser.come_back(&world, &sent.answer(&more)).await, told);
        assert_page(&browser.come_back(&world, &sent.code(&corp.issuer)).await, "it is used up");
    }
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    let twice = format!("{}&code=d", sent.code(&corp.issuer));
    assert_page(&browser.come_back(&world, &twice).await, "two codes");
    assert!(corp.asked("/token").is_empty() && other.asked("/token").is_empty(), "no code goes anywhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_goes_to_the_provider_that_was_asked_and_its_token_alone_counts() {
    let (world, corp, other) = two().await;
    other.describe("authorization_response_iss_parameter_supported", json!(false));
    let mut browser = Browser::default();
    let at_other = sent(&browser.begin_at(&world, "other", "").await);
    corp.gives(&corp.id_token(&at_other.nonce(), |_| {}));
    // What corp would say for it, said by the other one.
    other.gives(&corp.id_token(&at_other.nonce(), |_| {}));
    assert_page(&browser.come_back(&world, &at_other.answer(&[("code", "c")])).await, "corp's token");
    assert_eq!((corp.asked("/token").len(), other.asked("/token").len()), (0, 1));
    let at_other = sent(&browser.begin_at(&world, "other", "").await);
    let in_corps_name = other.id_token(&at_other.nonce(), |claims| claims["iss"] = json!(corp.issuer));
    other.gives(&in_corps_name);
    assert_page(&browser.come_back(&world, &at_other.answer(&[("code", "c")])).await, "in corp's name");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_with_a_defect_is_none() {
    let (world, corp, other) = two().await;
    for (name, value) in [
        ("iss", json!(other.issuer)),
        ("aud", json!("somebody-else")),
        ("aud", json!(["narrowgate", "somebody-else"])),
        ("azp", json!("somebody-else")),
        ("exp", json!(ago(60))),
        ("iat", json!(ago(700))),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")),
        ("sub", Value::Null),
    ] {
        let told = format!("{name} {value}");
        assert_page(&with_claims(&world, &corp, "", |claims| claims[name] = value).await, &told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_of_an_earlier_login_is_none() {
    let (world, corp, _other) = two().await;
    let mut browser = Browser::default();
    let first = browser.begin(&world, "").await;
    corp.gives(&corp.id_token(&first.nonce(), |_| {}));
    location(&browser.come_back(&world, &first.code(&corp.issuer)).await);
    let second = browser.begin(&world, "&prompt=select_account").await;
    assert_page(&browser.come_back(&world, &second.code(&corp.issuer)).await, "replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_but_the_providers_counts() {
    let (world, corp, _other) = two().await;
    let with = async |seal: fn(&str) -> String| {
        let mut browser = Browser::default();
        let sent = browser.begin(&world, "").await;
        corp.gives(&seal(&corp.id_token(&sent.nonce(), |_| {})));
        browser.come_back(&world, &sent.code(&corp.issuer)).await
    };
    let none = |token: &str| resealed(token, &json!({ "alg": "none" }), |_| String::new());
    let hmac = |token: &str| {
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let sign = |signed: &[u8]| jsonwebtoken::crypto::sign(signed, &key, jsonwebtoken::Algorithm::HS256).unwrap();
        resealed(token, &json!({ "alg": "HS256" }), sign)
    };
    let random =
        |token: &str| resealed(token, &json!({ "alg": "ES256", "kid": "p1" }), |_| URL_SAFE_NO_PAD.encode([7; 64]));
    let own_key =
        |token: &str| resealed(token, &json!({ "alg": "ES256", "jwk": {} }), |_| URL_SAFE_NO_PAD.encode([7; 64]));
    let replies: [(&str, Reply); 4] = [
        ("none", with(none).await),
        ("the client's secret", with(hmac).await),
        ("another key", with(random).await),
        ("a key of its own", with(own_key).await),
    ];
    for (told, reply) in &replies {
        assert_page(reply, told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_of_somebody_else_is_none() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |config| of_corp(config).userinfo = true).await;
    corp.knows(json!({ "sub": "eve", "groups": ["admin"] }));
    assert_page(&with_claims(&world, &corp, "", |_| {}).await, "eve's");
    corp.knows(json!({ "groups": ["admin"] }));
    assert_page(&with_claims(&world, &corp, "", |_| {}).await, "nobody's");
    corp.tells_nothing(401);
    assert_page(&with_claims(&world, &corp, "", |_| {}).await, "it is not told");
    corp.tells_nothing(503);
    let reply = with_claims(&world, &corp, "", |_| {}).await;
    assert_eq!(error_for_the_client(&reply), "temporarily_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_that_is_asked_for_and_cannot_be_had_is_no_login() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    corp.describe("userinfo_endpoint", Value::Null);
    let world = start(&corp, &other, |config| of_corp(config).userinfo = true).await;
    assert_page(&with_claims(&world, &corp, "", |_| {}).await, "there is no such endpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_trusted_in_another_way_meanwhile_logs_nobody_in() {
    for change in [
        (|config| of_corp(config).client_id = "another".to_owned()) as fn(&mut Config),
        |config| config.trusted_issuers[0].algorithms = vec![Algorithm::Rs256],
        |config| drop(config.issuer.as_mut().unwrap().login.as_mut().unwrap().openid.remove(0)),
    ] {
        let (world, corp, _other) = two().await;
        let world = Arc::new(world);
        let (mut browser, reloaded) = (Browser::default(), Arc::clone(&world));
        let sent = browser.begin(&world, "").await;
        corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
        corp.meanwhile(move || reloaded.reload(change));
        let reply = browser.come_back(&world, &sent.code(&corp.issuer)).await;
        assert_eq!(error_for_the_client(&reply), "temporarily_unavailable");
        assert!(browser.session().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_leaves_the_provider_alone_ends_no_login() {
    let (world, corp, _other) = two().await;
    let world = Arc::new(world);
    let (mut browser, reloaded) = (Browser::default(), Arc::clone(&world));
    let sent = browser.begin(&world, "").await;
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    corp.meanwhile(move || reloaded.reload(|config| config.issuer.as_mut().unwrap().exchange_depth = 2));
    assert!(location(&browser.come_back(&world, &sent.code(&corp.issuer)).await).starts_with(ISSUER));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_shut_out_meanwhile_gets_nobody() {
    let (world, corp, _other) = two().await;
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    world.reload(|config| {
        let clients = &mut config.issuer.as_mut().unwrap().clients;
        clients.iter_mut().filter(|client| client.id == "web").for_each(|client| client.disabled = true);
    });
    assert_page(&browser.come_back(&world, &sent.code(&corp.issuer)).await, "the client is gone");
    assert!(corp.asked("/token").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signs_nothing_is_our_own_fault() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |config| {
        of_corp(config).authentication = LoginAuthentication::Key { pem: Secret::new("no key"), kid: None };
    })
    .await;
    assert_eq!(error_for_the_client(&with_claims(&world, &corp, "", |_| {}).await), "server_error");
    assert!(corp.asked("/token").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_the_provider_does_not_take_is_none() {
    let (world, corp, _other) = two().await;
    for (status, answer) in [
        (400, json!({ "error": "invalid_grant", "error_description": "canary-access" })),
        (401, json!({ "error": "invalid_client" })),
        (403, json!({})),
        (200, json!({ "access_token": "canary-access" })),
        (200, json!([])),
    ] {
        let mut browser = Browser::default();
        let sent = browser.begin(&world, "").await;
        corp.refuses(status, answer.clone());
        assert_page(&browser.come_back(&world, &sent.code(&corp.issuer)).await, &answer.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_in_another_name_begins_nothing() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    corp.describe("issuer", json!(other.issuer));
    let world = start(&corp, &other, |_| {}).await;
    let reply = Browser::default().begin_at(&world, "corp", "").await;
    assert_eq!(error_for_the_client(&reply), "temporarily_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_does_not_outlive_its_provider() {
    let (world, corp, _other) = two().await;
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    world.reload(|config| drop(config.issuer.as_mut().unwrap().login.as_mut().unwrap().openid.remove(0)));
    assert_page(&browser.come_back(&world, &sent.code(&corp.issuer)).await, "it is gone");
    assert!(corp.asked("/token").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_could_be_somebody_elses_is_none() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |config| {
        config.trusted_issuers[0].subjects = narrowgate::config::SubjectForm::Plain;
    })
    .await;
    for subject in ["other|ada", "web", ""] {
        assert_page(&with_claims(&world, &corp, "", |claims| claims["sub"] = json!(subject)).await, subject);
    }
    assert!(location(&with_claims(&world, &corp, "", |_| {}).await).starts_with(ISSUER));
}
