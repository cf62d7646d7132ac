//! A ring against an issuer on the loopback address: what it fetches, how often, and what it keeps.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;

use super::*;
use crate::config::{JwksLocation, KeySource};
use crate::fetch::loopback::Reply;
use crate::oauth::Algorithm;
use crate::secret::Secret;
use crate::token::keys::KeySetId;
use crate::token::keys::signer::{TestSigner, jwks};
use crate::token::keys::site::{Site, trusted};

const HOUR: Duration = Duration::from_secs(3600);

fn ring(issuer: TrustedIssuer) -> Arc<Keyring> {
    Keyring::new(issuer, Fetcher::new(None).unwrap())
}

/// The names of the keys in use now.
fn kids(ring: &Keyring) -> Vec<&'static str> {
    let Some(keys) = ring.current(Timestamp::now()) else { return Vec::new() };
    let known = ["a", "b", "c", "d"].into_iter();
    known.filter(|kid| keys.find(Some(kid), Algorithm::Es256).is_ok()).collect()
}

fn id(ring: &Keyring) -> KeySetId {
    ring.current(Timestamp::now()).expect("there are keys").id()
}

fn file(json: &[u8]) -> JwksLocation {
    JwksLocation::File { path: PathBuf::from("keys.json"), json: json.into() }
}

#[tokio::test]
async fn keys_in_a_file_are_there_at_once_and_never_fetched() {
    let keys = KeySource::Jwks(vec![file(&jwks(&[TestSigner::new("a", "ES256").jwk()]))]);
    let ring = ring(TrustedIssuer { keys, ..trusted("https://login.example.com") });
    assert_eq!(kids(&ring), ["a"]);
    assert!(!ring.wants_refetch(Timestamp::now()) && ring.has_keys(Timestamp(u64::MAX)));
    ring.tried().await;
    ring.refetch().await;
    let (_sender, shutdown) = watch::channel(false);
    Arc::clone(&ring).keep_fresh(shutdown).await;
    assert_eq!(ring.status(Timestamp::now()).age_seconds, None);
}

#[test]
fn a_file_that_is_no_key_set_leaves_the_ring_empty_and_says_why() {
    let keys = KeySource::Jwks(vec![file(b"{}")]);
    let ring = ring(TrustedIssuer { keys, ..trusted("https://login.example.com") });
    let status = ring.status(Timestamp::now());
    let message = "`keys.json`: the document is not a JSON Web Key Set: `{\"keys\": [..]}`: missing field `keys`";
    assert!(status.last_error.as_ref().is_some_and(|error| error.starts_with(message)), "{status:?}");
    assert_eq!((status.has_keys, status.keys, status.consecutive_failures), (false, 0, 1));
}

#[tokio::test]
async fn the_background_task_reads_at_start_and_again_after_refresh() {
    let site = Site::start().await;
    site.publish("/jwks", &["a"]);
    let ring = ring(TrustedIssuer { refresh: Duration::from_millis(10), ..site.with_keys_at(&["/jwks"]) });
    assert_eq!(kids(&ring), Vec::<&str>::new());
    let (sender, shutdown) = watch::channel(false);
    let task = tokio::spawn(Arc::clone(&ring).keep_fresh(shutdown));
    ring.tried().await;
    assert_eq!(kids(&ring), ["a"]);
    let status = ring.status(Timestamp(Timestamp::now().0 + 100));
    assert_eq!((status.keys, status.last_error, status.consecutive_failures), (1, None, 0));
    assert!(status.age_seconds.is_some_and(|age| (100..110).contains(&age)));
    site.server.was_asked(4).await;
    sender.send(true).unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn the_background_task_tries_again_after_a_failure() {
    let site = Site::start().await;
    site.set("/jwks", Reply::status(500));
    let ring = ring(TrustedIssuer { refresh: Duration::from_millis(10), ..site.with_keys_at(&["/jwks"]) });
    let (sender, shutdown) = watch::channel(false);
    let task = tokio::spawn(Arc::clone(&ring).keep_fresh(shutdown));
    ring.tried().await;
    assert_eq!(kids(&ring), Vec::<&str>::new());
    site.server.was_asked(3).await;
    site.publish("/jwks", &["a"]);
    site.server.was_asked(site.server.requests().len() + 2).await;
    assert_eq!(kids(&ring), ["a"]);
    drop(sender);
    task.await.unwrap();
}

#[tokio::test]
async fn a_round_ends_within_the_patience_of_the_fetcher() {
    for reply in [Reply::Silence, Reply::Drip] {
        let site = Site::start().await;
        site.set("/jwks", reply);
        let ring = Keyring::new(site.with_keys_at(&["/jwks"]), Fetcher::impatient(Duration::from_millis(100)));
        ring.refetch().await;
        let error = ring.status(Timestamp::now()).last_error.expect("it failed");
        assert!(error.contains("took too long"), "{error}");
    }
}

#[tokio::test]
async fn a_rotation_is_followed_and_a_withdrawn_key_is_gone() {
    let site = Site::start().await;
    let ring = ring(site.with_keys_at(&["/jwks"]));
    for (published, expected) in [(&["a"][..], &["a"][..]), (&["a", "b"], &["a", "b"]), (&["b"], &["b"])] {
        site.publish("/jwks", published);
        ring.refetch().await;
        assert_eq!(kids(&ring), expected);
    }
}

#[tokio::test]
async fn the_same_keys_keep_their_id_and_other_keys_get_another() {
    let site = Site::start().await;
    let (a, b) = (TestSigner::new("a", "ES256").jwk(), TestSigner::new("b", "ES256").jwk());
    let ring = ring(site.with_keys_at(&["/jwks"]));
    site.set("/jwks", Reply::ok(jwks(&[a.clone(), b.clone()])));
    ring.refetch().await;
    let before = id(&ring);
    site.set("/jwks", Reply::ok(jwks(&[b, a])));
    ring.refetch().await;
    assert_eq!((site.server.count("/jwks"), id(&ring)), (2, before));
    site.publish("/jwks", &["a", "b"]);
    ring.refetch().await;
    assert_ne!(id(&ring), before);
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_share_one_round() {
    let site = Site::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let keys = Reply::ok(jwks(&[TestSigner::new("a", "ES256").jwk()]));
    site.set("/jwks", Reply::Held(Arc::clone(&gate), Box::new(keys)));
    let ring = ring(site.with_keys_at(&["/jwks"]));
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let ring = Arc::clone(&ring);
        waiting.spawn(async move {
            ring.refetch().await;
            kids(&ring)
        });
    }
    site.server.was_asked(1).await;
    assert!(ring.wants_refetch(Timestamp::now()));
    gate.add_permits(100);
    assert!(waiting.join_all().await.iter().all(|kids| kids == &["a"]));
    assert_eq!(site.server.count("/jwks"), 1);
}

#[tokio::test]
async fn a_thousand_unknown_names_cost_one_fetch() {
    let site = Site::start().await;
    site.publish("/jwks", &["a"]);
    let ring = ring(TrustedIssuer { refetch_after: HOUR, ..site.with_keys_at(&["/jwks"]) });
    assert!(ring.wants_refetch(Timestamp::now()));
    for _ in 0..1000 {
        ring.refetch().await;
    }
    assert_eq!((site.server.count("/jwks"), kids(&ring)), (1, vec!["a"]));
    let now = Timestamp::now().0;
    assert!(!ring.wants_refetch(Timestamp(now)) && ring.wants_refetch(Timestamp(now + 3601)));
}

#[tokio::test]
async fn a_round_by_schedule_leaves_the_next_unknown_name_its_fetch() {
    let site = Site::start().await;
    site.publish("/jwks", &["a"]);
    let ring = ring(TrustedIssuer { refetch_after: HOUR, ..site.with_keys_at(&["/jwks"]) });
    ring.round(Occasion::Schedule).await;
    site.publish("/jwks", &["b"]);
    assert!(ring.wants_refetch(Timestamp::now()));
    ring.refetch().await;
    assert_eq!(kids(&ring), ["b"]);
}

#[tokio::test]
async fn a_caller_who_goes_away_ends_nothing() {
    let site = Site::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let keys = Reply::ok(jwks(&[TestSigner::new("a", "ES256").jwk()]));
    site.set("/jwks", Reply::Held(Arc::clone(&gate), Box::new(keys)));
    let ring = ring(TrustedIssuer { refetch_after: HOUR, ..site.with_keys_at(&["/jwks"]) });
    let first = tokio::spawn({
        let ring = Arc::clone(&ring);
        async move { ring.refetch().await }
    });
    site.server.was_asked(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    ring.tried().await;
    assert_eq!(kids(&ring), ["a"]);
}

#[tokio::test]
async fn keys_serve_on_while_the_issuer_is_down_and_then_no_longer() {
    let site = Site::start().await;
    let broken = [
        Reply::status(500),
        Reply::status(302).with("Location: /elsewhere"),
        Reply::ok("{\"keys\":[]}"),
        Reply::ok("<html>"),
        Reply::Flood,
    ];
    for reply in broken {
        site.publish("/jwks", &["a"]);
        site.publish("/elsewhere", &["b"]);
        let ring = ring(TrustedIssuer { max_stale: HOUR, ..site.with_keys_at(&["/jwks"]) });
        let start = Timestamp::now().0;
        ring.refetch().await;
        let before = id(&ring);
        site.set("/jwks", reply);
        ring.refetch().await;
        ring.refetch().await;
        assert_eq!((kids(&ring), id(&ring)), (vec!["a"], before));
        assert!(ring.has_keys(Timestamp(start + 3600)) && !ring.has_keys(Timestamp(start + 3700)));
        let status = ring.status(Timestamp(start + 3700));
        assert_eq!((status.has_keys, status.keys, status.consecutive_failures), (false, 0, 2));
        assert!(status.last_error.is_some());
    }
}

#[tokio::test]
async fn a_place_that_fails_keeps_its_last_document_and_the_others_go_on() {
    let site = Site::start().await;
    site.publish("/one", &["a"]);
    site.publish("/two", &["b"]);
    let keys = JwksLocation::Url(site.server.at("/two"));
    let from_file = file(&jwks(&[TestSigner::new("d", "ES256").jwk()]));
    let keys = KeySource::Jwks(vec![JwksLocation::Url(site.server.at("/one")), keys, from_file]);
    let ring = ring(TrustedIssuer { keys, ..site.with_keys_at(&[]) });
    assert_eq!(kids(&ring), ["d"]);
    ring.refetch().await;
    assert_eq!(kids(&ring), ["a", "b", "d"]);
    site.set("/one", Reply::status(503));
    site.publish("/two", &["c"]);
    ring.refetch().await;
    assert_eq!(kids(&ring), ["a", "c", "d"]);
    assert_eq!(ring.status(Timestamp::now()).consecutive_failures, 1);
}

#[tokio::test]
async fn one_issuers_silence_costs_another_nothing() {
    let (down, up) = (Site::start().await, Site::start().await);
    down.set("/jwks", Reply::Silence);
    up.publish("/jwks", &["a"]);
    let (down_ring, up_ring) = (ring(down.with_keys_at(&["/jwks"])), ring(up.with_keys_at(&["/jwks"])));
    let waiting = tokio::spawn(async move { down_ring.refetch().await });
    down.server.was_asked(1).await;
    up_ring.refetch().await;
    assert_eq!(kids(&up_ring), ["a"]);
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn keys_are_found_by_either_metadata_document() {
    for (path, well_known) in [
        ("", "/.well-known/openid-configuration"),
        ("", "/.well-known/oauth-authorization-server"),
        ("/", "/.well-known/openid-configuration"),
        ("/realms/corp", "/realms/corp/.well-known/openid-configuration"),
        ("/realms/corp/", "/.well-known/oauth-authorization-server/realms/corp"),
    ] {
        let site = Site::start().await;
        let issuer = format!("{}{path}", site.issuer());
        site.describe(well_known, &issuer);
        site.publish("/jwks", &["a"]);
        let ring = ring(trusted(&issuer));
        ring.round(Occasion::Schedule).await;
        assert_eq!(kids(&ring), ["a"], "{issuer}");
    }
}

#[tokio::test]
async fn metadata_about_another_issuer_is_refused_and_its_keys_not_fetched() {
    let site = Site::start().await;
    site.describe("/.well-known/openid-configuration", &format!("{}/", site.issuer()));
    site.publish("/jwks", &["a"]);
    let ring = ring(trusted(&site.issuer()));
    ring.refetch().await;
    assert_eq!((kids(&ring), site.server.count("/jwks")), (Vec::<&str>::new(), 0));
    let error = ring.status(Timestamp::now()).last_error.expect("it failed");
    assert!(error.contains(&format!("its `issuer` is `{}/`", site.issuer())), "{error}");
}

#[tokio::test]
async fn metadata_at_a_place_of_its_own_may_be_about_any_of_the_issuers() {
    let site = Site::start().await;
    site.publish("/jwks", &["a"]);
    let keys = KeySource::DiscoveryAt { url: site.server.at("/metadata") };
    let issuers = vec!["https://sts.example.com/1/".to_owned(), "https://login.example.com/1".to_owned()];
    let base = TrustedIssuer { keys, issuers: issuers.clone(), ..trusted(&site.issuer()) };
    for issuer in &issuers {
        site.describe("/metadata", issuer);
        let ring = ring(base.clone());
        ring.refetch().await;
        assert_eq!(kids(&ring), ["a"]);
    }
    site.describe("/metadata", &site.issuer());
    let ring = ring(base);
    ring.refetch().await;
    assert_eq!(kids(&ring), Vec::<&str>::new());
}

#[tokio::test]
async fn what_is_told_of_metadata_never_shows_a_query() {
    let site = Site::start().await;
    let mut url = site.server.at("/metadata");
    url.set_query(Some("key=hunter2"));
    site.set("/metadata?key=hunter2", Reply::ok("{}"));
    let ring = ring(TrustedIssuer { keys: KeySource::DiscoveryAt { url }, ..trusted(&site.issuer()) });
    ring.refetch().await;
    let error = ring.status(Timestamp::now()).last_error.expect("it failed");
    assert!(error.contains("/metadata`: it is not metadata") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn an_unknown_name_asks_for_the_keys_alone_and_the_schedule_for_the_metadata_too() {
    let site = Site::start().await;
    let metadata = "/.well-known/openid-configuration";
    site.describe(metadata, &site.issuer());
    site.publish("/jwks", &["a"]);
    let ring = ring(TrustedIssuer { refetch_after: Duration::ZERO, ..trusted(&site.issuer()) });
    ring.round(Occasion::Schedule).await;
    ring.refetch().await;
    assert_eq!((site.server.count(metadata), site.server.count("/jwks")), (1, 2));
    ring.round(Occasion::Schedule).await;
    assert_eq!((site.server.count(metadata), site.server.count("/jwks")), (2, 3));
    site.set("/jwks", Reply::status(404));
    site.publish("/moved", &["b"]);
    let moved = json!({ "issuer": site.issuer(), "jwks_uri": site.server.at("/moved").as_str() });
    site.set(metadata, Reply::ok(moved.to_string()));
    ring.refetch().await;
    assert_eq!(kids(&ring), ["b"]);
}

#[tokio::test]
async fn the_credential_goes_to_the_metadata_and_to_the_keys() {
    let site = Site::start().await;
    site.describe("/.well-known/openid-configuration", &site.issuer());
    site.publish("/jwks", &["a"]);
    let ring = ring(TrustedIssuer { fetch_token: Some(Secret::new("s3cret")), ..trusted(&site.issuer()) });
    ring.refetch().await;
    let requests = site.server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.contains("authorization: Bearer s3cret\r\n")));
}

#[tokio::test]
async fn one_broken_key_does_not_cost_the_set() {
    let site = Site::start().await;
    let odd = json!({ "kty": "EC", "crv": "P-521", "kid": "b", "x": "AA", "y": "AA" });
    site.set("/jwks", Reply::ok(jwks(&[odd, TestSigner::new("a", "ES256").jwk()])));
    let ring = ring(site.with_keys_at(&["/jwks"]));
    ring.refetch().await;
    assert_eq!((kids(&ring), ring.status(Timestamp::now()).last_error), (vec!["a"], None));
}

#[tokio::test]
async fn a_changed_issuer_keeps_what_the_same_places_gave() {
    let site = Site::start().await;
    site.publish("/jwks", &["a"]);
    let before = ring(site.with_keys_at(&["/jwks"]));
    before.refetch().await;
    let asked = site.server.requests().len();
    let changed = TrustedIssuer { refresh: Duration::from_secs(7), ..before.issuer().clone() };
    let after = Keyring::succeed(&before, changed.clone(), before.fetcher.clone());
    assert_eq!((kids(&after), site.server.requests().len()), (vec!["a"], asked));
    assert_ne!(id(&after), id(&before), "what was proven before is proven again");

    let elsewhere = TrustedIssuer { keys: site.with_keys_at(&["/other"]).keys, ..changed.clone() };
    let stranger = TrustedIssuer { issuers: vec!["https://other.example".to_owned()], ..changed.clone() };
    let stricter = TrustedIssuer { algorithms: vec![crate::oauth::Algorithm::Rs256], ..changed };
    for issuer in [elsewhere, stranger, stricter] {
        assert_eq!(kids(&Keyring::succeed(&before, issuer, before.fetcher.clone())), Vec::<&str>::new());
    }
}
