//! Where clients push what they will ask a user for (RFC 9126).

use super::granted::{self, CHALLENGE, OTHER, PAGE, PLACE, WEB, refusal};
use super::world::{ONE, TWO, World, encoded};
use crate::client::Reply;

const GOOD: [(&str, &str); 8] = [
    ("response_type", "code"),
    ("client_id", "web"),
    ("redirect_uri", PLACE),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
    ("resource", ONE),
    ("resource", TWO),
    ("state", "s"),
];

async fn push(world: &World, change: impl FnOnce(&mut Vec<(&'static str, &'static str)>)) -> Reply {
    let mut form = GOOD.to_vec();
    change(&mut form);
    world.post("/par", Some(WEB), &form).await
}

fn set(form: &mut Vec<(&'static str, &'static str)>, name: &'static str, value: &'static str) {
    form.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        form.push((name, value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_request_gets_a_name_that_nobody_guesses() {
    let world = granted::world().await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let reply = push(&world, |_| ()).await;
        assert_eq!((reply.status, reply.field("cache-control")), (201, Some("no-store")));
        let answer = reply.json();
        assert_eq!(answer["expires_in"], 60);
        let name = answer["request_uri"].as_str().unwrap().to_owned();
        let random = name.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
        assert_eq!(random.len(), 43);
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_pushes_by_its_name() {
    let world = granted::world().await;
    let mut form = GOOD.to_vec();
    set(&mut form, "client_id", PAGE);
    set(&mut form, "redirect_uri", "https://page.example/cb");
    assert_eq!(world.post("/par", None, &form).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_proves_nothing_pushes_only_so_much() {
    let world = granted::world().await;
    let mut form = GOOD.to_vec();
    set(&mut form, "client_id", PAGE);
    set(&mut form, "redirect_uri", "https://page.example/cb");
    let mut last = world.post("/par", None, &form).await;
    for _ in 0..200 {
        if last.status != 201 {
            break;
        }
        last = world.post("/par", None, &form).await;
    }
    assert_eq!(last.status, 429);
    assert!(last.field("retry-after").is_some());
    assert_eq!(push(&world, |_| ()).await.status, 201, "who has proven itself goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_told_at_once() {
    let world = granted::world().await;
    for (name, value, expected) in [
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "400 invalid_request"),
        ("client_id", "", "400 invalid_request"),
        ("redirect_uri", "https://evil.example/cb", "400 invalid_request"),
        ("response_mode", "fragment", "400 invalid_request"),
        ("response_type", "", "400 invalid_request"),
        ("response_type", "token", "400 unsupported_response_type"),
        ("code_challenge", "", "400 invalid_request"),
        ("code_challenge_method", "plain", "400 invalid_request"),
        ("resource", "https://api3.example", "400 invalid_target"),
        ("scope", "admin", "400 invalid_scope"),
        ("prompt", "none login", "400 invalid_request"),
        ("request", "a.b.c", "400 request_not_supported"),
        ("authorization_details", "[]", "400 invalid_authorization_details"),
    ] {
        let reply = push(&world, |form| set(form, name, value)).await;
        assert_eq!(refusal(&reply), expected, "{name}={value}");
        assert_eq!(reply.field("cache-control"), Some("no-store"));
        let description = reply.json()["error_description"].as_str().unwrap().to_owned();
        assert!(
            description.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
            "{description}"
        );
    }
    let twice = push(&world, |form| form.push(("state", "t"))).await;
    assert_eq!(refusal(&twice), "400 invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_client_itself_pushes_its_requests() {
    let world = granted::world().await;
    for (client, expected) in [
        (None, "401 invalid_client"),
        (Some(("web", "wrong")), "401 invalid_client"),
        (Some(OTHER), "400 invalid_request"),
        (Some(("app", "app-s3cret")), "400 invalid_request"),
    ] {
        assert_eq!(refusal(&world.post("/par", client, &GOOD).await), expected, "{client:?}");
    }
    let mut form = GOOD.to_vec();
    set(&mut form, "client_id", "app");
    assert_eq!(refusal(&world.post("/par", Some(("app", "app-s3cret")), &form).await), "400 invalid_request");
    world.reload(|config| {
        let clients = &mut config.issuer.as_mut().unwrap().clients;
        clients.iter_mut().filter(|client| client.id == "web").for_each(|client| client.grants.clear());
    });
    assert_eq!(refusal(&push(&world, |_| ()).await), "400 unauthorized_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_is_for_forms_by_post_and_only_where_users_are() {
    let world = granted::world().await;
    for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
        let reply = world.ask(method, "/par", "", b"").await;
        assert_eq!((reply.status, reply.field("allow")), (405, Some("POST")), "{method}");
    }
    let body = encoded(&GOOD);
    let reply = world.ask("POST", "/par", "Content-Type: application/json\r\n", body.as_bytes()).await;
    assert_eq!(refusal(&reply), "400 invalid_request");
    let too_much = format!("a={}", "x".repeat(200 << 10));
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(world.ask("POST", "/par", form, too_much.as_bytes()).await.status, 413);
    let without = World::start().await;
    assert_eq!(without.ask("POST", "/par", form, body.as_bytes()).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_browser_can_carry_is_refused_at_once() {
    let world = granted::world().await;
    for (length, status) in [(3_000, 201), (6_500, 400), (12_000, 400)] {
        let mut form = GOOD.to_vec();
        let state = "x".repeat(length);
        form.retain(|(name, _)| *name != "state");
        let form: Vec<_> = form.into_iter().chain([("state", state.as_str())]).collect();
        let reply = world.post("/par", Some(WEB), &form).await;
        assert_eq!(reply.status, status, "{length}");
        if status == 400 {
            assert_eq!(reply.json()["error"], "invalid_request");
            assert_eq!(reply.json()["error_description"], "the request is too large");
        }
    }
}
