//! What other sites, other browsers and other users try with the pages for users.

use std::sync::Arc;

use narrowgate::config::{IssuerId, LoginAuthentication, OpenIdLogin};
use narrowgate::secret::Secret;

use super::authentication::Broken;
use super::authorize::is_guarded;
use super::visitor::{PASSWORD, Visitor, asking, with_users, words, world, world_with};
use super::world::{ONE, Plan, TWO, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_finished_where_it_was_begun() {
    let world = world().await;
    let (mut mallory, mut victim) = (Visitor::new(&world), Visitor::new(&world));
    let begun = mallory.visit(&asking(&[])).await;
    victim.visit(&asking(&[])).await;
    let forged = victim.log_in(&begun, "alice", PASSWORD).await;
    assert_eq!(forged.status, 400);
    is_guarded(&forged);
    assert!(!victim.cookies.keys().any(|name| name.ends_with("session")), "nobody is logged in by that");
    let address = format!("/login?transaction={}", begun.hidden("transaction"));
    assert_eq!(victim.get(&address).await.status, 400);
    assert_eq!(victim.get(&address.replace("/login", "/consent")).await.status, 400);
    let mut bare = Visitor::new(&world);
    let page = bare.get(&address).await;
    assert!(page.status == 400 && page.text.contains("cookies"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_none_leads_nowhere() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[])).await;
    let whole = login.hidden("transaction");
    let cut = &whole[..whole.len() - 4];
    let flipped = format!("{}{}{}", &whole[..40], if &whole[40..41] == "A" { "B" } else { "A" }, &whole[41..]);
    for text in ["", "x", cut, &flipped, "%00", &"A".repeat(9000)] {
        for path in ["/login", "/consent"] {
            let page = browser.get(&format!("{path}?transaction={text}")).await;
            assert_eq!((page.status, page.location.is_none()), (400, true), "{path} {text}");
            let form = [("transaction", text), ("username", "alice"), ("password", PASSWORD), ("answer", "allow")];
            assert_eq!(browser.post(path, &form).await.status, 400, "{path} {text}");
        }
    }
    let twice = browser.get(&format!("/login?transaction={whole}&transaction={whole}")).await;
    assert_eq!(twice.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_form_does_nothing_and_neither_does_a_script() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    for site in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        // Of an API at the issuer's host.
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty",
        "Sec-Fetch-Dest: iframe",
    ] {
        browser.fields = format!("{site}\r\n");
        let page = browser.answer(&consent, "allow", &[]).await;
        assert_eq!((page.status, page.told("code")), (403, None), "{site}");
        is_guarded(&page);
        for (path, form) in
            [("/login", [("username", "bob")]), ("/grants", [("client", "app")]), ("/logout", [("x", "y")])]
        {
            assert_eq!(browser.post(path, &form).await.status, 403, "{site} {path}");
        }
    }
    browser.fields = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\n".to_owned();
    assert!(browser.answer(&consent, "allow", &[]).await.told("code").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_his_whom_the_page_named() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let alices = browser.reach_consent(&asking(&[])).await;
    let login = browser.visit(&asking(&[("prompt", "login")])).await;
    browser.log_in(&login, "bob", PASSWORD).await;
    let page = browser.answer(&alices, "allow", &[]).await;
    assert_eq!(page.status, 409);
    assert!(page.text.contains("bob") && page.text.contains("has changed"), "{}", page.text);
    let session = browser.cookies.keys().find(|name| name.ends_with("session")).unwrap().clone();
    browser.cookies.remove(&session);
    let login = browser.answer(&page, "allow", &[]).await;
    assert_eq!(browser.follow(login).await.title(), "Sign in", "whoever has left is asked to log in");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_stays_what_the_client_asked_for() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[("scope", "read")])).await;
    let (transaction, shown) = (consent.hidden("transaction"), consent.hidden("shown"));
    let usual = [("transaction", &*transaction), ("shown", &*shown), ("answer", "allow"), ("scope-0-0", "on")];
    let injected =
        [("resource", TWO), ("scope", "write reports"), ("scope-0-1", "on"), ("scope-1-0", "on"), ("api-1", "on")];
    let elsewhere = [("redirect_uri", "https://evil.example/cb"), ("client_id", "quiet"), ("state", "x")];
    let form: Vec<_> = usual.into_iter().chain(injected).chain(elsewhere).collect();
    let answer = browser.post(&format!("/consent?resource={TWO}&redirect_uri=https://evil.example"), &form).await;
    let record = browser.granted(&answer).await;
    assert_eq!(words(&record), [(ONE.to_owned(), "read".to_owned())]);
    assert!(answer.location.unwrap().starts_with("https://app.example/cb?code="));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_submission_gives_a_code_of_its_own() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    let (one, other) = (browser.answer(&consent, "allow", &[]).await, browser.answer(&consent, "allow", &[]).await);
    let (one, other) = (browser.granted(&one).await, browser.granted(&other).await);
    assert_ne!(one.root(), other.root());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_says_nothing_does_nothing() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[])).await;
    let (transaction, shown) = (consent.hidden("transaction"), consent.hidden("shown"));
    for answer in ["", "maybe"] {
        let form = [("transaction", &*transaction), ("shown", &*shown), ("answer", answer), ("scope-0-0", "on")];
        assert_eq!(browser.post("/consent", &form).await.status, 400, "{answer}");
    }
    let form = [("transaction", &*transaction), ("answer", "allow"), ("scope-0-0", "on")];
    assert_eq!(browser.post("/consent", &form).await.status, 409, "nobody says what was shown");
    let both = [("transaction", &*transaction), ("shown", &*shown), ("answer", "deny"), ("answer", "allow")];
    assert_eq!(browser.post("/consent", &both).await.status, 400);
    let json = browser.ask("POST", "/consent", "Content-Type: application/json\r\n", b"{}").await;
    assert_eq!(json.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_and_a_wrong_password_are_told_the_same() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[("login_hint", "a\"><b>")])).await;
    is_guarded(&login);
    assert!(login.text.contains("value=\"a&#34;&#62;&#60;b&#62;\""), "{}", login.text);
    let mut told = Vec::new();
    for (name, password) in [("alice", "wrong"), ("nobody", "wrong"), ("alice", ""), ("Alice", PASSWORD)] {
        let page = browser.log_in(&login, name, password).await;
        assert_eq!(page.status, 401, "{name}");
        is_guarded(&page);
        let text = page.text.replace(&page.hidden("transaction"), "").replace(&format!("value=\"{name}\""), "");
        told.push(text);
    }
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
    assert!(!browser.cookies.keys().any(|name| name.ends_with("session")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_guesses_for_ever() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[])).await;
    let mut last = None;
    for _ in 0..40 {
        let page = browser.log_in(&login, "alice", "wrong").await;
        if page.status == 429 {
            last = Some(page);
            break;
        }
    }
    let page = last.expect("there is an end to it");
    assert!(page.field("retry-after").is_some());
    is_guarded(&page);
    assert_eq!(browser.log_in(&login, "alice", PASSWORD).await.status, 429, "nor is the right one looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_a_new_name_after_each_login_and_ends_with_the_user() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[])).await;
    browser.cookies.insert("__Host-narrowgate-session".to_owned(), "chosen-by-mallory".to_owned());
    browser.log_in(&login, "alice", PASSWORD).await;
    let first = browser.cookies["__Host-narrowgate-session"].clone();
    assert_ne!(first, "chosen-by-mallory");
    let again = browser.visit(&asking(&[("prompt", "login")])).await;
    browser.log_in(&again, "alice", PASSWORD).await;
    assert_ne!(browser.cookies["__Host-narrowgate-session"], first);
    let mut old = Visitor::new(&world);
    old.cookies.insert("__Host-narrowgate-session".to_owned(), first);
    assert_eq!(old.visit("/grants").await.title(), "Sign in", "the session before has ended");
    world.reload(|config| {
        let login = config.issuer.as_mut().unwrap().login.as_mut().unwrap();
        login.users.retain(|user| user.name != "alice");
    });
    assert_eq!(browser.visit("/grants").await.title(), "Sign in", "there is no such user any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_in_time() {
    let world = world_with(|config| config.issuer.as_mut().unwrap().session_lifetime = std::time::Duration::ZERO).await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[])).await;
    assert_eq!(browser.log_in(&login, "alice", PASSWORD).await.title(), "Sign in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_chooses_among_the_ways_that_there_are() {
    let world = world_with(|config| {
        let corp = OpenIdLogin {
            issuer: IssuerId(0),
            title: "Corp & Co".to_owned(),
            client_id: "narrowgate".to_owned(),
            authentication: LoginAuthentication::None,
            scopes: Vec::new(),
            userinfo: false,
        };
        config.issuer.as_mut().unwrap().login.as_mut().unwrap().openid.push(corp);
    })
    .await;
    let mut browser = Visitor::new(&world);
    let page = browser.visit(&asking(&[])).await;
    is_guarded(&page);
    assert!(
        page.text.contains("Sign in with Corp &#38; Co") && page.text.contains("name=\"password\""),
        "{}",
        page.text
    );
    let transaction = page.hidden("transaction");
    assert!(page.text.contains(&format!("/login?transaction={transaction}&#38;provider=corp\"")), "{}", page.text);
    for provider in ["other", "local", "Corp"] {
        let page = browser.get(&format!("/login?transaction={transaction}&provider={provider}")).await;
        assert_eq!((page.status, page.location.is_none()), (400, true), "{provider}");
    }
    world.reload(|config| config.issuer.as_mut().unwrap().login.as_mut().unwrap().users.clear());
    let page =
        browser.post("/login", &[("transaction", &transaction), ("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 400, "nobody has a password here");
    let page = browser.get(&format!("/login?transaction={transaction}")).await;
    assert_ne!(page.status, 200, "the only provider needs no choice");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_a_page_says_so() {
    let plan = Plan { store: Arc::new(Broken), change: Box::new(with_users), ..Plan::default() };
    let world = World::planned(plan).await;
    let mut browser = Visitor::new(&world);
    let login = browser.visit(&asking(&[])).await;
    let failed = browser.log_in(&login, "alice", PASSWORD).await;
    browser.cookies.insert("__Host-narrowgate-session".to_owned(), "x".repeat(43));
    let pages = [failed, browser.get(&asking(&[])).await, browser.get("/grants").await];
    for page in pages {
        assert_eq!((page.status, page.field("retry-after")), (503, Some("5")), "{page:?}");
        assert!(!page.text.contains("disk"), "{}", page.text);
        is_guarded(&page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_the_sessions_of_the_one_before() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    browser.reach_consent(&asking(&[])).await;
    let change = |name: &'static str| {
        world.reload(|config| {
            let login = config.issuer.as_mut().unwrap().login.as_mut().unwrap();
            let users = login.users.iter_mut().filter(|user| user.name == name);
            users.for_each(|user| user.password = Secret::new("another hash"));
        });
    };
    change("bob");
    assert_eq!(browser.visit("/grants").await.title(), "What you have allowed", "it was not his");
    change("alice");
    assert_eq!(browser.visit("/grants").await.title(), "Sign in");
}
