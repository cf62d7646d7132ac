//! Logins that are what they seem to be, and providers that are away.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use narrowgate::config::LoginAuthentication;
use narrowgate::secret::Secret;
use serde_json::json;
use url::Url;

use super::mock::{CLIENT, Mock};
use super::walk::{Browser, Sent, ago, authorize, error_for_the_client, location, of_corp, sent, start, with_claims};
use crate::issuer::world::{ISSUER, World, claims};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_and_is_asked_to_consent() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    assert!(sent.0.as_str().starts_with(&format!("{}/authorize?", corp.issuer)));
    assert_eq!(sent.value("redirect_uri").unwrap(), format!("{ISSUER}/login/callback"));
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    let reply = browser.come_back(&world, &sent.code(&corp.issuer)).await;
    let consent = location(&reply);
    assert!(consent.starts_with(&format!("{ISSUER}/consent?transaction=")), "{consent}");
    let cookie = reply.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert_eq!(browser.get(&world, &consent).await.status, 200);
    let [asked] = &corp.asked("/token")[..] else { panic!("the code is redeemed once") };
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "canary-code"),
        ("redirect_uri", "https://auth.example/login/callback"),
    ] {
        assert_eq!(asked.value(name), Some(value));
    }
    assert_eq!(asked.value("code_verifier").unwrap().len(), 43);
    let basic = STANDARD.encode(format!("{CLIENT}:the+secret+%26+the+rest"));
    assert_eq!(asked.authorization.as_deref(), Some(format!("Basic {basic}").as_str()));
    assert!(asked.value("client_secret").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_has_a_session_of_its_own_and_ends_the_one_before() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    let mut browser = Browser::default();
    let mut before = None;
    for _ in 0..2 {
        let sent = browser.begin(&world, "&prompt=login").await;
        corp.gives(&corp.id_token(&sent.nonce(), |claims| claims["auth_time"] = ago(0).into()));
        location(&browser.come_back(&world, &sent.code(&corp.issuer)).await);
        let session = browser.session().cloned();
        assert_ne!(session, before);
        before = before.or(session);
    }
    let silently = authorize("&prompt=none");
    assert_eq!(error_for_the_client(&browser.get(&world, &silently).await), "consent_required");
    browser.0.insert("__Host-narrowgate-session".to_owned(), before.unwrap());
    assert_eq!(error_for_the_client(&browser.get(&world, &silently).await), "login_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn we_prove_who_we_are_as_the_provider_takes_it() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    corp.describe("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    let world = start(&corp, &other, |_| {}).await;
    location(&with_claims(&world, &corp, "", |_| {}).await);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = Secret::new(key.serialize_pem());
    let with = |authentication| world.reload(|config| of_corp(config).authentication = authentication);
    with(LoginAuthentication::Key { pem, kid: Some("k7".to_owned()) });
    location(&with_claims(&world, &corp, "", |_| {}).await);
    with(LoginAuthentication::None);
    location(&with_claims(&world, &corp, "", |_| {}).await);
    let [post, assertion, none] = &corp.asked("/token")[..] else { panic!("three logins") };
    assert!([post, assertion, none].iter().all(|asked| asked.value("client_id") == Some(CLIENT)));
    assert_eq!(post.value("client_secret"), Some("the secret & the rest"));
    assert!([post, assertion, none].iter().all(|asked| asked.authorization.is_none()));
    assert!([assertion, none].iter().all(|asked| asked.value("client_secret").is_none()));
    assert!([post, none].iter().all(|asked| asked.value("client_assertion").is_none()));
    let assertion = assertion.value("client_assertion").unwrap();
    let said = claims(assertion);
    assert_eq!([&said["iss"], &said["sub"], &said["aud"]], [CLIENT, CLIENT, &corp.issuer]);
    let header = jsonwebtoken::decode_header(assertion).unwrap();
    assert_eq!((header.kid.as_deref(), header.alg), (Some("k7"), jsonwebtoken::Algorithm::ES256));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_demands_of_a_login_is_passed_on_and_held() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    let sent = Browser::default().begin(&world, "&prompt=login&login_hint=ada").await;
    assert_eq!(["prompt", "max_age", "login_hint"].map(|name| sent.value(name).unwrap()), ["login", "0", "ada"]);
    for (more, auth_time, good) in [
        ("&prompt=login", None, false),
        ("&prompt=login", Some(60), false),
        ("&prompt=login", Some(0), true),
        ("&max_age=300", None, false),
        ("&max_age=300", Some(400), false),
        ("&max_age=300", Some(200), true),
    ] {
        let reply = with_claims(&world, &corp, more, |claims| {
            if let Some(seconds) = auth_time {
                claims["auth_time"] = ago(seconds).into();
            }
        });
        let reply = reply.await;
        match good {
            true => assert!(location(&reply).starts_with(ISSUER), "{more} {auth_time:?}"),
            false => assert_eq!(error_for_the_client(&reply), "unmet_authentication_requirements", "{more}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_says_no_to_the_client_learns_in_our_words() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    for (said, told) in [
        ("access_denied", "access_denied"),
        ("login_required", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_scope", "server_error"),
    ] {
        let mut browser = Browser::default();
        let sent = browser.begin(&world, "").await;
        let answer = [("error", said), ("error_description", "canary-access"), ("iss", &corp.issuer)];
        let reply = browser.come_back(&world, &sent.answer(&answer)).await;
        assert_eq!(error_for_the_client(&reply), told, "{said}");
        assert!(browser.session().is_none());
    }
    assert!(corp.asked("/token").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_told_to_the_client() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    corp.refuses(503, json!({}));
    let reply = browser.come_back(&world, &sent.code(&corp.issuer)).await;
    assert_eq!(error_for_the_client(&reply), "temporarily_unavailable");
    let nobody = "http://127.0.0.1:9";
    let world = start(&corp, &other, move |config| {
        config.trusted_issuers[0].issuers = vec![nobody.to_owned()];
        config.trusted_issuers[0].keys =
            narrowgate::config::KeySource::Discovery { issuer: Url::parse(nobody).unwrap() };
    })
    .await;
    let reply = Browser::default().begin_at(&world, "corp", "").await;
    assert_eq!(error_for_the_client(&reply), "temporarily_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_documents_are_read_once_and_its_new_keys_are_found() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    location(&with_claims(&world, &corp, "", |_| {}).await);
    let read = || corp.asked("/.well-known/openid-configuration").len();
    let before = read();
    corp.rotate("p2");
    location(&with_claims(&world, &corp, "", |_| {}).await);
    assert_eq!(read(), before, "neither where users are sent nor where keys lie is asked again");
    assert!(corp.asked("/jwks").len() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_is_asked_for_what_is_missing() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |config| of_corp(config).userinfo = true).await;
    corp.knows(json!({ "sub": "ada", "groups": ["dev"] }));
    assert!(location(&with_claims(&world, &corp, "", |_| {}).await).starts_with(ISSUER));
    let [asked] = &corp.asked("/me")[..] else { panic!("UserInfo is asked once") };
    assert_eq!(asked.authorization.as_deref(), Some("Bearer canary-access"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_too_many_logins_waits() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    let mut browser = Browser::default();
    let login = location(&browser.get(&world, &authorize("")).await) + "&provider=corp";
    let mut last = browser.get(&world, &login).await;
    for _ in 0..200 {
        if last.status != 303 {
            break;
        }
        sent(&last);
        last = browser.get(&world, &login).await;
    }
    assert_eq!(last.status, 429);
    assert!(last.field("retry-after").is_some());
}

/// A user who wants to see what he has granted, at the provider.
async fn to_see_grants(world: &World, browser: &mut Browser) -> Sent {
    let login = location(&browser.get(world, "/grants").await);
    assert!(login.starts_with(&format!("{ISSUER}/login?transaction=")), "{login}");
    sent(&browser.get(world, &format!("{login}&provider=corp")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_see_what_he_granted_logs_in_without_a_client() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    let mut browser = Browser::default();
    let sent = to_see_grants(&world, &mut browser).await;
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    let reply = browser.come_back(&world, &sent.code(&corp.issuer)).await;
    assert_eq!(location(&reply), format!("{ISSUER}/grants"));
    assert_eq!(browser.get(&world, "/grants").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_client_waits_a_page_says_why_not() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    for (said, status) in
        [("access_denied", 403), ("temporarily_unavailable", 503), ("invalid_scope", 500), ("unmet", 500)]
    {
        let mut browser = Browser::default();
        let sent = to_see_grants(&world, &mut browser).await;
        let answer = [("error", said), ("error_description", "canary-access"), ("iss", &corp.issuer)];
        let reply = browser.come_back(&world, &sent.answer(&answer)).await;
        assert_eq!(reply.status, status, "{said}");
        assert!(reply.field("set-cookie").is_none() && reply.field("content-security-policy").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_provider_had_is_not_one_that_a_client_asked_for() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    for more in ["&prompt=login", "&max_age=300"] {
        let mut browser = Browser::default();
        let asked = location(&browser.get(&world, &authorize(more)).await);
        let sent = browser.begin(&world, "").await;
        corp.gives(&corp.id_token(&sent.nonce(), |claims| claims["auth_time"] = ago(3_600).into()));
        let reply = browser.come_back(&world, &sent.code(&corp.issuer)).await;
        assert_eq!(browser.get(&world, &location(&reply)).await.status, 200, "for the other request it will do");
        let back = browser.get(&world, &asked.replace("/login?", "/consent?")).await;
        assert!(location(&back).starts_with(&format!("{ISSUER}/login?transaction=")), "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_dates_is_neither_young_nor_old() {
    let (corp, other) = (Mock::start().await, Mock::start().await);
    let world = start(&corp, &other, |_| {}).await;
    let mut browser = Browser::default();
    let sent = browser.begin(&world, "").await;
    corp.gives(&corp.id_token(&sent.nonce(), |_| {}));
    browser.come_back(&world, &sent.code(&corp.issuer)).await;
    for (more, error) in [("&prompt=none", "consent_required"), ("&prompt=none&max_age=3600", "login_required")] {
        assert_eq!(error_for_the_client(&browser.get(&world, &authorize(more)).await), error, "{more}");
    }
}
