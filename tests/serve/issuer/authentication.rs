//! Who asks: each method, each defect, and how often a proof may fail.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use narrowgate::clock::Timestamp;
use narrowgate::config::{ClientAuthentication, JwksLocation, SecretMethod};
use narrowgate::store::{
    Code, CodeStore, Consent, ConsentStore, ConsentedScopes, Family, FamilyStore, NewCode, Refresh, Revocation,
    RevocationFeed, Rotated, Rotation, SealedKeyRing, Store, StoreError, TakingCode, TokenDigest, Whose,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::world::{APP, ISSUER, ONE, Plan, World, assertion_by, basic, encoded, jwks, token_of};
use crate::client::Reply;

const GRANT: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("resource", ONE)];
const ASSERTION_TYPE: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

async fn with_form(world: &World, more: &[(&str, &str)]) -> Reply {
    world.post("/token", None, &[&GRANT, more].concat()).await
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn invalid_client() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_comes_in_the_header_or_in_the_form() {
    let world = World::start().await;
    token_of(&world.post("/token", Some(APP), &GRANT).await);
    token_of(&world.post("/token", Some(("app", "app-old")), &GRANT).await);
    token_of(&world.post("/token", Some(("app", "app%2Ds3cret")), &GRANT).await);
    token_of(&with_form(&world, &[("client_id", "app"), ("client_secret", "app-s3cret")]).await);
    let both = [GRANT[0], GRANT[1], ("client_id", "app"), ("client_secret", "app-s3cret")];
    let reply = world.post("/token", Some(APP), &both).await;
    assert_eq!(told(&reply), (400, "invalid_request".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registered_method_binds() {
    let world = World::start().await;
    for more in [
        &[("client_id", "app")][..],
        &[("client_id", "signer"), ("client_secret", "x")],
        &[("client_id", "public"), ("client_secret", "x")],
        &[("client_id", "app"), ("client_secret", "app-s3cret ")],
        &[("client_secret", "app-s3cret")],
    ] {
        assert_eq!(told(&with_form(&world, more).await), invalid_client(), "{more:?}");
    }
    let fields = "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer a.b.c\r\n";
    assert_eq!(told(&world.ask("POST", "/token", fields, encoded(&GRANT).as_bytes()).await), invalid_client());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_counts_only_where_the_client_was_to_put_it() {
    let world = World::start().await;
    let in_form = [("client_id", "app"), ("client_secret", "app-s3cret")];
    for (only, good) in [(SecretMethod::Basic, true), (SecretMethod::Post, false)] {
        world.reload(|config| config.issuer.as_mut().unwrap().clients[0].secret_method = Some(only));
        let (header, form) = (world.post("/token", Some(APP), &GRANT).await, with_form(&world, &in_form).await);
        let (taken, refused) = if good { (header, form) } else { (form, header) };
        token_of(&taken);
        assert_eq!(told(&refused), invalid_client(), "{only:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_good_once() {
    let world = World::start().await;
    let assertion = world.assertion(|_| {});
    let form = [("client_assertion", &*assertion), ASSERTION_TYPE];
    token_of(&with_form(&world, &form).await);
    assert_eq!(told(&with_form(&world, &form).await), invalid_client(), "again");
    let next = world.assertion(|claims| claims["jti"] = json!("j2"));
    token_of(&with_form(&world, &[("client_assertion", &next), ASSERTION_TYPE, ("client_id", "signer")]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_of_an_assertion_is_refused() {
    let world = World::start().await;
    let now = Timestamp::now().0;
    for (name, value) in [
        ("aud", json!(format!("{ISSUER}/token"))),
        ("aud", json!([ISSUER, "https://other.example"])),
        ("iss", json!("app")),
        ("sub", json!("app")),
        ("exp", json!(now - 60)),
        ("exp", json!(now + 3600)),
        ("jti", Value::Null),
    ] {
        let shown = format!("{name} {value}");
        let assertion = world.assertion(|claims| claims[name] = value);
        let reply = with_form(&world, &[("client_assertion", &assertion), ASSERTION_TYPE]).await;
        assert_eq!(told(&reply), invalid_client(), "{shown}");
    }
    let good = world.assertion(|_| {});
    let unsigned = format!("{}.", &good[..good.rfind('.').unwrap()]);
    let access_token = world.token(ONE).await;
    for (more, why) in [
        (vec![("client_assertion", &*good)], "without its type"),
        (vec![("client_assertion", &*unsigned), ASSERTION_TYPE], "without a signature"),
        (vec![("client_assertion", &*access_token), ASSERTION_TYPE], "an access token"),
        (vec![("client_assertion", &*good), ASSERTION_TYPE, ("client_id", "app")], "another client"),
        (vec![("client_assertion", &*good), ASSERTION_TYPE, ("client_secret", "x")], "and a secret"),
    ] {
        assert_eq!(told(&with_form(&world, &more).await), invalid_client(), "{why}");
    }
    token_of(&with_form(&world, &[("client_assertion", &good), ASSERTION_TYPE]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_failed_too_often_waits() {
    let world = World::start().await;
    let mut last = invalid_client();
    for _ in 0..40 {
        let reply = world.post("/token", Some(("app", "wrong")), &GRANT).await;
        last = told(&reply);
        if reply.status == 429 {
            assert!(reply.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
            assert_eq!(reply.field("cache-control"), Some("no-store"));
            break;
        }
        assert_eq!(last, invalid_client());
    }
    assert_eq!(last.0, 429);
    assert_eq!(world.post("/token", Some(APP), &GRANT).await.status, 429, "also with the right one, until then");
    assert_eq!(world.ask("GET", "/jwks", "", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_neighbours_shut_no_client_out() {
    let mut world = World::planned(Plan { yaml: "trusted_proxies: [127.0.0.1]", ..Plan::default() }).await;
    world.fields = "X-Forwarded-For: 192.0.2.1\r\n";
    token_of(&world.post("/token", Some(APP), &GRANT).await);
    for _ in 0..31 {
        world.post("/token", Some(("broken", "wrong")), &GRANT).await;
    }
    assert_eq!(world.post("/token", Some(("broken", "wrong")), &GRANT).await.status, 429, "who failed there waits");
    token_of(&world.post("/token", Some(APP), &GRANT).await);
    for fields in ["2", "3", "4", "5"].map(|host| format!("X-Forwarded-For: 192.0.2.{host}\r\n")) {
        world.fields = fields.leak();
        for _ in 0..31 {
            world.post("/token", Some(("app", "wrong")), &GRANT).await;
        }
    }
    world.fields = "X-Forwarded-For: 192.0.2.6\r\n";
    assert_eq!(world.post("/token", Some(APP), &GRANT).await.status, 429, "it has not been here before");
    world.fields = "X-Forwarded-For: 192.0.2.1\r\n";
    token_of(&world.post("/token", Some(APP), &GRANT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_merely_names_a_client_takes_nothing_from_it() {
    let mut world = World::planned(Plan { yaml: "trusted_proxies: [127.0.0.1]", ..Plan::default() }).await;
    for fields in ["2", "3", "4", "5"].map(|host| format!("X-Forwarded-For: 192.0.2.{host}\r\n")) {
        world.fields = fields.leak();
        for _ in 0..31 {
            with_form(&world, &[("client_id", "app")]).await;
        }
    }
    world.fields = "X-Forwarded-For: 192.0.2.1\r\n";
    token_of(&world.post("/token", Some(APP), &GRANT).await);
}

/// A client's site, which answers everything with the document that it has now.
async fn site(document: &Arc<Mutex<String>>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/jwks", listener.local_addr().unwrap())).unwrap();
    let document = Arc::clone(document);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await.is_ok_and(|count| count > 0) {}
            let body = document.lock().unwrap().clone();
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_keys_are_fetched_and_read_again_for_an_unknown_one() {
    let first = rcgen::KeyPair::generate().unwrap();
    let document = Arc::new(Mutex::new(jwks(&first, "c0")));
    let url = site(&document).await;
    let world = World::planned(Plan {
        change: Box::new(|config| {
            let clients = &mut config.issuer.as_mut().unwrap().clients;
            let signer = clients.iter_mut().find(|client| client.id == "signer").unwrap();
            signer.authentication = ClientAuthentication::Keys(vec![JwksLocation::Url(url)]);
        }),
        ..Plan::default()
    })
    .await;
    let earlier = assertion_by(&first, "c0", |claims| claims["jti"] = json!("j0"));
    token_of(&with_form(&world, &[("client_assertion", &earlier), ASSERTION_TYPE]).await);
    *document.lock().unwrap() = jwks(&world.signer, "c1");
    let one = world.assertion(|_| {});
    token_of(&with_form(&world, &[("client_assertion", &one), ASSERTION_TYPE]).await);
    let late = assertion_by(&first, "c0", |claims| claims["jti"] = json!("j2"));
    let reply = with_form(&world, &[("client_assertion", &late), ASSERTION_TYPE]).await;
    assert_eq!(told(&reply), invalid_client(), "a key that was withdrawn");
}

/// A store that is there and does nothing.
#[derive(Debug)]
pub struct Broken;

fn broken<T>() -> Result<T, StoreError> {
    Err(StoreError::Unusable("the disk is gone".to_owned()))
}

#[async_trait]
impl Store for Broken {
    async fn key_ring(&self) -> Result<Option<SealedKeyRing>, StoreError> {
        broken()
    }
    async fn replace_key_ring(&self, _: Option<u64>, _: &[u8]) -> Result<bool, StoreError> {
        broken()
    }
    async fn revoke(&self, _: &Revocation) -> Result<(), StoreError> {
        broken()
    }
    async fn revocations_after(&self, _: u64) -> Result<RevocationFeed, StoreError> {
        broken()
    }
    async fn mark_used(&self, _: &str, _: Timestamp) -> Result<bool, StoreError> {
        broken()
    }
    async fn sweep(&self, _: Timestamp) -> Result<(), StoreError> {
        broken()
    }
}

#[async_trait]
impl CodeStore for Broken {
    async fn save_code(&self, _: &NewCode) -> Result<(), StoreError> {
        broken()
    }
    async fn peek_code(&self, _: &TokenDigest, _: Timestamp) -> Result<Code, StoreError> {
        broken()
    }
    async fn take_code(&self, _: &TakingCode) -> Result<Code, StoreError> {
        broken()
    }
    async fn put_once(&self, _: &str, _: &[u8], _: Timestamp) -> Result<bool, StoreError> {
        broken()
    }
    async fn peek_once(&self, _: &str, _: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        broken()
    }
    async fn take_once(&self, _: &str, _: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        broken()
    }
}

#[async_trait]
impl FamilyStore for Broken {
    async fn look_up_refresh(&self, _: &TokenDigest, _: Timestamp) -> Result<Refresh, StoreError> {
        broken()
    }
    async fn rotate_refresh(&self, _: &Rotation) -> Result<Rotated, StoreError> {
        broken()
    }
    async fn revoke_family(&self, _: &str) -> Result<bool, StoreError> {
        broken()
    }
    async fn families(&self, _: Whose<'_>, _: Option<&str>, _: Timestamp) -> Result<Vec<Family>, StoreError> {
        broken()
    }
}

#[async_trait]
impl ConsentStore for Broken {
    async fn remember_consent(&self, _: &Consent) -> Result<(), StoreError> {
        broken()
    }
    async fn consent_of(&self, _: &str, _: &str) -> Result<ConsentedScopes, StoreError> {
        broken()
    }
    async fn withdraw_consent(&self, _: &str, _: &str, _: &str) -> Result<bool, StoreError> {
        broken()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_nothing_is_done_that_needs_it() {
    let world = World::planned(Plan { store: Arc::new(Broken), ..Plan::default() }).await;
    let token = world.token(ONE).await;
    let assertion = world.assertion(|_| {});
    for (reply, wait) in [
        (with_form(&world, &[("client_assertion", &assertion), ASSERTION_TYPE]).await, "1"),
        (world.post("/revoke", Some(APP), &[("token", &token)]).await, "5"),
    ] {
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some(wait)));
        let body = String::from_utf8(reply.body).unwrap();
        assert!(!body.contains("disk") && !body.contains("access_token"), "{body}");
    }
    let seen = world.post("/introspect", Some(super::world::SERVICE), &[("token", &token)]).await;
    assert_eq!(seen.json()["active"], true, "what was not taken back stays good");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_that_fails_does_not_shut_another_one_out_elsewhere() {
    let world = World::planned(Plan { yaml: "trusted_proxies: [127.0.0.1]", ..Plan::default() }).await;
    let ask = async |address: &str, secret: &str| {
        let fields = format!(
            "Content-Type: application/x-www-form-urlencoded\r\n{}X-Forwarded-For: {address}\r\n",
            basic("app", secret)
        );
        world.ask("POST", "/token", &fields, encoded(&GRANT).as_bytes()).await.status
    };
    for _ in 0..30 {
        assert_eq!(ask("192.0.2.1", "wrong").await, 401);
    }
    assert_eq!(ask("192.0.2.1", "app-s3cret").await, 429);
    assert_eq!(ask("192.0.2.2", "app-s3cret").await, 200);
    assert_eq!(ask("192.0.2.2, 192.0.2.1", "app-s3cret").await, 429, "the last hop is whom the proxy saw");
}
