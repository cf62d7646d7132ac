//! Users log in at an OpenID provider that others wrote (panva's oidc-provider), by the real program.

use serde_json::json;

use super::*;
use crate::browser::{Browser, Page};
use crate::chromium::drive;
use crate::oidc_provider::Provider;

pub const CALLBACK: &str = "https://app.example/cb";

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The client that asks users, and its secret.
pub const WEBAPP: (&str, &str) = ("webapp", "the-secret-of-the-app-that-asks-users-0123");

/// How the gateway proves to the provider who it is.
#[derive(Clone, Copy)]
pub enum Proof {
    Secret,
    Key,
}

/// The configuration, with users who log in at a provider, and clients of theirs.
pub fn with_users(text: String, provider: &str, proof: &str) -> String {
    let issuer = format!(
        "trusted_issuers:\n  panva: {{ issuer: \"{provider}\", refetch_after: 1s, claims: {{ carry: [email, groups] }} }}\n"
    );
    let login = format!(
        "  login:\n    openid:\n      panva: {{ client_id: narrowgate, {proof}, scopes: [openid, email, groups], userinfo: true }}\n"
    );
    let clients = format!(
        "  clients:\n    {}:\n      secret: {}\n      grants: [authorization_code, refresh_token]\n      \
         redirect_uris: {CALLBACK}\n      resources:\n        {ONE}: [read, write]\n        {TWO}: [reports]\n",
        WEBAPP.0, WEBAPP.1
    );
    let text = format!("log: {{ level: trace }}\n{text}");
    text.replace("trusted_issuers:\n", &issuer).replace("  clients:\n", &(login + &clients))
}

/// A world whose users log in at a provider.
pub async fn start(provider: &Provider, proof: Proof) -> World {
    let key = SigningKey::new("gateway-1", "ES256");
    let pem = std::env::temp_dir().join(format!("narrowgate-login-{}-{}.pem", std::process::id(), provider.address));
    fs::write(&pem, key.pem()).expect("the system has a folder for this");
    let written = match proof {
        Proof::Secret => "client_secret: \"a secret & more\"".to_owned(),
        Proof::Key => format!("client_key: \"${{file:{}}}\", client_key_id: gateway-1", pem.display()),
    };
    let url = format!("http://{}", provider.address);
    let world = World::start_with(|text| with_users(text, &url, &written)).await;
    fs::remove_file(pem).expect("it was read");
    let common = json!({
        "client_id": "narrowgate",
        "redirect_uris": [format!("{}/login/callback", world.url)],
        "id_token_signed_response_alg": "ES256",
    });
    let more = match proof {
        Proof::Secret => json!({ "client_secret": "a secret & more" }),
        Proof::Key => {
            json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [key.jwk()] } })
        }
    };
    let mut party = common;
    party.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    provider.register(&json!([party])).await;
    world
}

/// Where a client sends a user for both APIs.
fn authorize(world: &World, more: &str) -> String {
    format!(
        "{}/authorize?response_type=code&client_id={}&redirect_uri={CALLBACK}&state=s&resource={ONE}&resource={TWO}\
         &code_challenge={CHALLENGE}&code_challenge_method=S256{more}",
        world.url, WEBAPP.0
    )
}

/// A user who logs in and allows everything; where he ends.
async fn allowed(world: &World, browser: &mut Browser, more: &str) -> Page {
    let consent = browser.visit(&authorize(world, more)).await;
    assert!(consent.url.path().ends_with("/consent"), "{}: {}", consent.url, consent.text());
    browser.submit(&consent, "allow").await
}

/// The answer to a code, for one API.
async fn redeemed(world: &World, page: &Page, resource: &str) -> Response {
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {}", page.url));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("resource", resource),
    ];
    world.post("/token", WEBAPP, &form).await
}

#[tokio::test]
async fn a_user_logs_in_and_his_tokens_open_one_api_each() {
    let provider = Provider::start();
    for proof in [Proof::Secret, Proof::Key] {
        let world = start(&provider, proof).await;
        let page = allowed(&world, &mut Browser::default(), "&login_hint=grace").await;
        assert!(page.url.as_str().starts_with(CALLBACK), "{}", page.url);
        assert_eq!((page.parameter("state").as_deref(), page.parameter("iss")), (Some("s"), Some(world.url.clone())));
        let answer = redeemed(&world, &page, ONE).await;
        let token = token_in(&answer);
        let said = claims(&token);
        assert_eq!([&said["sub"], &said["aud"], &said["client_id"]], ["panva|grace", ONE, WEBAPP.0]);
        // The first is from UserInfo, the second from the ID token.
        assert_eq!([&said["email"], &said["acr"]], ["grace@example.com", "urn:example:mfa"]);
        let untold = ["auth_time", "groups"].map(|name| said.get(name));
        assert_eq!(untold, [None, None], "this provider says when only where it is asked, and groups to nobody");
        assert_eq!(world.verdicts(&token).await[..2], ["200", "401 audience_mismatch"]);
        let refresh = answer.json()["refresh_token"].as_str().expect("the client may refresh").to_owned();
        let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("resource", TWO)];
        let token = token_in(&world.post("/token", WEBAPP, &form).await);
        assert_eq!(world.verdicts(&token).await[..2], ["401 audience_mismatch", "200"]);
    }
}

#[tokio::test]
async fn a_login_is_written_down_and_nothing_that_proves_it() {
    let provider = Provider::start();
    let world = start(&provider, Proof::Secret).await;
    let mut browser = Browser::default();
    let page = allowed(&world, &mut browser, "&login_hint=grace").await;
    Browser::default().visit(&authorize(&world, "&login_hint=nobody")).await;
    let line = world.gateway.line("login_succeeded").await;
    assert!(line.contains("panva|grace") && line.contains(WEBAPP.0), "{line}");
    let line = world.gateway.line("login_failed").await;
    assert!(line.contains("access_denied"), "{line}");
    let output = world.gateway.output();
    let secrets = browser.cookies().chain(page.parameter("code")).chain(["canary".to_owned(), "eyJ".to_owned()]);
    for secret in secrets.chain(["grace@example.com".to_owned(), "secret & more".to_owned()]) {
        let line = output.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "`{secret}` was written");
    }
}

#[tokio::test]
async fn a_user_who_says_no_there_is_told_to_the_client() {
    let provider = Provider::start();
    let world = start(&provider, Proof::Secret).await;
    let page = Browser::default().visit(&authorize(&world, "&login_hint=nobody")).await;
    assert!(page.url.as_str().starts_with(CALLBACK), "{}: {}", page.url, page.text());
    assert_eq!(page.parameter("error").as_deref(), Some("access_denied"));
    assert!(!page.url.as_str().contains("canary"), "{}", page.url);
}

#[tokio::test]
async fn a_session_saves_a_login_but_not_one_that_is_demanded() {
    let provider = Provider::start();
    let world = start(&provider, Proof::Secret).await;
    let mut browser = Browser::default();
    let page = allowed(&world, &mut browser, "&login_hint=ada").await;
    let first = claims(&token_in(&redeemed(&world, &page, ONE).await));
    let page = browser.visit(&authorize(&world, "")).await;
    assert!(page.parameter("code").is_some(), "neither login nor consent is asked again: {}", page.url);
    let page = browser.visit(&authorize(&world, "&prompt=login&login_hint=ada")).await;
    let again = claims(&token_in(&redeemed(&world, &page, ONE).await));
    assert_eq!(first["sub"], again["sub"]);
    let when = again["auth_time"].as_u64().expect("whoever demands a login learns when it was");
    let page = browser.visit(&authorize(&world, "&max_age=3600")).await;
    let later = claims(&token_in(&redeemed(&world, &page, ONE).await));
    assert_eq!(later["auth_time"].as_u64(), Some(when), "it is young enough");
    let page = allowed(&world, &mut Browser::default(), "&login_hint=grace").await;
    assert_eq!(claims(&token_in(&redeemed(&world, &page, ONE).await))["sub"], "panva|grace");
}

#[tokio::test]
async fn new_keys_of_the_provider_are_found() {
    let provider = Provider::start();
    let world = start(&provider, Proof::Secret).await;
    token_in(&redeemed(&world, &allowed(&world, &mut Browser::default(), "").await, ONE).await);
    provider.rotate().await;
    token_in(&redeemed(&world, &Browser::default().visit(&authorize(&world, "")).await, ONE).await);
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_to_the_client() {
    let provider = Provider::start();
    let url = format!("http://{}", provider.address);
    drop(provider);
    let world = World::start_with(|text| with_users(text, &url, "client_secret: \"a secret & more\"")).await;
    let page = Browser::default().visit(&authorize(&world, "")).await;
    assert_eq!(page.parameter("error").as_deref(), Some("temporarily_unavailable"), "{}", page.url);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_a_scope_is_unticked_and_another_time_everything_is_denied() {
    let provider = Provider::with_pages();
    let world = start(&provider, Proof::Secret).await;
    let task = json!({
        "issuer": world.url, "provider": format!("http://{}", provider.address), "callback": CALLBACK,
        "client": WEBAPP.0, "secret": WEBAPP.1, "resources": [ONE, TWO],
    });
    drive("provider_login.mjs", task).await;
}
