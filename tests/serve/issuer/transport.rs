//! How requests come in: over HTTP/2, in pieces, too long, too slow, in the clear; and whatever their bodies hold.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use narrowgate::config::{ClientAuthentication, Config, Listener, Purpose, Tls};
use narrowgate::secret::Secret;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::net::TcpStream;

use super::world::{ACCESS_TOKEN, APP, EXCHANGE, ONE, Plan, World, basic, encoded, token_of};
use crate::client::{Client, Reply};
use crate::gateway::certificate;
use crate::tls_client::TlsClient;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn good() -> String {
    encoded(&[("grant_type", "client_credentials"), ("resource", ONE)])
}

fn fields() -> String {
    format!("{FORM}{}", basic(APP.0, APP.1))
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_answered_too() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (path, status) in [("/token", 200), ("/token?x=y", 400)] {
        let field = basic(APP.0, APP.1);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://auth.example{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", field.trim_end().split_once(": ").unwrap().1)
            .body(())
            .unwrap();
        let (response, mut body) = sender.clone().ready().await.unwrap().send_request(request, false).unwrap();
        let good = Bytes::from(good());
        body.send_data(good.slice(..10), false).unwrap();
        body.send_data(good.slice(10..), true).unwrap();
        assert_eq!(response.await.unwrap().status(), status, "{path}");
    }
    let request = Request::get("https://auth.example/jwks").body(()).unwrap();
    let (response, _) = sender.ready().await.unwrap().send_request(request, true).unwrap();
    assert_eq!(response.await.unwrap().headers()["content-type"], "application/jwk-set+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_carries_one_request_after_the_other() {
    let world = World::start().await;
    let mut client = Client::connect(world.address).await;
    for _ in 0..3 {
        let body = good();
        let head =
            format!("POST /token HTTP/1.1\r\nHost: auth.example\r\nContent-Length: {}\r\n{}\r\n", body.len(), fields());
        client.send(head).await;
        client.send(body).await;
        token_of(&client.reply().await);
    }
    let expecting = format!(
        "POST /token HTTP/1.1\r\nHost: auth.example\r\nExpect: 100-continue\r\nContent-Length: {}\r\n{}\r\n",
        good().len(),
        fields()
    );
    client.send(expecting).await;
    assert!(client.head().await.starts_with("HTTP/1.1 100"));
    client.send(good()).await;
    token_of(&client.reply().await);
    let chunked =
        format!("POST /token HTTP/1.1\r\nHost: auth.example\r\nTransfer-Encoding: chunked\r\n{}\r\n", fields());
    client.send(chunked).await;
    client.send(format!("{:x}\r\n{}\r\n0\r\n\r\n", good().len(), good())).await;
    token_of(&client.reply().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_its_bounds() {
    let world = World::planned(Plan {
        change: Box::new(|config| config.limits.body_timeout = Duration::from_millis(200)),
        ..Plan::default()
    })
    .await;
    let long = vec![b'a'; (64 << 10) + 1];
    assert_eq!(world.ask("POST", "/token", &fields(), &long).await.status, 413);
    let mut client = Client::connect(world.address).await;
    client
        .send(format!("POST /token HTTP/1.1\r\nHost: auth.example\r\nTransfer-Encoding: chunked\r\n{}\r\n", fields()))
        .await;
    client.send(format!("{:x}\r\n", long.len())).await;
    client.send(&long).await;
    assert_eq!(client.reply().await.status, 413);
    let mut client = Client::connect(world.address).await;
    client
        .send(format!("POST /token HTTP/1.1\r\nHost: auth.example\r\nContent-Length: 20\r\n{}\r\ngrant", fields()))
        .await;
    assert_eq!(client.reply().await.status, 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_redirects_takes_no_secret() {
    let world = World::planned(Plan {
        change: Box::new(|config| {
            let address = config.listeners[0].address;
            config.listeners.push(Listener { address, purpose: Purpose::Redirect { https_port: 443 } });
        }),
        yaml: "trusted_proxies: [127.0.0.1]",
        ..Plan::default()
    })
    .await;
    for target in ["/token", "/introspect", "/revoke"] {
        let reply = world.ask("POST", target, FORM, good().as_bytes()).await;
        assert_eq!((reply.status, &reply.json()["reason"]), (400, &"transport_insecure".into()), "{target}");
    }
    let reply = world.ask("GET", "/jwks", "", b"").await;
    assert_eq!((reply.status, reply.field("location")), (308, Some("https://auth.example/jwks")));
    let said = format!("{FORM}X-Forwarded-Proto: https\r\n");
    assert_eq!(world.ask("POST", "/token", &said, good().as_bytes()).await.status, 400, "whatever a proxy says");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_free_reaches_no_api() {
    let world = World::planned(Plan {
        change: Box::new(|config| {
            let api = &mut config.resources[0];
            (api.public, api.matches.hosts[0].host) = (true, "auth.example".to_owned());
        }),
        ..Plan::default()
    })
    .await;
    for target in ["/authorize?client_id=app", "/par", "/login/callback", "/grants"] {
        assert_eq!(world.ask("GET", target, "", b"").await.status, 404, "{target}");
    }
    assert_eq!(world.ask("GET", "/authorizes", "", b"").await.status, 502, "an API that nobody serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_as_long_as_any_can_be_exchanged() {
    let long = "x".repeat(40 << 10);
    for (token_bytes, is_too_long) in [(8 << 10, true), (48 << 10, false)] {
        let world = World::planned(Plan {
            change: Box::new(move |config| config.limits.token_bytes = token_bytes),
            ..Plan::default()
        })
        .await;
        let form = [
            ("grant_type", EXCHANGE),
            ("subject_token", &*long),
            ("subject_token_type", ACCESS_TOKEN),
            ("resource", ONE),
        ];
        let reply = world.post("/token", Some(APP), &form).await;
        let told = reply.json()["error_description"].as_str().unwrap_or_default().to_owned();
        assert_eq!(reply.status, 400, "{told}");
        assert_eq!(told == "the form is too large", is_too_long, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_connection_for_the_issuer_reaches_it() {
    let (issuers, of_issuer) = certificate("auth.example");
    let (apis, of_api) = certificate("api1.example");
    let world = World::planned(Plan {
        change: Box::new(|config| config.listeners[0].purpose = Purpose::Https(Tls::new(vec![issuers, apis]))),
        ..Plan::default()
    })
    .await;
    let tls = TlsClient::trusting(&[&of_issuer, &of_api]);
    for (name, status) in [("auth.example", 200), ("api1.example", 421)] {
        let (mut client, _) = tls.connect(world.address, name).await;
        assert_eq!(client.ask_at("/jwks", "auth.example", "").await.status, status, "{name}");
    }
}

/// The answer to a request whose body came after a reload.
async fn reloaded_meanwhile(world: &World, host: &str, more: &str, change: impl FnOnce(&mut Config)) -> Reply {
    let mut client = Client::connect(world.address).await;
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n{}{more}\r\n",
        good().len(),
        fields()
    );
    client.send(head).await;
    assert!(client.head().await.starts_with("HTTP/1.1 100"));
    world.reload(change);
    client.send(good()).await;
    client.reply().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reloaded_while_a_body_came_counts() {
    let world = World::start().await;
    token_of(&reloaded_meanwhile(&world, "auth.example", "", |_| {}).await);
    let reply = reloaded_meanwhile(&world, "auth.example", "", |config| {
        let server = config.issuer.as_mut().unwrap();
        server.issuer = "https://auth.example/".to_owned();
        server.clients[0].authentication = ClientAuthentication::Secrets(vec![Secret::new("another-one")]);
    });
    let reply = reply.await;
    assert_eq!(reply.status, 401);
    assert!(reply.field("www-authenticate").unwrap().contains("realm=\"https://auth.example/\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_moved_while_a_body_came_answers_no_more() {
    for (url, status) in [("https://elsewhere.example", 421), ("https://auth.example/t1", 404)] {
        let world = World::start().await;
        let reply = reloaded_meanwhile(&world, "auth.example", "", |config| {
            config.issuer.as_mut().unwrap().url = url.parse().unwrap();
        });
        assert_eq!(reply.await.status, status, "{url}");
    }
    let world = World::start().await;
    let reply = reloaded_meanwhile(&world, "auth.example", "", |config| {
        config.issuer.as_mut().unwrap().url = "https://elsewhere.example".parse().unwrap();
        let api = &mut config.resources[0];
        api.public = true;
        api.matches.hosts[0].host = "auth.example".to_owned();
    });
    assert_eq!(reply.await.status, 421, "a secret goes to no API");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_trusted_no_more_names_nobody() {
    let world = World::planned(Plan { yaml: "trusted_proxies: [127.0.0.1]", ..Plan::default() }).await;
    let named = "X-Forwarded-Host: auth.example\r\n";
    token_of(&reloaded_meanwhile(&world, "gate.internal", named, |_| {}).await);
    let reply = reloaded_meanwhile(&world, "gate.internal", named, |config| config.trusted_proxies.clear()).await;
    assert_eq!(reply.status, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_got_a_secret_in_the_clear_is_told() {
    let world = World::planned(Plan { yaml: "trusted_proxies: [127.0.0.1]", ..Plan::default() }).await;
    for (proto, status) in [("https", 200), ("http", 400)] {
        let fields = format!("{}X-Forwarded-Proto: {proto}\r\n", fields());
        assert_eq!(world.ask("POST", "/token", &fields, good().as_bytes()).await.status, status, "{proto}");
    }
    let mut client = Client::connect(world.address).await;
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: gate.internal\r\nX-Forwarded-Host: auth.example\r\nContent-Length: {}\r\n{}\r\n",
        good().len(),
        fields()
    );
    client.send(head).await;
    client.send(good()).await;
    token_of(&client.reply().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_makes_the_server_fail() {
    let world = World::start().await;
    let names = [
        "grant_type",
        "resource",
        "audience",
        "scope",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "subject_token",
        "subject_token_type",
        "token",
    ];
    let pair =
        (0..names.len(), any::<String>()).prop_map(move |(name, value)| encoded(&[(names[name], &value)]).into_bytes());
    let body = prop_oneof![vec(any::<u8>(), 0..200), vec(pair, 0..6).prop_map(|pairs| pairs.join(&b'&'))];
    let mut runner = TestRunner::deterministic();
    for round in 0..300 {
        let body = body.new_tree(&mut runner).unwrap().current();
        let target = ["/token", "/introspect", "/revoke"][round % 3];
        // Whoever asks at all, so that failures do not add up.
        let reply = world.ask("POST", target, &fields(), &body).await;
        assert!(reply.status < 500, "{target} {:?}: {}", String::from_utf8_lossy(&body), reply.status);
    }
}
