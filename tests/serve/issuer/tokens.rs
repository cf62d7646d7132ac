//! What a token answer says, what the token opens, who may see it, and how it is taken back.

use serde_json::{Value, json};

use super::world::{
    ACCESS_TOKEN, APP, EXCHANGE, ISSUER, ONE, OTHER_SERVICE, Plan, SERVICE, TWO, World, claims, token_of,
};
use crate::client::{Client, Reply};

async fn exchanged(world: &World, client: (&str, &str), subject: &str) -> Reply {
    let form =
        [("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN), ("audience", TWO)];
    world.post("/token", Some(client), &form).await
}

async fn introspected(world: &World, client: (&str, &str), token: &str) -> Vec<u8> {
    let reply =
        world.post("/introspect", Some(client), &[("token", token), ("token_type_hint", "refresh_token")]).await;
    assert_eq!((reply.status, reply.field("cache-control")), (200, Some("no-store")));
    reply.body
}

async fn is_active(world: &World, token: &str) -> bool {
    let answer: Value = serde_json::from_slice(&introspected(world, SERVICE, token).await).unwrap();
    answer["active"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_a_token_for_one_api() {
    let world = World::start().await;
    let form = [("grant_type", "client_credentials"), ("resource", "HTTPS://API1.example:443/"), ("scope", "read")];
    let reply = world.post("/token", Some(APP), &form).await;
    assert_eq!((reply.field("cache-control"), reply.field("pragma")), (Some("no-store"), Some("no-cache")));
    let mut answer = reply.json();
    let token = answer["access_token"].take();
    assert_eq!(
        answer,
        json!({ "access_token": null, "token_type": "Bearer", "expires_in": 300, "scope": "read", "resource": [ONE] })
    );
    let said = claims(token.as_str().unwrap());
    assert_eq!((&said["iss"], &said["sub"], &said["aud"]), (&json!(ISSUER), &json!("app"), &json!(ONE)));
    // The gate lets it in there and nowhere else: 502 is the upstream's, which nobody runs.
    for (host, status) in [("api1.example", 502), ("api2.example", 401)] {
        let mut client = Client::connect(world.address).await;
        let field = format!("Authorization: Bearer {}\r\n", token.as_str().unwrap());
        assert_eq!(client.ask(host, &field).await.status, status, "{host}");
    }
    let counted = format!(r#"narrowgate_tokens_issued_total{{grant="client_credentials",resource="{ONE}"}} 1"#);
    assert!(world.gateway.metrics.encode().contains(&counted));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_carries_a_token_on() {
    let world = World::start().await;
    let reply = exchanged(&world, SERVICE, &world.token(ONE).await).await;
    assert_eq!(reply.json()["issued_token_type"], ACCESS_TOKEN);
    let said = claims(&token_of(&reply));
    assert_eq!((&said["aud"], &said["scope"], &said["sub"]), (&json!(TWO), &json!("reports"), &json!("app")));
    assert_eq!(said["act"]["sub"], "api1-service");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_token_is_exchanged_where_its_issuer_is_admitted() {
    let world = World::planned(Plan {
        change: Box::new(|config| {
            let corp = narrowgate::config::IssuerId(0);
            let clients = &mut config.issuer.as_mut().unwrap().clients;
            clients[0].known_as.insert(corp, "app".to_owned());
            config.resources[0].issuers[0].scopes_if_none =
                ["read"].map(|s| narrowgate::oauth::Scope::parse(s).unwrap()).into();
        }),
        ..Plan::default()
    })
    .await;
    let subject = world.corp.token_for(ONE);
    let form = [
        ("grant_type", EXCHANGE),
        ("subject_token", &*subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("resource", ONE),
    ];
    let said = claims(&token_of(&world.post("/token", Some(APP), &form).await));
    assert_eq!((&said["sub"], &said["client_id"]), (&json!("corp|ada"), &json!("app")));
    assert!(said["exp"].as_u64().unwrap() <= claims(&subject)["exp"].as_u64().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_api_itself_sees_its_token() {
    let world = World::start().await;
    let token = world.token(ONE).await;
    let seen: Value = serde_json::from_slice(&introspected(&world, SERVICE, &token).await).unwrap();
    let said = claims(&token);
    for name in ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope"] {
        assert_eq!(seen[name], said[name], "{name}");
    }
    assert_eq!((&seen["active"], &seen["token_type"]), (&json!(true), &json!("Bearer")));
    let nothing = br#"{"active":false}"#;
    for (client, token) in [
        (OTHER_SERVICE, &*token),
        (APP, &*token),
        (SERVICE, "opaque"),
        (SERVICE, &token[..token.len() - 4]),
        (SERVICE, &*world.corp.token_for(ONE)),
        (SERVICE, &*world.token(TWO).await),
    ] {
        assert_eq!(introspected(&world, client, token).await, nothing, "{client:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_takes_its_own_token_back_with_all_that_came_of_it() {
    let world = World::start().await;
    let (token, other) = (world.token(ONE).await, world.token(ONE).await);
    let derived = token_of(&exchanged(&world, SERVICE, &token).await);
    assert_eq!(world.post("/revoke", Some(SERVICE), &[("token", &token)]).await.json()["error"], "invalid_grant");
    assert!(is_active(&world, &token).await, "another client cannot");
    let reply = world.post("/revoke", Some(APP), &[("token", &token), ("token_type_hint", "nonsense")]).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert!(!is_active(&world, &token).await && is_active(&world, &other).await);
    for (host, token, status) in
        [("api1.example", &token, 401), ("api2.example", &derived, 401), ("api1.example", &other, 502)]
    {
        let mut client = Client::connect(world.address).await;
        assert_eq!(client.ask(host, &format!("Authorization: Bearer {token}\r\n")).await.status, status, "{host}");
    }
    assert_eq!(exchanged(&world, SERVICE, &token).await.json()["error"], "invalid_request");
    assert_eq!(world.post("/revoke", Some(APP), &[("token", &token)]).await.status, 200, "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_carried_on_ends_alone() {
    let world = World::start().await;
    let token = world.token(ONE).await;
    let derived = token_of(&exchanged(&world, SERVICE, &token).await);
    assert_eq!(world.post("/revoke", Some(SERVICE), &[("token", &derived)]).await.status, 200);
    let mut client = Client::connect(world.address).await;
    assert_eq!(client.ask("api2.example", &format!("Authorization: Bearer {derived}\r\n")).await.status, 401);
    assert!(is_active(&world, &token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_ours_is_taken_back_already() {
    let world = World::start().await;
    let foreign = world.corp.token_for(ONE);
    for token in ["opaque", "a.b.c", &foreign] {
        assert_eq!(world.post("/revoke", Some(APP), &[("token", token)]).await.status, 200, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_must_prove_itself_and_name_a_token() {
    let world = World::start().await;
    for target in ["/introspect", "/revoke"] {
        let reply = world.post(target, None, &[("token", "a.b.c")]).await;
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_client")), "{target}");
        assert!(reply.field("www-authenticate").is_some());
        let reply = world.post(target, Some(APP), &[]).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_request")), "{target}");
    }
}
