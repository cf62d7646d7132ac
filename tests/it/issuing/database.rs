//! Two gateways, one issuer: the real program twice, on one PostgreSQL.

use std::time::Duration;

use narrowgate::clock::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::*;

#[path = "../../postgres/cluster.rs"]
pub mod cluster;

use cluster::Cluster;

/// How long one node may go without what another one did.
const SOON: Duration = Duration::from_secs(2);

/// Two nodes, and what they share.
struct Nodes {
    first: World,
    second: World,
    cluster: Cluster,
}

impl Nodes {
    /// The second one has the first one's URL, as behind one load balancer.
    async fn start() -> Self {
        Self::start_with(str::to_owned).await
    }

    /// The same, with more in the configuration of both.
    async fn start_with(more: fn(&str) -> String) -> Self {
        let cluster = Cluster::start();
        let store = format!("store: \"{}\"", cluster.url("postgres"));
        let on_database = |text: String| {
            let signing = format!("  signing: {{ key_encryption: {} }}\n  clients:\n", "5a".repeat(32));
            more(&text.replace("store: narrowgate.redb", &store).replace("  clients:\n", &signing))
        };
        let first = World::start_with(on_database).await;
        let url = first.url.clone();
        let mut second = World::start_with(|text| {
            let text = on_database(text).replace("url: \"http://127.0.0.1:${PORT}\"", &format!("url: \"{url}\""));
            text.replace("${PORT}", "0")
        })
        .await;
        second.url = url;
        Self { first, second, cluster }
    }
}

/// The keys that a node publishes.
async fn kids(node: &World) -> Vec<String> {
    let host = node.url.trim_start_matches("http://");
    let jwks = node.gateway.ask("GET", host, "/jwks").send().await.json();
    let keys = jwks["keys"].as_array().expect("a key set").iter();
    keys.map(|key| key["kid"].as_str().expect("with a name").to_owned()).collect()
}

/// A token for the client that proves itself by an assertion.
async fn by_assertion(node: &World, jti: &str) -> Response {
    let now = Timestamp::now().0;
    let claims = json!({
        "iss": "robot", "sub": "robot", "aud": node.url, "exp": now + 60, "iat": now, "jti": jti,
    });
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "robot-1" });
    let assertion = node.robot.sign(&header.to_string(), &claims.to_string());
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("resource", TWO)
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", &assertion)
        .finish();
    let host = node.url.trim_start_matches("http://");
    let ask = Ask::new(node.gateway.address, "POST", host, "/token");
    ask.header("content-type", "application/x-www-form-urlencoded").body(form).send().await
}

/// How long it takes until something is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < crate::gateway::PATIENCE, "it does not come to be");
        sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn keys_are_made_once_and_rotated_for_both() {
    let nodes = Nodes::start().await;
    let before = kids(&nodes.first).await;
    assert_eq!(kids(&nodes.second).await, before);
    let made = "SELECT version FROM narrowgate_key_ring";
    assert_eq!(nodes.cluster.sql("postgres", made), "1", "by one of them");
    let token = nodes.first.own_token(APP, ONE).await;
    assert_eq!(nodes.second.verdicts(&token).await[0], "200");
    let rotated = Ask::new(nodes.first.gateway.admin, "POST", "localhost", "/keys/rotate").send().await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let after = kids(&nodes.first).await;
    assert_ne!(after, before);
    assert_eq!(nodes.cluster.sql("postgres", made), "2");
    let took = until(async || kids(&nodes.second).await == after).await;
    assert!(took < SOON, "{took:?}");
    let signed = [nodes.first.own_token(APP, ONE).await, nodes.second.own_token(APP, ONE).await];
    for token in signed.iter().chain([&token]) {
        assert_eq!(nodes.first.verdicts(token).await[0], "200");
        assert_eq!(nodes.second.verdicts(token).await[0], "200");
    }
}

#[tokio::test]
async fn what_one_takes_back_the_other_refuses() {
    let nodes = Nodes::start().await;
    let token = nodes.first.own_token(APP, ONE).await;
    assert_eq!(nodes.second.verdicts(&token).await[0], "200");
    let answer = nodes.first.post("/revoke", APP, &[("token", &token)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let took = until(async || nodes.second.verdicts(&token).await[0] == "401 token_revoked").await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_refresh_token_that_is_given_up_at_one_ends_its_grant_at_the_other() {
    use super::storm::seeds::{self, CLIENT, VERIFIER};
    let nodes = Nodes::start_with(seeds::with_users).await;
    let database = seeds::database_at(&nodes.cluster.url("postgres"));
    let store = narrowgate::store::PostgresStore::open(&database, None).await.expect("it runs");
    let codes = seeds::codes(&store, 2).await;
    for (code, revoked_by) in [(&codes[0], "refresh_token"), (&codes[1], "access_token")] {
        let form =
            [("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER), ("resource", ONE)];
        let answer = nodes.first.post("/token", CLIENT, &form).await;
        let (token, tokens) = (token_in(&answer), answer.json());
        assert_eq!(nodes.second.verdicts(&token).await[0], "200");
        let given_up = tokens[revoked_by].as_str().expect("both are there");
        let answer = nodes.first.post("/revoke", CLIENT, &[("token", given_up)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let shown = tokens["refresh_token"].as_str().expect("the client may refresh");
        let form = [("grant_type", "refresh_token"), ("refresh_token", shown), ("resource", TWO)];
        assert_eq!(refusal(&nodes.second.post("/token", CLIENT, &form).await), "400 invalid_grant", "at once");
        let took = until(async || nodes.second.verdicts(&token).await[0] == "401 token_revoked").await;
        assert!(took < SOON, "{took:?}");
    }
}

#[tokio::test]
async fn without_the_database_the_gates_go_on_and_what_needs_it_waits() {
    let mut nodes = Nodes::start().await;
    let first = &nodes.first;
    let (good, bad) = (first.own_token(APP, ONE).await, first.own_token(APP, ONE).await);
    assert_eq!(first.post("/revoke", APP, &[("token", &bad)]).await.status, 200);
    until(async || nodes.second.verdicts(&bad).await[0] == "401 token_revoked").await;
    assert_eq!(by_assertion(first, "one").await.status, 200);
    assert_eq!(refusal(&by_assertion(first, "one").await), "401 invalid_client", "it counts once");

    nodes.cluster.stop();
    for node in [&nodes.first, &nodes.second] {
        assert_eq!(node.verdicts(&good).await[0], "200");
        assert_eq!(node.verdicts(&good).await[1], "401 audience_mismatch");
        assert_eq!(node.verdicts(&bad).await[0], "401 token_revoked");
        node.own_token(APP, ONE).await;
        let asked = Instant::now();
        let answer = by_assertion(node, "two").await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.headers.contains_key("retry-after") && asked.elapsed() < Duration::from_secs(5));
        let answer = node.post("/revoke", APP, &[("token", &good)]).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
    }
    for node in [&nodes.first, &nodes.second] {
        until(async || node.gateway.output().contains("the issuer's state cannot be kept")).await;
    }

    nodes.cluster.start_again();
    for (node, jti) in [(&nodes.first, "three"), (&nodes.second, "four")] {
        assert_eq!(by_assertion(node, jti).await.status, 200);
    }
    assert_eq!(nodes.first.post("/revoke", APP, &[("token", &good)]).await.status, 200);
    until(async || nodes.second.verdicts(&good).await[0] == "401 token_revoked").await;
    for node in [&nodes.first, &nodes.second] {
        until(async || node.gateway.output().contains("the issuer's state is kept again")).await;
        assert!(!node.gateway.output().contains("a-pass"), "of the password");
    }
}
