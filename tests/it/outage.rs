//! Keys of issuers: an outage, a flood and a rotation stay where they are (checklist 7517-5-1).

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::gateway::{Gateway, PATIENCE};

const API1: &str = "api1.example.com";
const API2: &str = "api2.example.com";

#[tokio::test]
async fn an_outage_touches_only_the_resources_of_its_own_issuer() {
    let gateway = Gateway::start("never_fetched.yaml").await;
    let corp = gateway.issuer("ISSUER_CORP");
    let good = corp.token("https://api1.example.com", "x");
    assert_eq!(gateway.get(API1, "/", &good).send().await.verdict(), "200");
    // The other issuer's address answers nobody, so its keys were never had.
    let mut claims = corp.claims("https://api2.example.com", "x");
    claims["iss"] = json!("http://127.0.0.1:9");
    let orphan = corp.key().token(&claims);
    let response = gateway.get(API2, "/", &orphan).send().await;
    assert_eq!(response.verdict(), "503 keys_unavailable");
    assert!(!response.field("retry-after").is_empty());
    assert_eq!(gateway.get(API1, "/", &good).send().await.verdict(), "200");
    assert_eq!(gateway.api("API_2").requests().len(), 0);
}

#[tokio::test]
async fn known_keys_serve_on_while_the_issuer_is_away() {
    let gateway = Gateway::start("keys.yaml").await;
    let (corp, partner) = (gateway.issuer("ISSUER_CORP"), gateway.issuer("ISSUER_PARTNER"));
    corp.stop().await;
    let token = corp.token("https://api1.example.com", "x");
    assert_eq!(gateway.get(API1, "/", &token).send().await.verdict(), "200");
    let token = partner.token("https://api2.example.com", "x");
    assert_eq!(gateway.get(API2, "/", &token).send().await.verdict(), "200");
    let unknown = corp.add_key("k9", "ES256").token(&corp.claims("https://api1.example.com", "x"));
    let response = gateway.get(API1, "/", &unknown).send().await;
    assert_eq!(response.verdict(), "401 key_unknown");
}

#[tokio::test]
async fn an_issuer_that_comes_back_with_other_keys_is_followed() {
    let gateway = Gateway::start("keys.yaml").await;
    let partner = gateway.issuer("ISSUER_PARTNER");
    partner.stop().await;
    partner.rotate("k2");
    let new = partner.token("https://api2.example.com", "x");
    assert_eq!(gateway.get(API2, "/", &new).send().await.verdict(), "401 key_unknown");
    partner.start_again().await;
    opens_in_time(&gateway, &new).await;
}

/// Asks until the token opens the second API.
async fn opens_in_time(gateway: &Gateway, token: &str) {
    let opened = async {
        while gateway.get(API2, "/", token).send().await.status != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, opened).await.expect("the new key is found");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_one_fetch_and_delays_nobody() {
    let gateway = Gateway::start("keys.yaml").await;
    let corp = gateway.issuer("ISSUER_CORP");
    let before = corp.key_reads();
    let claims = corp.claims("https://api1.example.com", "x").to_string();
    let good = corp.token("https://api1.example.com", "x");
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    for flood in 0..1000 {
        let header = json!({ "alg": "ES256", "kid": format!("flood-{flood}"), "typ": "at+jwt" }).to_string();
        // One signature is as good as another: the key is looked for first.
        let forged =
            format!("{}.{}.{}", crate::keys::base64url(header), crate::keys::base64url(&claims), "A".repeat(86));
        assert_eq!(gateway.get(API1, "/", &forged).send().await.verdict(), "401 key_unknown", "{flood}");
        if flood % 50 == 0 {
            let asked = Instant::now();
            assert_eq!(gateway.get(API1, "/", &good).send().await.verdict(), "200");
            slowest = slowest.max(asked.elapsed());
        }
    }
    let windows = 1 + usize::try_from(started.elapsed().as_secs() / 30).expect("a test is short");
    assert!(corp.key_reads() - before <= windows, "{} reads", corp.key_reads() - before);
    assert!(slowest < Duration::from_secs(2), "a good token waited {slowest:?}");
}

#[tokio::test]
async fn a_rotation_is_followed_without_a_restart() {
    let gateway = Gateway::start("keys.yaml").await;
    let partner = gateway.issuer("ISSUER_PARTNER");
    let old = partner.token("https://api2.example.com", "x");
    assert_eq!(gateway.get(API2, "/", &old).send().await.verdict(), "200");
    partner.rotate("k2");
    let new = partner.token("https://api2.example.com", "x");
    opens_in_time(&gateway, &new).await;
    // The old key is gone from the set, and so from here.
    assert_eq!(gateway.get(API2, "/", &old).send().await.verdict(), "401 key_unknown");
    // A key of the same name is another key.
    partner.rotate("k2");
    assert_eq!(gateway.get(API2, "/", &partner.token("https://api2.example.com", "y")).send().await.status, 401);
}
