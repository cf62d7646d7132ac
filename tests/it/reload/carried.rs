//! What a reload does not touch: keys, tokens that were proven, and requests that both configurations allow.

use super::*;

#[tokio::test]
async fn keys_and_proofs_of_unchanged_issuers_are_kept() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let corp = place.gateway.issuer("ISSUER_CORP");
    let token = corp.token("https://api1.example.com", "x");
    let verdict = async || place.gateway.get(API1, "/", &token).send().await.verdict();
    assert_eq!(verdict().await, "200");
    let (reads, misses) = (corp.key_reads(), place.metric("narrowgate_token_cache_misses_total").await);
    // The new issuer comes first, so that the old one has another place in the list.
    let first = "trusted_issuers:\n  partner: { issuer: \"${ISSUER_PARTNER}\", algorithms: [ES256] }\n";
    place.adopt(&yaml(&[FIRST, SECOND]).replace("trusted_issuers:\n", first)).await;
    assert_eq!(verdict().await, "200");
    assert_eq!(corp.key_reads(), reads);
    assert_eq!(place.metric("narrowgate_token_cache_misses_total").await, misses, "it was proven before");
}

#[tokio::test]
async fn a_changed_issuer_that_is_away_keeps_the_keys_it_had() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    assert_eq!(place.verdict(API1).await, "200");
    place.gateway.issuer("ISSUER_CORP").stop().await;
    let changed = place.adopt(&yaml(&[FIRST]).replace("[ES256]", "[ES256], refresh: 5m")).await;
    assert_eq!(changed, ["trusted issuer corp: refresh 300s instead of 600s"]);
    assert_eq!(place.verdict(API1).await, "200");
}

#[tokio::test]
async fn the_keys_of_a_new_issuer_are_there_with_its_first_token() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    let partner = place.gateway.issuer("ISSUER_PARTNER");
    let new = "  partner: { issuer: \"${ISSUER_PARTNER}\", algorithms: [ES256] }\nresources:";
    place.adopt(&yaml(&[FIRST]).replace("resources:", new)).await;
    assert_eq!(partner.key_reads(), 1, "before the first request");
    partner.stop().await;
    let token = partner.token("https://api1.example.com", "x");
    assert_eq!(place.gateway.get(API1, "/", &token).send().await.verdict(), "200");
}

#[tokio::test]
async fn a_new_issuer_that_is_away_holds_the_reload_up_for_seconds_only() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    place.gateway.issuer("ISSUER_PARTNER").stop().await;
    let new = "  partner: { issuer: \"${ISSUER_PARTNER}\", algorithms: [ES256] }\nresources:";
    place.adopt(&yaml(&[FIRST, SECOND]).replace("resources:", new)).await;
    assert_eq!(place.verdict(API2).await, "200");
    let token = place.gateway.issuer("ISSUER_PARTNER").token("https://api1.example.com", "x");
    assert_eq!(place.gateway.get(API1, "/", &token).send().await.verdict(), "503 keys_unavailable");
}

#[tokio::test]
async fn more_trust_keeps_the_keys_and_less_does_not() {
    let place = Workplace::start(&yaml(&[FIRST])).await;
    assert_eq!(place.verdict(API1).await, "200");
    place.gateway.issuer("ISSUER_CORP").stop().await;
    let made = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).expect("it is a name");
    place.write("ca.pem", made.cert.pem());
    let changed = place.adopt(&format!("trusted_cas: ca.pem\n{}", yaml(&[FIRST]))).await;
    assert_eq!(changed, ["trusted_cas: true instead of false"]);
    assert_eq!(place.verdict(API1).await, "200");
    place.adopt(&yaml(&[FIRST])).await;
    assert_eq!(place.verdict(API1).await, "503 keys_unavailable");
}
