//! Every refusal of `/authorize`: on a page while nobody can be told, and at the client from then on.

use super::visitor::{CALLBACK, MACHINE, Page, Visitor, asking, world, world_with};
use super::world::{ISSUER, ONE, Plan, TWO, World};
use narrowgate::config::Consent;

/// Everything that keeps a page from being framed, scripted, stored or told on.
pub fn is_guarded(page: &Page) {
    let policy = page.field("content-security-policy").unwrap_or_else(|| panic!("{page:?}"));
    for part in
        ["default-src 'none'", "style-src 'sha256-", "base-uri 'none'", "frame-ancestors 'none'", "form-action "]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.field(name), Some(value), "{}", page.head);
    }
    for forbidden in ["<script", "javascript:", " onclick", " style=", "src=\"", "<link", "http-equiv"] {
        assert!(!page.text.contains(forbidden), "{forbidden}: {}", page.text);
    }
    assert!(page.text.contains("<html lang=\"en\">") && page.text.matches("<h1>").count() == 1, "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_to_a_client_is_told_on_a_page() {
    let world = world_with(|config| {
        let clients = &mut config.issuer.as_mut().unwrap().clients;
        let app = clients.iter().find(|client| client.id == "app").unwrap().clone();
        let two =
            [app.redirect_uris.clone(), vec![narrowgate::oauth::RedirectUri::parse("https://b.example/").unwrap()]];
        clients.push(narrowgate::config::Client { id: "two".into(), redirect_uris: two.concat(), ..app.clone() });
        clients.push(narrowgate::config::Client { id: "off".into(), disabled: true, ..app });
    })
    .await;
    let mut browser = Visitor::new(&world);
    let long = "x".repeat(9000);
    for (situation, target, error) in [
        ("no client", asking(&[("client_id", "")]), "invalid_client"),
        ("an unknown client", asking(&[("client_id", "nobody")]), "invalid_client"),
        ("a disabled client", asking(&[("client_id", "off")]), "invalid_client"),
        ("two clients", format!("{}&client_id=quiet", asking(&[])), "invalid_request"),
        ("another place", asking(&[("redirect_uri", "https://evil.example/cb")]), "invalid_request"),
        ("a longer path", asking(&[("redirect_uri", "https://app.example/cb/x")]), "invalid_request"),
        ("another case", asking(&[("redirect_uri", "https://APP.example/cb")]), "invalid_request"),
        ("a fragment", asking(&[("redirect_uri", "https://app.example/cb#x")]), "invalid_request"),
        (
            "a user before the host",
            asking(&[("redirect_uri", "https://app.example@evil.example/cb")]),
            "invalid_request",
        ),
        ("a script", asking(&[("redirect_uri", "javascript:alert(1)//app.example/cb")]), "invalid_request"),
        (
            "another port of a client with a secret",
            asking(&[("redirect_uri", "https://app.example:8443/cb")]),
            "invalid_request",
        ),
        ("two places", format!("{}&redirect_uri={CALLBACK}", asking(&[])), "invalid_request"),
        ("no place, of two", asking(&[("client_id", "two"), ("redirect_uri", "")]), "invalid_request"),
        ("another way to answer", asking(&[("response_mode", "fragment")]), "invalid_request"),
        ("a bad escape", format!("{}&x=%zz", asking(&[])), "invalid_request"),
        ("more than an address holds", asking(&[("login_hint", &long)]), "invalid_request"),
        (
            "a pushed request that is none",
            asking(&[("request_uri", "urn:ietf:params:oauth:request_uri:none")]),
            "invalid_request_uri",
        ),
    ] {
        let page = browser.get(&target).await;
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{situation}");
        assert!(page.text.contains(&format!("<code>{error}</code>")), "{situation}: {}", page.text);
        is_guarded(&page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_otherwise_is_told_to_the_client() {
    let world = world_with(|config| {
        let server = config.issuer.as_mut().unwrap();
        let app = server.clients.iter().find(|client| client.id == "app").unwrap().clone();
        let grants = vec![narrowgate::config::GrantType::ClientCredentials];
        server.clients.push(narrowgate::config::Client { id: "machine".into(), grants, ..app });
    })
    .await;
    let mut browser = Visitor::new(&world);
    for (situation, target, error) in [
        ("no response type", asking(&[("response_type", "")]), "invalid_request"),
        ("an implicit token", asking(&[("response_type", "token")]), "unsupported_response_type"),
        ("code and more", asking(&[("response_type", "code id_token")]), "unsupported_response_type"),
        ("a client without the grant", asking(&[("client_id", "machine")]), "unauthorized_client"),
        ("a parameter twice", format!("{}&scope=read&scope=write", asking(&[])), "invalid_request"),
        ("an unknown parameter twice", format!("{}&x=1&x=2", asking(&[])), "invalid_request"),
        ("no PKCE", asking(&[("code_challenge", "")]), "invalid_request"),
        ("plain PKCE", asking(&[("code_challenge_method", "plain")]), "invalid_request"),
        ("plain PKCE by omission", asking(&[("code_challenge_method", "")]), "invalid_request"),
        ("a short challenge", asking(&[("code_challenge", "short")]), "invalid_request"),
        ("an unknown resource", asking(&[("resource", "https://api9.example")]), "invalid_target"),
        ("no URI", asking(&[("resource", "orders")]), "invalid_target"),
        ("a fragment", asking(&[("resource", "https://api1.example#a")]), "invalid_target"),
        ("an unknown scope", asking(&[("scope", "read fly")]), "invalid_scope"),
        ("a scope of another resource", asking(&[("scope", "reports")]), "invalid_scope"),
        ("no scope left at one", asking(&[("resource", ONE), ("resource", TWO), ("scope", "read")]), "invalid_target"),
        ("a request object", asking(&[("request", "e30.e30.")]), "request_not_supported"),
        ("a reference", asking(&[("request_uri", "https://evil.example/r")]), "request_uri_not_supported"),
        ("details", asking(&[("authorization_details", "[]")]), "invalid_authorization_details"),
        ("none and more", asking(&[("prompt", "none login")]), "invalid_request"),
        ("no seconds", asking(&[("max_age", "-1")]), "invalid_request"),
        ("not pushed", asking(&[("client_id", "pusher")]), "invalid_request"),
        ("nobody there, silently", asking(&[("prompt", "none")]), "login_required"),
    ] {
        let page = browser.get(&target).await;
        assert_eq!(page.status, 303, "{situation}: {page:?}");
        assert!(page.location.as_ref().unwrap().starts_with(&format!("{CALLBACK}?error=")), "{situation}: {page:?}");
        assert_eq!(page.told("error").as_deref(), Some(error), "{situation}");
        assert_eq!(page.told("state").as_deref(), Some("a%2Bb c&d"), "{situation}");
        assert_eq!(page.told("iss").as_deref(), Some(ISSUER), "{situation}");
        assert_eq!(page.field("referrer-policy"), Some("no-referrer"), "{situation}");
    }
    assert!(browser.cookies.is_empty(), "a refusal leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_does_not_matter() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let more = [("prompt", "create"), ("nonce", "n"), ("display", "touch"), ("acr_values", "x"), ("unknown", "1")];
    assert_eq!(browser.visit(&asking(&more)).await.title(), "Sign in");
    let port = asking(&[("client_id", "program"), ("redirect_uri", MACHINE)]);
    assert_eq!(browser.visit(&port).await.title(), "Sign in", "the port of a program is its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_refused_and_no_page_is_anothers_to_read() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        for (path, allowed) in [
            ("/authorize", "GET, HEAD, POST"),
            ("/login", "GET, HEAD, POST"),
            ("/consent", "GET, HEAD, POST"),
            ("/logout", "POST"),
        ] {
            let page = browser.ask(method, path, "Origin: https://evil.example\r\n", b"").await;
            assert_eq!((page.status, page.field("allow")), (405, Some(allowed)), "{method} {path}");
        }
    }
    assert_eq!(browser.get("/logout").await.status, 405);
    let head = browser.ask("HEAD", &asking(&[]), "", b"").await;
    assert_eq!((head.status, head.location.is_some()), (303, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_where_nobody_can_log_in() {
    let world = World::planned(Plan::default()).await;
    for path in ["/authorize", "/login", "/consent", "/grants", "/logout"] {
        assert_eq!(world.ask("GET", path, "", b"").await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_comes_between_page_and_answer_counts() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[("scope", "read write")])).await;
    world.reload(|config| config.resources[0].scopes[0].1 = Some("Read everything".to_owned()));
    let again = browser.answer(&consent, "allow", &[]).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert!(again.text.contains("Read everything") && again.text.contains("has changed"));
    is_guarded(&again);
    assert!(browser.answer(&again, "allow", &[]).await.told("code").is_some());
    world.reload(|config| {
        let clients = &mut config.issuer.as_mut().unwrap().clients;
        clients.iter_mut().filter(|client| client.id == "app").for_each(|client| client.disabled = true);
    });
    assert_eq!(browser.answer(&again, "allow", &[]).await.status, 400, "the client is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_was_taken_back_is_told_to_the_client() {
    let world = world().await;
    let mut browser = Visitor::new(&world);
    let consent = browser.reach_consent(&asking(&[("scope", "read write")])).await;
    world.reload(|config| {
        let clients = &mut config.issuer.as_mut().unwrap().clients;
        let app = clients.iter_mut().find(|client| client.id == "app").unwrap();
        app.resources.values_mut().for_each(|scopes| scopes.retain(|scope| scope.as_str() != "write"));
        app.consent = Consent::Ask;
    });
    let answer = browser.answer(&consent, "allow", &[]).await;
    assert_eq!(answer.told("error").as_deref(), Some("invalid_scope"));
}
