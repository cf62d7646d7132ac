//! The way of a user from the client's request over login and consent back to the client.

use narrowgate::config::{ClaimPath, Consent, Requirement};

use super::visitor::{CALLBACK, MACHINE, PASSWORD, Visitor, asking, words, world, world_with};
use super::world::{ISSUER, ONE, TWO};

fn had(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(key, scopes)| ((*key).to_owned(), (*scopes).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_consents_and_the_client_gets_a_code() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let both = asking(&[("resource", ONE), ("resource", TWO), ("scope", "read write reports openid offline_access")]);
    let consent = browser.reach_consent(&both).await;
    assert_eq!(consent.title(), "Allow Reporting &#60;App&#62;?");
    for text in
        ["alice", "Documents", ONE, TWO, "Read your documents", "Change your documents", "reports", "app.example"]
    {
        assert!(consent.text.contains(text), "{text}: {}", consent.text);
    }
    let answer = browser.answer(&consent, "allow", &[]).await;
    assert_eq!(answer.status, 303);
    assert!(answer.location.as_ref().unwrap().starts_with(&format!("{CALLBACK}?code=")));
    assert_eq!((answer.told("state"), answer.told("iss")), (Some("a%2Bb c&d".into()), Some(ISSUER.into())));
    let record = browser.granted(&answer).await;
    assert_eq!(words(&record), had(&[(ONE, "read write"), (TWO, "reports")]));
    assert_eq!((record.client(), record.subject().to_string().as_str()), ("app", "local|alice"));
    assert_eq!(record.login().amr, ["pwd"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unticked_is_not_granted() {
    let world = world_with(|config| {
        let read = config.resources[0].scopes[0].0.clone();
        config.resources[0].required_scopes = vec![read];
    })
    .await;
    let mut browser = Visitor::new(&world);
    let both = asking(&[("resource", ONE), ("resource", TWO)]);
    let consent = browser.reach_consent(&both).await;
    assert_eq!(consent.boxes(), ["api-0", "scope-0-1", "scope-1-0"], "`read` is always needed");
    assert!(consent.text.contains("always needed"));
    for (unticked, expected) in [
        (&["scope-0-1"][..], &[(ONE, "read"), (TWO, "reports")][..]),
        (&["scope-1-0"], &[(ONE, "read write")]),
        (&["api-0"], &[(TWO, "reports")]),
        (&["scope-0-1", "scope-1-0"], &[(ONE, "read")]),
    ] {
        let answer = browser.answer(&consent, "allow", unticked).await;
        assert_eq!(words(&browser.granted(&answer).await), had(expected), "{unticked:?}");
    }
    let nothing = browser.answer(&consent, "allow", &["api-0", "scope-1-0"]).await;
    assert_eq!(nothing.told("error").as_deref(), Some("access_denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_denies_gives_nothing() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    let answer = browser.answer(&consent, "deny", &[]).await;
    assert_eq!((answer.told("error").as_deref(), answer.told("code")), (Some("access_denied"), None));
    assert_eq!((answer.told("state"), answer.told("iss")), (Some("a%2Bb c&d".into()), Some(ISSUER.into())));
    let again = browser.visit(&asking(&[])).await;
    assert_eq!(again.title(), "Allow Reporting &#60;App&#62;?", "nothing was remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_agreed_is_not_asked_again() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[("scope", "read")])).await;
    browser.answer(&consent, "allow", &[]).await;
    for silent in ["", "none"] {
        let answer = browser.visit(&asking(&[("scope", "read"), ("prompt", silent)])).await;
        assert_eq!(words(&browser.granted(&answer).await), had(&[(ONE, "read")]), "{silent}");
    }
    for (more, what) in [
        (&[("scope", "read write")][..], "a scope that he was not asked for"),
        (&[("resource", ONE), ("resource", TWO)], "a resource that he was not asked for"),
        (&[("scope", "read"), ("prompt", "consent")], "the client wants him to be asked"),
    ] {
        let page = browser.visit(&asking(more)).await;
        assert!(page.title().starts_with("Allow"), "{what}: {page:?}");
    }
    let mut bobs = Visitor::new(&world);
    let login = bobs.visit(&asking(&[("scope", "read")])).await;
    let page = bobs.log_in(&login, "bob", PASSWORD).await;
    assert!(page.title().starts_with("Allow"), "it was Alice who agreed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_answered_for_asks_nobody() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[("client_id", "quiet")])).await;
    let answer = browser.log_in(&login, "alice", PASSWORD).await;
    assert_eq!(words(&browser.granted(&answer).await), had(&[(ONE, "read write")]));
    let page = browser.visit(&asking(&[("client_id", "quiet"), ("prompt", "consent")])).await;
    assert!(page.title().starts_with("Allow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_users_machine_always_asks() {
    for consent in [Consent::Ask, Consent::Never] {
        let world = world_with(move |config| {
            let clients = &mut config.issuer.as_mut().unwrap().clients;
            clients.iter_mut().filter(|client| client.id == "program").for_each(|client| client.consent = consent);
        })
        .await;
        let mut browser = Visitor::new(&world);
        let asks = asking(&[("client_id", "program"), ("redirect_uri", MACHINE)]);
        let page = browser.reach_consent(&asks).await;
        assert!(
            page.field("content-security-policy").unwrap().contains("form-action 'self' https: http://127.0.0.1:7777;")
        );
        assert!(page.text.contains("program on this computer"));
        let answer = browser.answer(&page, "allow", &[]).await;
        assert!(answer.location.as_ref().unwrap().starts_with(MACHINE));
        assert!(browser.visit(&asks).await.title().starts_with("Allow"), "{consent:?}");
        let silent = browser.visit(&format!("{asks}&prompt=none")).await;
        assert_eq!(silent.told("error").as_deref(), Some("consent_required"), "{consent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_anything_where_the_client_says_so() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let silent = asking(&[("prompt", "none")]);
    assert_eq!(browser.get(&silent).await.told("error").as_deref(), Some("login_required"));
    assert!(browser.cookies.is_empty());
    browser.reach_consent(&asking(&[])).await;
    assert_eq!(browser.get(&silent).await.told("error").as_deref(), Some("consent_required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_login_is_had_where_it_is_asked_for() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    browser.answer(&consent, "allow", &[]).await;
    assert!(browser.visit(&asking(&[("max_age", "3600")])).await.told("code").is_some());
    for more in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "0")] {
        let login = browser.visit(&asking(&[more])).await;
        assert_eq!(login.title(), "Sign in", "{more:?}");
        let answer = browser.log_in(&login, "alice", PASSWORD).await;
        assert!(answer.told("code").is_some(), "{more:?}: {answer:?}");
    }
    assert_eq!(
        browser.visit(&asking(&[("max_age", "0"), ("prompt", "none")])).await.told("error").as_deref(),
        Some("login_required")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_can_be_used() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    let (_, rest) = consent.text.split_once("<a href=\"").unwrap();
    let login = browser.visit(&rest.split('"').next().unwrap().replace("&#38;", "&")).await;
    assert_eq!(login.title(), "Sign in");
    let consent = browser.log_in(&login, "bob", PASSWORD).await;
    assert!(consent.text.contains("bob") && !consent.text.contains("alice"), "{consent:?}");
    let answer = browser.answer(&consent, "allow", &[]).await;
    assert_eq!(browser.granted(&answer).await.subject().to_string(), "local|bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_come_by_post() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let by_get = asking(&[]);
    let form = by_get.split_once('?').unwrap().1;
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let page = browser.ask("POST", "/authorize", kind, form.as_bytes()).await;
    let login = browser.follow(page).await;
    let consent = browser.log_in(&login, "alice", PASSWORD).await;
    assert!(browser.answer(&consent, "allow", &[]).await.told("code").is_some());
    let split = browser.ask("POST", "/authorize?scope=read", kind, form.as_bytes()).await;
    assert_eq!(split.told("error").as_deref(), Some("invalid_request"));
    let no_form = browser.ask("POST", "/authorize", "Content-Type: application/json\r\n", b"{}").await;
    assert_eq!(no_form.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untick_is_a_no_to_what_was_agreed_before() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let both = [("resource", ONE), ("resource", TWO)];
    let consent = browser.reach_consent(&asking(&both)).await;
    assert!(browser.answer(&consent, "allow", &[]).await.told("code").is_some());
    let again = asking(&[both[0], both[1], ("scope", "write reports"), ("prompt", "consent")]);
    let consent = browser.visit(&again).await;
    assert_eq!(consent.boxes(), ["scope-0-0", "scope-1-0"]);
    let answer = browser.answer(&consent, "allow", &["scope-1-0"]).await;
    assert_eq!(words(&browser.granted(&answer).await), had(&[(ONE, "write")]));
    let is_asked =
        async |browser: &mut Visitor<'_>, more: &[(&str, &str)]| browser.visit(&asking(more)).await.status == 200;
    assert!(!is_asked(&mut browser, &[("scope", "read write")]).await, "what was not shown stays");
    assert!(is_asked(&mut browser, &[("resource", TWO)]).await, "what was unticked does not");
    let consent = browser.visit(&asking(&[("scope", "write"), ("prompt", "consent")])).await;
    let nothing = browser.answer(&consent, "allow", &["scope-0-0"]).await;
    assert_eq!(nothing.told("error").as_deref(), Some("access_denied"));
    assert!(is_asked(&mut browser, &[("scope", "write")]).await);
    assert!(!is_asked(&mut browser, &[("scope", "read")]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_another_account_is_asked_what_the_client_wants_asked() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[])).await;
    let consent = browser.log_in(&login, "bob", PASSWORD).await;
    assert!(browser.answer(&consent, "allow", &[]).await.told("code").is_some(), "bob agrees to it");
    let login = browser.visit(&asking(&[("prompt", "login consent")])).await;
    let consent = browser.log_in(&login, "alice", PASSWORD).await;
    let (_, rest) = consent.text.split_once("<a href=\"").unwrap();
    let login = browser.visit(&rest.split('"').next().unwrap().replace("&#38;", "&")).await;
    let consent = browser.log_in(&login, "bob", PASSWORD).await;
    assert!(consent.status == 200 && consent.text.contains("bob"), "{consent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_a_local_user_is_what_the_configuration_says_now() {
    let world = world_with(|config| {
        let claim = ClaimPath { text: "department".to_owned(), steps: vec!["department".to_owned()] };
        config.resources[0].access = vec![Requirement { claim, values: vec!["sales".to_owned()] }];
    })
    .await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    assert!(browser.answer(&consent, "allow", &[]).await.told("code").is_some());
    world.reload(|config| {
        let login = config.issuer.as_mut().unwrap().login.as_mut().unwrap();
        login.users.iter_mut().for_each(|user| user.claims = serde_json::Map::new());
    });
    assert_eq!(browser.visit(&asking(&[])).await.told("error").as_deref(), Some("access_denied"));
    assert_eq!(browser.answer(&consent, "allow", &[]).await.told("error").as_deref(), Some("access_denied"));
}
