//! Who may exchange which token for what, over HTTP: the four questions of the contract.

use serde_json::json;

use super::*;

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

#[tokio::test]
async fn a_broad_token_becomes_one_for_one_api() {
    let world = World::start().await;
    let broad = world.of_corp(|claims| {
        claims["aud"] = json!([ONE, TWO]);
        claims["scope"] = "read write reports".into();
    });
    assert_eq!(world.verdicts(&broad).await[..2], ["401 audience_too_broad", "401 audience_too_broad"]);
    let answer = world.exchange(APP, &broad, &[("resource", ONE), ("scope", "read")]).await;
    let narrow = token_in(&answer);
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["scope"], &body["resource"]),
        (&json!("Bearer"), &json!("read"), &json!([ONE]))
    );
    assert_eq!(body["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!((answer.field("cache-control"), answer.field("content-type")), ("no-store", "application/json"));
    let verdicts = ["200", "401 audience_mismatch", "401 audience_mismatch"];
    assert_eq!(world.verdicts(&narrow).await, verdicts);
    let seen = world.gateway.api("API_1").last();
    assert_eq!((seen.values("x-user"), seen.values("x-client")), (vec!["corp|alice"], vec!["app"]));
    let said = claims(&narrow);
    assert_eq!((&said["aud"], &said["sub"], &said["client_id"]), (&json!(ONE), &json!("corp|alice"), &json!("app")));
    assert!(said["exp"].as_u64() <= claims(&broad)["exp"].as_u64() && said.get("act").is_none(), "{said}");
}

#[tokio::test]
async fn a_token_of_one_api_becomes_one_of_another_by_the_client_with_that_edge_only() {
    let world = World::start().await;
    let narrow = token_in(&world.exchange(APP, &world.of_corp(|_| ()), &[("resource", ONE), ("scope", "read")]).await);
    let answer = world.exchange(API1_SERVICE, &narrow, &[("resource", TWO)]).await;
    let onward = token_in(&answer);
    let said = claims(&onward);
    assert_eq!((&said["scope"], &said["act"]), (&json!("reports"), &json!({ "sub": "api1-service" })));
    assert_eq!((&said["sub"], &said["client_id"]), (&json!("corp|alice"), &json!("api1-service")));
    let verdicts = ["401 audience_mismatch", "200", "401 audience_mismatch"];
    assert_eq!(world.verdicts(&onward).await, verdicts);
    for client in [APP, API2_SERVICE, HELPER, NAMESAKE] {
        let answer = world.exchange(client, &narrow, &[("resource", TWO)]).await;
        assert!(answer.status == 400, "{}: {}", client.0, answer.body);
    }
    // Onward from there only where another edge says so.
    let further = world.exchange(API2_SERVICE, &onward, &[("resource", ONE)]).await;
    assert_eq!(refusal(&further), "400 invalid_target");
}

#[tokio::test]
async fn an_api_that_was_merely_sent_a_broad_token_gets_nothing_for_it() {
    let world = World::start().await;
    let broad = world.of_corp(|claims| claims["aud"] = json!([ONE, TWO]));
    assert_eq!(refusal(&world.exchange(API1_SERVICE, &broad, &[("resource", TWO)]).await), "400 invalid_request");
    let narrow = world.of_corp(|_| ());
    token_in(&world.exchange(API1_SERVICE, &narrow, &[("resource", TWO)]).await);
}

#[tokio::test]
async fn a_client_is_not_its_namesake_and_alice_is_not_the_other_alice() {
    let world = World::start().await;
    let of_web = world.of_corp(|_| ());
    assert_eq!(refusal(&world.exchange(NAMESAKE, &of_web, &[("resource", ONE)]).await), "400 invalid_request");
    // What corp calls `app` is not ours either.
    let of_corps_app = world.of_corp(|claims| claims["client_id"] = "app".into());
    assert_eq!(refusal(&world.exchange(APP, &of_corps_app, &[("resource", ONE)]).await), "400 invalid_request");
    // `known_as` holds at corp, not at the other issuer.
    let others = of(world.gateway.issuer("ISSUER_OTHER"), |_| ());
    assert_eq!(refusal(&world.exchange(APP, &others, &[("resource", ONE)]).await), "400 invalid_request");
    let others = of(world.gateway.issuer("ISSUER_OTHER"), |claims| {
        claims["may_act"] = json!({ "sub": "app", "iss": world.url });
        claims["scope"] = "read".into();
    });
    let answer = world.exchange(HELPER, &others, &[("resource", TWO)]).await;
    assert_eq!(refusal(&answer), "400 invalid_request", "it names somebody else, and api2 does not admit the issuer");
    let ours = claims(&token_in(&world.exchange(APP, &of_web, &[("resource", ONE)]).await));
    assert_eq!(ours["sub"], "corp|alice");
}

#[tokio::test]
async fn only_a_genuine_access_token_is_exchanged() {
    let world = World::start().await;
    let refused = [
        ("an ID token", world.of_corp(|claims| claims["at_hash"] = "x".into())),
        ("a token with a nonce", world.of_corp(|claims| claims["nonce"] = "x".into())),
        ("a refresh token", world.of_corp(|claims| claims["typ"] = "Refresh".into())),
        ("an expired one", world.of_corp(|claims| claims["exp"] = (crate::keys::now() - 1).into())),
        ("one of tomorrow", world.of_corp(|claims| claims["nbf"] = (crate::keys::now() + 600).into())),
        ("a bound one", world.of_corp(|claims| claims["cnf"] = json!({ "jkt": "x" }))),
        ("a stranger's", world.of_corp(|claims| claims["iss"] = "https://stranger.example".into())),
        ("no token", "abc".to_owned()),
        ("a forged one", {
            let mut token = world.of_corp(|_| ());
            token.replace_range(token.len() - 4.., "AAAA");
            token
        }),
    ];
    for (what, token) in refused {
        let answer = world.exchange(APP, &token, &[("resource", ONE)]).await;
        assert_eq!(refusal(&answer), "400 invalid_request", "{what}");
    }
    let good = world.of_corp(|_| ());
    for kind in [ID_TOKEN, REFRESH_TOKEN] {
        let parameters = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", kind),
            ("subject_token", &good),
            ("resource", ONE),
        ];
        assert_eq!(refusal(&world.post("/token", APP, &parameters).await), "400 invalid_request", "{kind}");
    }
    token_in(&world.exchange(APP, &good, &[("resource", ONE)]).await);
}

#[tokio::test]
async fn somebody_elses_actor_token_is_refused() {
    let world = World::start().await;
    let subject = token_in(&world.exchange(APP, &world.of_corp(|_| ()), &[("resource", ONE)]).await);
    let actor_kind = ("actor_token_type", "urn:ietf:params:oauth:token-type:access_token");
    let somebody = world.own_token(APP, ONE).await;
    let more = [("resource", TWO), ("actor_token", somebody.as_str()), actor_kind];
    assert_eq!(refusal(&world.exchange(API1_SERVICE, &subject, &more).await), "400 invalid_request");
    let alone = [("resource", TWO), ("actor_token", somebody.as_str())];
    assert_eq!(refusal(&world.exchange(API1_SERVICE, &subject, &alone).await), "400 invalid_request");
    token_in(&world.exchange(API1_SERVICE, &subject, &[("resource", TWO)]).await);
}

#[tokio::test]
async fn a_token_for_exchange_only_leads_to_what_the_matrix_has() {
    let world = World::start().await;
    let for_exchange = world.of_corp(|claims| {
        claims["aud"] = "narrowgate".into();
        claims["scope"] = "read reports admin".into();
    });
    assert_eq!(world.verdicts(&for_exchange).await[0], "401 audience_mismatch");
    let said = claims(&token_in(&world.exchange(APP, &for_exchange, &[("audience", TWO)]).await));
    assert_eq!((&said["aud"], &said["scope"]), (&json!(TWO), &json!("read reports")));
    for (more, refused) in [
        (vec![("resource", "https://api3.example.com")], "400 invalid_target"),
        (vec![("resource", "https://nowhere.example.com")], "400 invalid_target"),
        (vec![("resource", ONE), ("resource", TWO)], "400 invalid_target"),
        (vec![], "400 invalid_target"),
        (vec![("resource", TWO), ("scope", "reports write")], "400 invalid_scope"),
    ] {
        assert_eq!(refusal(&world.exchange(APP, &for_exchange, &more).await), refused, "{more:?}");
    }
}

#[tokio::test]
async fn user_claims_go_where_the_resource_asks_and_the_issuer_lets_them() {
    let world = World::start().await;
    let token = world.of_corp(|claims| {
        (claims["email"], claims["nickname"]) = ("alice@corp.example".into(), "al".into());
        claims["secret_of_corp"] = "x".into();
    });
    let said = claims(&token_in(&world.exchange(APP, &token, &[("resource", ONE)]).await));
    assert_eq!(said["email"], "alice@corp.example");
    assert!(said.get("nickname").is_none() && said.get("secret_of_corp").is_none(), "{said}");
}
