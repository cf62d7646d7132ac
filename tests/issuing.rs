//! What our own issuer keeps, and what it keeps it from: restarts, `kill -9`, a second process, another key.

#[path = "postgres/cluster.rs"]
mod cluster;
#[path = "postgres/database.rs"]
mod database;
#[path = "issuing/house.rs"]
mod house;
#[path = "issuing/killed.rs"]
mod killed;
#[path = "issuing/storm.rs"]
mod storm;

use std::fs;

use house::{House, kids, token, verifies};
use narrowgate::app::{StartError, keys};
use narrowgate::clock::Timestamp;
use narrowgate::config::{KeyFile, KeyOrigin};
use narrowgate::oauth::SigningAlgorithm;
use narrowgate::secret::Secret;
use narrowgate::store::{Revocation, StoreError};
use narrowgate::token::mint::KeyState;

#[tokio::test(flavor = "multi_thread")]
async fn keys_survive_a_restart() {
    let house = House::new("restart");
    let first = house.start().await.unwrap();
    let before = kids(&first);
    assert_eq!(before.len(), 2, "one that signs and one that comes");
    let token = token(&first);
    house.stop(first).await;
    let second = house.start().await.unwrap();
    assert_eq!(kids(&second), before);
    assert!(verifies(&second, &token));
    let names: Vec<_> = house.names();
    assert_eq!(names, ["narrowgate.redb", "narrowgate.redb.key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_store_says_who_is_at_fault() {
    let house = House::new("second");
    let _first = house.start().await.unwrap();
    let refusal = house.refusal().await;
    assert_eq!(refusal, "`store: narrowgate.redb`: another process uses the store");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_opens_nothing_and_overwrites_nothing() {
    let house = House::new("sealed");
    let first = house.start().await.unwrap();
    let before = kids(&first);
    house.stop(first).await;
    let key = house.path("narrowgate.redb.key");
    let right = fs::read(&key).unwrap();

    fs::write(&key, [7; 32]).unwrap();
    let wrong = "the signing keys in the store do not open under `narrowgate.redb.key`: they were sealed under another key, \
                 or are damaged";
    assert_eq!(house.refusal().await, wrong);
    fs::remove_file(&key).unwrap();
    let missing = "nothing can be sealed under `narrowgate.redb.key`: there is no `narrowgate.redb.key`";
    assert_eq!(house.refusal().await, missing);
    assert!(!key.exists(), "no other key is made for what is sealed already");

    House::write_private(&key, &right);
    assert_eq!(kids(&house.start().await.unwrap()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_users_have_is_as_safe_where_the_signing_keys_are_files() {
    let mut house = House::new("files");
    let pem = Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem());
    house.signing(KeyOrigin::Files(vec![KeyFile { path: "k.pem".into(), pem }]));
    house.login();
    house.stop(house.start().await.unwrap()).await;
    let key = house.path("narrowgate.redb.key");
    let right = fs::read(&key).unwrap();

    fs::write(&key, [7; 32]).unwrap();
    let wrong = |place: &str| {
        format!(
            "what is sealed in the store does not open under {place}: it was sealed under another key, or is damaged"
        )
    };
    assert_eq!(house.refusal().await, wrong("`narrowgate.redb.key`"));
    fs::remove_file(&key).unwrap();
    let missing = "nothing can be sealed under `narrowgate.redb.key`: there is no `narrowgate.redb.key`";
    assert_eq!(house.refusal().await, missing);
    assert!(!key.exists(), "no other key is made for what is sealed already");
    let mut other = house.clone_config();
    other.issuer.as_mut().unwrap().signing.encryption = Some(Secret::new("5a".repeat(32)));
    assert_eq!(house.refusal_of(other).await, wrong("`signing.key_encryption`"));

    House::write_private(&key, &right);
    house.start().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_no_key_is_refused() {
    let mut house = House::new("secret");
    let mut encryption = |text: &str| {
        house.encryption(Secret::new(text));
        house.clone_config()
    };
    let (weak, strong) = (encryption("correct horse battery staple"), encryption(&"5a".repeat(32)));
    let told = "nothing can be sealed under `signing.key_encryption`: it is not 32 bytes in base64 or hex";
    assert_eq!(house.refusal_of(weak).await, told);
    let running = house.start_with(strong).await.unwrap();
    assert_eq!(kids(&running).len(), 2);
    assert_eq!(house.names(), ["narrowgate.redb"], "and no file for a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_rotates_and_earlier_tokens_stay_good() {
    let house = House::new("order");
    let running = house.start().await.unwrap();
    let (before, token) = (house::ask(&running, "GET", "/keys").await, token(&running));
    let states = |keys: &serde_json::Value| -> Vec<(String, String)> {
        let keys = keys["keys"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        keys.map(|key| (text(&key["state"]), text(&key["kid"]))).collect()
    };
    let [(_, old), (_, next)] = &states(&before)[..] else { panic!("{before}") };
    let after = house::ask(&running, "POST", "/keys/rotate").await;
    let told = states(&after);
    let expected = [("retired", old), ("current", next)].map(|(state, kid)| (state.to_owned(), kid.clone()));
    assert_eq!((&told[..2], &*told[2].0), (&expected[..], "next"));
    assert!(after["consequence"].as_str().unwrap().starts_with("a key that signs now was published"));
    assert!(!after.to_string().contains("private") && !after.to_string().contains("\"d\""));
    assert!(verifies(&running, &token), "of the old key");
    let signed = house::token(&running);
    assert_eq!(house::kid(&signed), *next);
    house.stop(running).await;
    let again = house.start().await.unwrap();
    assert!(verifies(&again, &token) && verifies(&again, &signed));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_and_rotated_while_nobody_uses_the_store() {
    let house = House::new("offline");
    let config = house.clone_config();
    let server = config.issuer.as_ref().unwrap();
    assert_eq!(keys::list(&config, server).await.unwrap(), []);
    assert_eq!(house.names(), [""; 0], "looking makes nothing");
    let running = house.start().await.unwrap();
    let (token, before) = (token(&running), kids(&running));
    let in_use = keys::list(&config, server).await.unwrap_err();
    assert!(matches!(in_use, StartError::Store { source: StoreError::InUse, .. }), "{in_use}");
    house.stop(running).await;
    let listed = keys::list(&config, server).await.unwrap();
    assert_eq!(listed.iter().map(|key| key.state).collect::<Vec<_>>(), [KeyState::Current, KeyState::Next]);
    assert!(listed.iter().all(|key| before.contains(&key.kid)));
    let rotated = keys::rotate(&config, server).await.unwrap();
    let states: Vec<_> = rotated.iter().map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Retired, KeyState::Current, KeyState::Next]);
    assert_eq!(rotated[1].kid, listed[1].kid);
    let running = house.start().await.unwrap();
    assert!(verifies(&running, &token));
    assert_eq!(house::kid(&house::token(&running)), listed[1].kid);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_files_need_no_store_and_are_rotated_by_their_owner() {
    let mut house = House::new("files");
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let file = KeyFile { path: house.path("signing.pem"), pem: Secret::new(pem) };
    house.signing(KeyOrigin::Files(vec![file]));
    let mut config = house.clone_config();
    config.store = None;
    let server = config.issuer.clone().unwrap();
    let listed = keys::list(&config, &server).await.unwrap();
    assert_eq!((listed.len(), listed[0].state), (1, KeyState::Current));
    let refused = keys::rotate(&config, &server).await.unwrap_err();
    assert_eq!(refused.to_string(), "the keys come from files: rotate them by changing `signing.keys`");
    let running = house.start_with(config.clone()).await.unwrap();
    assert_eq!(kids(&running), [listed[0].kid.clone()]);
    assert!(verifies(&running, &token(&running)));
    assert_eq!(house.names(), [""; 0]);
    config.resources[0].signing_algorithm = Some(SigningAlgorithm::EdDsa);
    let missing = "no file of `signing.keys` holds a key for EdDSA, which a resource's `signing_algorithm` asks for";
    assert_eq!(house.refusal_of(config).await, missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_takes_back_is_known_here_soon_and_after_a_restart() {
    let house = House::new("revoked");
    let running = house.start().await.unwrap();
    let issuing = running.current().load().issuing.clone().unwrap();
    let until = Timestamp(Timestamp::now().0 + 600);
    issuing.store.revoke(&Revocation { name: "root".to_owned(), until }).await.unwrap();
    house::soon(|| issuing.revocations.contain("root.a")).await;
    drop(issuing);
    house.stop(running).await;
    let again = house.start().await.unwrap();
    assert!(again.current().load().issuing.as_ref().unwrap().revocations.contain("root.a"), "before the first request");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_resources_ask_for_signs() {
    let mut house = House::new("algorithms");
    house.resource_algorithm(SigningAlgorithm::EdDsa);
    let running = house.start().await.unwrap();
    let keys = running.current().load().issuing.as_ref().unwrap().keys.load();
    assert!(keys.key(SigningAlgorithm::EdDsa).is_some());
    assert_eq!((keys.default_algorithm(), kids(&running).len()), (SigningAlgorithm::Es256, 4));
}
