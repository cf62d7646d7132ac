//! Users with a password in the file, and an API that is for some of them: what each is asked for and gets, by the real program.

use super::*;
use crate::browser::{Browser, Page};

/// argon2id, as `narrowgate hash-password` makes it, of `hunter2`.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$vHI6VO0Bya/ssH6vBVuy6Q$zEm8Holl6Khho0u3mmZkIVPvL166W75lQ0WMFiuF19Y";

const CALLBACK: &str = "https://app.example/cb";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const WEBAPP: (&str, &str) = ("webapp", "the-secret-of-the-app-that-asks-users-0123");

/// The second API is for sales; ada is of it, and bob is not.
fn with_local_users(text: String) -> String {
    let login = format!(
        "  login:\n    users:\n      ada: {{ password: '{HASH}', claims: {{ department: sales }} }}\n      \
         bob: {{ password: '{HASH}', claims: {{ department: law }} }}\n"
    );
    let client = format!(
        "  clients:\n    {}:\n      secret: {}\n      grants: [authorization_code, refresh_token]\n      \
         redirect_uris: {CALLBACK}\n      resources:\n        {ONE}: [read, write]\n        {TWO}: [reports]\n",
        WEBAPP.0, WEBAPP.1
    );
    let access = format!("  {TWO}:\n    access: {{ department: [sales] }}\n");
    text.replace(&format!("  {TWO}:\n    upstream"), &format!("{access}    upstream"))
        .replace("  clients:\n", &(login + &client))
}

/// Where the client sends a user for these APIs.
fn authorize(world: &World, resources: &[&str]) -> String {
    let resources: String = resources.iter().map(|resource| format!("&resource={resource}")).collect();
    format!(
        "{}/authorize?response_type=code&client_id={}&redirect_uri={CALLBACK}&code_challenge={CHALLENGE}\
         &code_challenge_method=S256{resources}",
        world.url, WEBAPP.0
    )
}

/// A user who logs in; the page behind that.
async fn logged_in(world: &World, browser: &mut Browser, name: &str, resources: &[&str]) -> Page {
    let page = browser.visit(&authorize(world, resources)).await;
    assert!(page.url.path().ends_with("/login"), "{}: {}", page.url, page.text());
    browser.fill(&page, &[("username", name), ("password", "hunter2")]).await
}

async fn redeemed(world: &World, page: &Page, resource: &str) -> Response {
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {}", page.url));
    let form =
        [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER), ("resource", resource)];
    world.post("/token", WEBAPP, &form).await
}

#[tokio::test]
async fn an_api_is_for_those_of_whom_enough_is_known() {
    let world = World::start_with(with_local_users).await;
    let mut browser = Browser::default();
    let consent = logged_in(&world, &mut browser, "ada", &[ONE, TWO]).await;
    let page = browser.submit(&consent, "allow").await;
    let token = token_in(&redeemed(&world, &page, TWO).await);
    assert_eq!([&claims(&token)["sub"], &claims(&token)["aud"]], ["local|ada", TWO]);
    assert_eq!(world.verdicts(&token).await[..2], ["401 audience_mismatch", "200"]);
}

#[tokio::test]
async fn whoever_may_not_have_an_api_is_not_asked_for_it_and_gets_none() {
    let world = World::start_with(with_local_users).await;
    let mut browser = Browser::default();
    let consent = logged_in(&world, &mut browser, "bob", &[ONE, TWO]).await;
    assert!(consent.url.path().ends_with("/consent"), "{}: {}", consent.url, consent.text());
    let page = browser.submit(&consent, "allow").await;
    assert_eq!(refusal(&redeemed(&world, &page, TWO).await), "400 invalid_target");
    // What was refused has burnt nothing.
    let answer = redeemed(&world, &page, ONE).await;
    assert_eq!(claims(&token_in(&answer))["sub"], "local|bob");
    let refresh = answer.json()["refresh_token"].as_str().expect("the client may refresh").to_owned();
    let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("resource", TWO)];
    assert_eq!(refusal(&world.post("/token", WEBAPP, &form).await), "400 invalid_target");
    let page = browser.visit(&authorize(&world, &[TWO])).await;
    assert_eq!(page.parameter("error").as_deref(), Some("access_denied"), "{}", page.url);
}

#[tokio::test]
async fn an_exchange_for_it_wants_the_claim_in_the_token() {
    let carry = |text: String| with_local_users(text).replace("carry: [email,", "carry: [department, email,");
    let world = World::start_with(carry).await;
    let department = |department: &'static str| {
        world.of_corp(|claims| (claims["aud"], claims["department"]) = (TWO.into(), department.into()))
    };
    let asked = [("resource", TWO)];
    let answer = world.exchange(APP, &department("sales"), &asked).await;
    assert_eq!(claims(&token_in(&answer))["sub"], "corp|alice");
    for token in [department("law"), world.of_corp(|claims| claims["aud"] = TWO.into())] {
        assert_eq!(refusal(&world.exchange(APP, &token, &asked).await), "400 invalid_target");
    }
    // A client for itself is no user.
    let token = world.own_token(APP, TWO).await;
    assert_eq!(claims(&token)["sub"], "app");
}
