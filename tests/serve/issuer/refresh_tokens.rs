//! Refresh tokens at the token endpoint and at revocation: rotation, the grace, reuse, and what ends a family.

use std::sync::Arc;
use std::time::Duration;

use narrowgate::clock::Timestamp;
use narrowgate::config::Config;
use narrowgate::store::{Family, NewCode, NewFamily, Refresh, TakingCode, TokenDigest};

use tokio::task::JoinSet;

use super::granted::{
    self, ALL, OTHER, PAGE, WEB, code, families, kept, opens, redeem, redemption, refresh, refusal, tokens_of,
};
use super::world::{ONE, Plan, TWO, World, claims};

/// The tokens that a code gives.
async fn begun(world: &World) -> (String, String) {
    let code = code(world, WEB.0, ALL).await;
    tokens_of(&redeem(world, WEB, &code, ONE).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_rotated_and_keeps_the_whole_grant() {
    let world = granted::world().await;
    let (first, mut refresh_token) = begun(&world).await;
    let root = |token: &str| claims(token)["jti"].as_str().unwrap().split_once('.').unwrap().0.to_owned();
    for (resource, scope) in [(TWO, "reports"), (ONE, "read write"), (TWO, "reports")] {
        let reply = refresh(&world, WEB, &refresh_token, resource).await;
        assert_eq!(reply.field("cache-control"), Some("no-store"));
        let answer = reply.json();
        let (access_token, next) = tokens_of(&reply);
        assert_eq!((&answer["scope"], &answer["resource"]), (&scope.into(), &serde_json::json!([resource])));
        assert_eq!((&claims(&access_token)["aud"], root(&access_token)), (&resource.into(), root(&first)));
        assert!(opens(&world, &access_token).await);
        assert_ne!(next, refresh_token);
        refresh_token = next;
    }
    let counted = format!(r#"narrowgate_tokens_issued_total{{grant="refresh_token",resource="{TWO}"}} 2"#);
    assert!(world.gateway.metrics.encode().contains(&counted));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_for_refresh_tokens_and_none_burns_it() {
    let world = granted::world().await;
    let (access_token, refresh_token) = begun(&world).await;
    let form = |more: &[(&'static str, &'static str)]| {
        [&[("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)][..], more].concat()
    };
    let one = ("resource", ONE);
    for (situation, client, form, expected) in [
        ("no refresh token", WEB, vec![("grant_type", "refresh_token")], "400 invalid_request"),
        ("an unknown one", WEB, vec![("grant_type", "refresh_token"), ("refresh_token", "x")], "400 invalid_grant"),
        ("another client's", OTHER, form(&[one]), "400 invalid_grant"),
        ("a client without the grant", ("app", "app-s3cret"), form(&[one]), "400 unauthorized_client"),
        ("a wrong secret", ("web", "wrong"), form(&[one]), "401 invalid_client"),
        ("an unknown resource", WEB, form(&[("resource", "https://api3.example")]), "400 invalid_target"),
        ("a malformed resource", WEB, form(&[("resource", "https://api1.example#x")]), "400 invalid_target"),
        ("two resources", WEB, form(&[one, ("resource", TWO)]), "400 invalid_target"),
        ("none where several are granted", WEB, form(&[]), "400 invalid_target"),
        ("a scope beyond the grant", WEB, form(&[one, ("scope", "read admin")]), "400 invalid_scope"),
        ("a malformed scope", WEB, form(&[one, ("scope", "re\"ad")]), "400 invalid_scope"),
    ] {
        assert_eq!(refusal(&world.post("/token", Some(client), &form).await), expected, "{situation}");
    }
    assert!(opens(&world, &access_token).await);
    let narrowed = form(&[one, ("scope", "read")]);
    let (narrow, next) = tokens_of(&world.post("/token", Some(WEB), &narrowed).await);
    assert_eq!(claims(&narrow)["scope"], "read");
    assert_eq!(claims(&tokens_of(&refresh(&world, WEB, &next, ONE).await).0)["scope"], "read write");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_good_while_its_access_token_lives() {
    let change = |config: &mut Config| {
        granted::with_users(config);
        let server = config.issuer.as_mut().unwrap();
        server.access_token_lifetime = Duration::from_secs(12 * 3_600);
        server.refresh_token_lifetime = Duration::from_secs(24 * 3_600);
    };
    let world = World::planned(Plan { change: Box::new(change), ..Plan::default() }).await;
    let is_good_as_long = async |(access_token, refresh_token): (String, String)| {
        let digest = TokenDigest::of(refresh_token.as_bytes());
        let Ok(Refresh::Leaf(family)) = kept(&world).look_up_refresh(&digest, Timestamp::now()).await else {
            panic!("it is good")
        };
        assert!(family.until.0 >= claims(&access_token)["exp"].as_u64().unwrap() && family.until <= family.end);
        refresh_token
    };
    let refresh_token = is_good_as_long(begun(&world).await).await;
    is_good_as_long(tokens_of(&refresh(&world, WEB, &refresh_token, ONE).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_given_again() {
    let world = granted::world().await;
    let (_, lost) = begun(&world).await;
    let (access_token, next) = tokens_of(&refresh(&world, WEB, &lost, ONE).await);
    for resource in [ONE, TWO, ONE] {
        let (again, same) = tokens_of(&refresh(&world, WEB, &lost, resource).await);
        assert_eq!(same, next, "one successor, however often");
        assert!(opens(&world, &again).await);
        assert!(claims(&again)["exp"].as_u64() <= claims(&access_token)["exp"].as_u64());
    }
    assert_eq!(refusal(&refresh(&world, OTHER, &lost, ONE).await), "400 invalid_grant");
    tokens_of(&refresh(&world, WEB, &next, ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_refresh_at_once_all_get_one_successor() {
    let world = Arc::new(granted::world().await);
    let (_, shown) = begun(&world).await;
    let asking = (0..16).map(|_| {
        let (world, shown) = (Arc::clone(&world), shown.clone());
        async move { refresh(&world, WEB, &shown, ONE).await }
    });
    let replies = asking.collect::<JoinSet<_>>().join_all().await;
    let successors: std::collections::BTreeSet<_> = replies.iter().map(|reply| tokens_of(reply).1).collect();
    assert_eq!(successors.len(), 1);
    tokens_of(&refresh(&world, WEB, successors.first().unwrap(), ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reuse_ends_the_family() {
    let world = granted::world().await;
    let (first, spent) = begun(&world).await;
    let (second, next) = tokens_of(&refresh(&world, WEB, &spent, ONE).await);
    let (third, leaf) = tokens_of(&refresh(&world, WEB, &next, TWO).await);
    // Of another client nothing happens.
    assert_eq!(refusal(&refresh(&world, OTHER, &spent, ONE).await), "400 invalid_grant");
    assert!(opens(&world, &third).await);
    assert_eq!(refusal(&refresh(&world, WEB, &spent, ONE).await), "400 invalid_grant");
    for token in [&first, &second, &third] {
        assert!(!opens(&world, token).await, "at once");
    }
    for token in [&spent, &next, &leaf] {
        assert_eq!(refusal(&refresh(&world, WEB, token, ONE).await), "400 invalid_grant");
    }
    assert_eq!(families(&world, WEB.0).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gives_its_refresh_token_up_with_all_that_came_of_it() {
    let world = granted::world().await;
    let (access_token, refresh_token) = begun(&world).await;
    let (second, leaf) = tokens_of(&refresh(&world, WEB, &refresh_token, TWO).await);
    let hinted = [("token", &*leaf), ("token_type_hint", "access_token")];
    assert_eq!(refusal(&world.post("/revoke", Some(OTHER), &hinted).await), "400 invalid_grant");
    assert!(opens(&world, &second).await);
    let reply = world.post("/revoke", Some(WEB), &hinted).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert!(!opens(&world, &access_token).await && !opens(&world, &second).await);
    assert_eq!(refusal(&refresh(&world, WEB, &leaf, ONE).await), "400 invalid_grant");
    assert_eq!(world.post("/revoke", Some(WEB), &hinted).await.status, 200, "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_of_a_user_takes_its_family_along() {
    let world = granted::world().await;
    let (access_token, refresh_token) = begun(&world).await;
    assert_eq!(world.post("/revoke", Some(WEB), &[("token", &access_token)]).await.status, 200);
    assert!(!opens(&world, &access_token).await);
    assert_eq!(refusal(&refresh(&world, WEB, &refresh_token, ONE).await), "400 invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_gives_up_its_own_and_nobody_elses() {
    let world = granted::world().await;
    let (_, theirs) = begun(&world).await;
    let reply = world.post("/revoke", None, &[("token", &theirs), ("client_id", PAGE)]).await;
    assert_eq!(refusal(&reply), "400 invalid_grant");
    let code = code(&world, PAGE, ALL).await;
    let form = [&redemption(&code)[..], &[("resource", ONE), ("client_id", PAGE)]].concat();
    let (access_token, own) = tokens_of(&world.post("/token", None, &form).await);
    assert_eq!(world.post("/revoke", None, &[("token", &own), ("client_id", PAGE)]).await.status, 200);
    assert!(!opens(&world, &access_token).await);
    assert_eq!(families(&world, PAGE).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_another_family_counts_for_nothing_and_ends_nothing() {
    let world = granted::world().await;
    let (_, other) = begun(&world).await;
    let store = kept(&world);
    let look =
        async |token: &str| store.look_up_refresh(&TokenDigest::of(token.as_bytes()), Timestamp::now()).await.unwrap();
    let Refresh::Leaf(theirs) = look(&other).await else { panic!("it is good") };
    let digest = TokenDigest::of(b"code");
    let code = NewCode { digest, root: "root".to_owned(), record: Vec::new(), until: theirs.end };
    store.save_code(&code).await.unwrap();
    let Family { client, subject, record, until, tokens_until, end, .. } = theirs;
    let family = NewFamily { client, subject, record, leaf: TokenDigest::of(b"one"), until, tokens_until, end };
    let taking = TakingCode { digest, record: Vec::new(), family, now: Timestamp::now() };
    store.take_code(&taking).await.unwrap();
    let reply = refresh(&world, WEB, "one", ONE).await;
    assert_eq!((refusal(&reply), reply.field("retry-after")), ("503 no error".to_owned(), Some("1")));
    assert!(matches!(look("one").await, Refresh::Leaf(_)), "it is no fault of the client's");
    tokens_of(&refresh(&world, WEB, &other, ONE).await);
}
