//! What everybody may read, wherever clients look for it.

use narrowgate::config::AuthorizationServer;
use serde_json::Value;
use url::Url;

use super::world::{ISSUER, ONE, Plan, World, token_of};

#[tokio::test(flavor = "multi_thread")]
async fn metadata_lies_wherever_clients_look() {
    let world = World::start().await;
    for target in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let reply = world.ask("GET", target, "", b"").await;
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/json")), "{target}");
        assert_eq!(reply.field("cache-control"), Some("public, max-age=300"));
        assert_eq!(reply.field("access-control-allow-origin"), Some("*"));
        let told = reply.json();
        assert_eq!(told["issuer"], ISSUER);
        assert_eq!(told["token_endpoint"], "https://auth.example/token");
        assert!(told.get("authorization_endpoint").is_none(), "there is none yet");
        let head = world.ask("HEAD", target, "", b"").await;
        let length = reply.body.len().to_string();
        assert_eq!((head.status, head.field("content-length")), (200, Some(&*length)), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_with_a_path_has_everything_below_it() {
    let world = World::planned(Plan {
        change: Box::new(|config| {
            let server = config.issuer.take().unwrap();
            let issuer = format!("{ISSUER}/t1");
            let url = Url::parse(&issuer).unwrap();
            config.issuer = Some(AuthorizationServer { issuer, url, ..server });
        }),
        ..Plan::default()
    })
    .await;
    for target in [
        "/.well-known/oauth-authorization-server/t1",
        "/.well-known/openid-configuration/t1",
        "/t1/.well-known/openid-configuration",
    ] {
        let reply = world.ask("GET", target, "", b"").await;
        assert_eq!(
            (reply.status, &reply.json()["jwks_uri"]),
            (200, &"https://auth.example/t1/jwks".into()),
            "{target}"
        );
    }
    for target in
        ["/.well-known/oauth-authorization-server", "/t1/.well-known/oauth-authorization-server", "/jwks", "/t1"]
    {
        assert_eq!(world.ask("GET", target, "", b"").await.status, 404, "{target}");
    }
    let form = [("grant_type", "client_credentials"), ("resource", ONE)];
    token_of(&world.post("/t1/token", Some(super::world::APP), &form).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_keys_verify_what_is_minted() {
    let world = World::start().await;
    let reply = world.ask("GET", "/jwks?cache=1", "", b"").await;
    assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/jwk-set+json")));
    assert_eq!(reply.field("cache-control"), Some("public, max-age=300"));
    let keys: Value = reply.json();
    let header = jsonwebtoken::decode_header(world.token(ONE).await).unwrap();
    let key = &keys["keys"][0];
    assert_eq!((&key["kid"], &key["use"], &key["alg"]), (&header.kid.unwrap().into(), &"sig".into(), &"ES256".into()));
    assert!(key.get("d").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_its_paths_nothing_is_at_the_issuers_authority() {
    let world = World::start().await;
    for target in ["/", "/token/", "/authorize", "/.well-known/jwks.json", "/TOKEN"] {
        let reply = world.ask("GET", target, "", b"").await;
        assert_eq!((reply.status, &reply.json()["reason"]), (404, &"route_not_found".into()), "{target}");
    }
    let mut client = crate::client::Client::connect(world.address).await;
    assert_eq!(client.ask("other.example", "").await.status, 421);
    for target in ["/token/../jwks", "/%6awks", "//jwks"] {
        assert_eq!(world.ask("GET", target, "", b"").await.status, 400, "{target}");
    }
}
