//! Codes at the token endpoint: what they give, to whom, and how often.

use std::sync::Arc;

use narrowgate::config::{Client, Config, GrantType, ResourceId};
use narrowgate::oauth::IssuerName;
use serde_json::json;
use tokio::task::JoinSet;

use super::granted::{
    self, ALL, ONCE, OTHER, PAGE, TRUSTED, VERIFIER, WEB, WRONG, agree, code, code_of, families, kept, opens, redeem,
    redemption, refresh, refusal, tokens_of,
};
use super::world::{ISSUER, ONE, TWO, World, claims, token_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_code_gives_one_token_and_a_refresh_token() {
    let world = granted::world().await;
    let code = code(&world, WEB.0, ALL).await;
    let reply = redeem(&world, WEB, &code, ONE).await;
    assert_eq!((reply.field("cache-control"), reply.field("pragma")), (Some("no-store"), Some("no-cache")));
    let (access_token, refresh_token) = tokens_of(&reply);
    let mut answer = reply.json();
    (answer["access_token"], answer["refresh_token"]) = (json!(null), json!(null));
    assert_eq!(
        answer,
        json!({
            "access_token": null, "token_type": "Bearer", "expires_in": 300, "scope": "read write", "resource": [ONE],
            "refresh_token": null,
        })
    );
    assert_eq!(refresh_token.len(), 43);
    let said = claims(&access_token);
    assert_eq!((&said["iss"], &said["sub"], &said["aud"]), (&json!(ISSUER), &json!("corp|ada"), &json!(ONE)));
    assert_eq!((&said["client_id"], &said["scope"]), (&json!("web"), &json!("read write")));
    assert!(said["auth_time"].is_u64());
    assert!(opens(&world, &access_token).await);
    let counted = format!(r#"narrowgate_tokens_issued_total{{grant="authorization_code",resource="{ONE}"}} 1"#);
    assert!(world.gateway.metrics.encode().contains(&counted));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_for_codes() {
    let world = granted::world().await;
    let code = code(&world, WEB.0, ALL).await;
    let with = |name: &'static str, value: &'static str| {
        let mut form = redemption(&code);
        form.push(("resource", ONE));
        form.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            form.push((name, value));
        }
        form
    };
    let more = |pair: (&'static str, &'static str)| [&with("x", "")[..], &[pair]].concat();
    let short = &VERIFIER[1..];
    for (situation, client, form, expected) in [
        ("no code", WEB, with("code", ""), "400 invalid_request"),
        ("an unknown code", WEB, with("code", "c0de"), "400 invalid_grant"),
        ("another client's", OTHER, with("x", ""), "400 invalid_grant"),
        ("no verifier", WEB, with("code_verifier", ""), "400 invalid_request"),
        ("a short verifier", WEB, with("code_verifier", short), "400 invalid_request"),
        ("a wrong verifier", WEB, with("code_verifier", WRONG), "400 invalid_grant"),
        ("another place", WEB, with("redirect_uri", "https://web.example/other"), "400 invalid_grant"),
        ("a client without the grant", ("app", "app-s3cret"), with("x", ""), "400 unauthorized_client"),
        ("a wrong secret", ("web", "wrong"), with("x", ""), "401 invalid_client"),
        ("no resource where several are granted", WEB, with("resource", ""), "400 invalid_target"),
        ("an unknown resource", WEB, with("resource", "https://api3.example"), "400 invalid_target"),
        ("two resources", WEB, more(("resource", TWO)), "400 invalid_target"),
        ("a malformed scope", WEB, more(("scope", "re\"ad")), "400 invalid_scope"),
        ("a scope that was not granted", WEB, more(("scope", "admin")), "400 invalid_scope"),
        ("another API's scope alone", WEB, more(("scope", "reports")), "400 invalid_scope"),
        ("a repeated parameter", WEB, more(("code", "c0de")), "400 invalid_request"),
    ] {
        let reply = world.post("/token", Some(client), &form).await;
        assert_eq!(refusal(&reply), expected, "{situation}");
        assert_eq!(reply.field("cache-control"), Some("no-store"), "{situation}");
        assert!(reply.json().get("access_token").is_none(), "{situation}");
    }
    // None of it has burnt the code.
    tokens_of(&redeem(&world, WEB, &code, ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_narrows_and_the_place_may_be_left_out() {
    let world = granted::world().await;
    let code = code(&world, WEB.0, ALL).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("code_verifier", VERIFIER),
        ("resource", "HTTPS://API1.example:443/"),
        ("scope", "read reports openid"),
    ];
    let (access_token, refresh_token) = tokens_of(&world.post("/token", Some(WEB), &form).await);
    assert_eq!(claims(&access_token)["scope"], "read");
    let (access_token, _) = tokens_of(&refresh(&world, WEB, &refresh_token, ONE).await);
    assert_eq!(claims(&access_token)["scope"], "read write", "the refresh token has kept the whole grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_use_ends_what_the_first_one_gave() {
    let world = granted::world().await;
    let code = code(&world, WEB.0, ALL).await;
    let (access_token, refresh_token) = tokens_of(&redeem(&world, WEB, &code, ONE).await);
    let (second, _) = tokens_of(&refresh(&world, WEB, &refresh_token, TWO).await);
    assert!(opens(&world, &access_token).await && opens(&world, &second).await);
    assert_eq!(refusal(&redeem(&world, WEB, &code, ONE).await), "400 invalid_grant");
    assert!(!opens(&world, &access_token).await && !opens(&world, &second).await, "at once");
    assert_eq!(refusal(&refresh(&world, WEB, &refresh_token, ONE).await), "400 invalid_grant");
    assert_eq!(families(&world, WEB.0).await, 0);
    let revoked = kept(&world).revocations_after(0).await.unwrap().revocations.len();
    assert_eq!(refusal(&redeem(&world, WEB, &code, ONE).await), "400 invalid_grant");
    assert_eq!(kept(&world).revocations_after(0).await.unwrap().revocations.len(), revoked, "it ended before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_use_without_the_proof_ends_nothing() {
    let world = granted::world().await;
    let code = code(&world, WEB.0, ALL).await;
    let (access_token, refresh_token) = tokens_of(&redeem(&world, WEB, &code, ONE).await);
    let mut wrong = redemption(&code);
    wrong[2].1 = WRONG;
    let mut elsewhere = redemption(&code);
    elsewhere[3].1 = "https://web.example/other";
    for (client, form) in [(WEB, wrong), (WEB, elsewhere), (OTHER, redemption(&code))] {
        assert_eq!(refusal(&world.post("/token", Some(client), &form).await), "400 invalid_grant");
    }
    assert!(opens(&world, &access_token).await);
    tokens_of(&refresh(&world, WEB, &refresh_token, ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_show_a_code_at_once_one_has_a_token() {
    let world = Arc::new(granted::world().await);
    let code = code(&world, WEB.0, ALL).await;
    let asking = (0..16).map(|_| {
        let (world, code) = (Arc::clone(&world), code.clone());
        async move { redeem(&world, WEB, &code, ONE).await }
    });
    let replies = asking.collect::<JoinSet<_>>().join_all().await;
    let (good, bad): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(good.len(), 1);
    assert!(bad.iter().all(|reply| refusal(reply) == "400 invalid_grant"));
    assert!(!opens(&world, &tokens_of(good[0]).0).await, "and that one was shown again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_may_not_refresh_gets_no_refresh_token_and_its_grant_can_be_ended_all_the_same() {
    let world = granted::world().await;
    let code = code(&world, ONCE.0, ALL).await;
    let reply = redeem(&world, ONCE, &code, ONE).await;
    let access_token = token_of(&reply);
    assert!(reply.json().get("refresh_token").is_none());
    assert_eq!(families(&world, ONCE.0).await, 1);
    assert_eq!(world.post("/revoke", Some(ONCE), &[("token", &access_token)]).await.status, 200);
    assert!(!opens(&world, &access_token).await);
    assert_eq!(families(&world, ONCE.0).await, 0);
    assert_eq!(refusal(&refresh(&world, ONCE, "anything", ONE).await), "400 unauthorized_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_shows_its_name_and_the_verifier() {
    let world = granted::world().await;
    let code = code(&world, PAGE, ALL).await;
    let form = [&redemption(&code)[..], &[("resource", ONE), ("client_id", PAGE)]].concat();
    let (_, refresh_token) = tokens_of(&world.post("/token", None, &form).await);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("client_id", PAGE)];
    let form = [&form[..], &[("resource", TWO)]].concat();
    let (access_token, _) = tokens_of(&world.post("/token", None, &form).await);
    assert_eq!(claims(&access_token)["client_id"], PAGE);
    let nobody = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)];
    assert_eq!(refusal(&world.post("/token", None, &nobody).await), "401 invalid_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_before_the_code_was_used_is_not_given() {
    let world = granted::world().await;
    let month = 30 * 86_400;
    let unasked = code_of(&world, WEB.0, ALL, month).await;
    assert_eq!(refusal(&redeem(&world, WEB, &unasked, ONE).await), "400 invalid_grant", "nothing is left");
    agree(&world, WEB.0, &[(ONE, &["read"])]).await;
    assert_eq!(refusal(&redeem(&world, WEB, &unasked, TWO).await), "400 invalid_target");
    let (access_token, refresh_token) = tokens_of(&redeem(&world, WEB, &unasked, ONE).await);
    assert_eq!(claims(&access_token)["scope"], "read");
    agree(&world, WEB.0, ALL).await;
    let (access_token, _) = tokens_of(&refresh(&world, WEB, &refresh_token, ONE).await);
    assert_eq!(claims(&access_token)["scope"], "read", "what is agreed to later was not granted then");
    let of_trusted = code_of(&world, TRUSTED.0, ALL, month).await;
    tokens_of(&redeem(&world, TRUSTED, &of_trusted, ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_has_ended_gives_nothing() {
    let world = granted::world().await;
    agree(&world, WEB.0, ALL).await;
    let ended = code_of(&world, WEB.0, ALL, 0).await;
    assert_eq!(refusal(&redeem(&world, WEB, &ended, ONE).await), "400 invalid_grant");
    let soon = code_of(&world, WEB.0, ALL, 100).await;
    let reply = redeem(&world, WEB, &soon, ONE).await;
    assert!(reply.json()["expires_in"].as_u64().unwrap() <= 100, "no token outlives its grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_has_taken_back_is_not_given() {
    let world = granted::world().await;
    let code = code(&world, WEB.0, ALL).await;
    let before = world.gateway.current.load().config.clone();
    let client = |change: fn(&mut Client)| {
        move |config: &mut Config| {
            let clients = &mut config.issuer.as_mut().unwrap().clients;
            clients.iter_mut().filter(|client| client.id == WEB.0).for_each(change);
        }
    };
    let shut_out: fn(&mut Client) = |client| client.disabled = true;
    let without_api: fn(&mut Client) = |client| drop(client.resources.remove(&ResourceId(0)));
    let without_scopes: fn(&mut Client) = |client| drop(client.resources.insert(ResourceId(0), Vec::new()));
    let without_grant: fn(&mut Client) = |client| client.grants.clear();
    for (change, expected) in [
        (shut_out, "401 invalid_client"),
        (without_api, "400 invalid_target"),
        (without_scopes, "400 invalid_scope"),
        (without_grant, "400 unauthorized_client"),
    ] {
        world.reload(client(change));
        assert_eq!(refusal(&redeem(&world, WEB, &code, ONE).await), expected);
        world.reload(|config| *config = (*before).clone());
    }
    world.reload(|config| config.trusted_issuers[0].name = IssuerName::parse("other").unwrap());
    assert_eq!(refusal(&redeem(&world, WEB, &code, ONE).await), "400 invalid_grant", "its user is nobody any more");
    world.reload(|config| *config = (*before).clone());
    tokens_of(&redeem(&world, WEB, &code, ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_log_in_there_are_no_such_grants() {
    let world = World::start().await;
    for grant in [GrantType::AuthorizationCode, GrantType::RefreshToken] {
        let form = [("grant_type", grant.as_str()), ("code", "c0de"), ("code_verifier", VERIFIER)];
        assert_eq!(
            refusal(&world.post("/token", Some(("app", "app-s3cret")), &form).await),
            "400 unsupported_grant_type"
        );
    }
}
