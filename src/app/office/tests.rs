//! Our own issuer over changes of the configuration, and while its store is down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::*;
use crate::config::{Database, DatabaseEncryption, Environment, KeyFile, Signing, UserLogin, parse};
use crate::oauth::SigningAlgorithm;
use crate::store::{
    Code, CodeStore, Consent, ConsentStore, ConsentedScopes, Family, FamilyStore, NewCode, Refresh, Revocation,
    RevocationFeed, Rotated, Rotation, SealedKeyRing, TakingCode, TokenDigest, Whose,
};

const YAML: &str = "
listen: 127.0.0.1:0
resources: { https://api.example: { upstream: http://127.0.0.1:1 } }
";

fn config() -> Config {
    let loaded = parse(YAML, Path::new("gateway.yaml"), &Environment::default());
    let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let keys = KeyOrigin::Store { rotate_every: Duration::from_secs(3600) };
    config.issuer = Some(AuthorizationServer {
        issuer: "https://auth.example".to_owned(),
        url: "https://auth.example".parse().unwrap(),
        access_token_lifetime: Duration::from_secs(300),
        code_lifetime: AuthorizationServer::CODE_LIFETIME,
        refresh_token_lifetime: AuthorizationServer::REFRESH_TOKEN_LIFETIME,
        exchange_depth: 4,
        development_tokens: false,
        session_lifetime: AuthorizationServer::SESSION_LIFETIME,
        login: None,
        signing: Signing { algorithm: SigningAlgorithm::Es256, keys, encryption: None },
        clients: Vec::new(),
    });
    config
}

/// A store that can be taken down.
#[derive(Debug, Default)]
struct Fragile {
    kept: MemoryStore,
    is_down: AtomicBool,
}

impl Fragile {
    fn kept(&self) -> Result<&MemoryStore, StoreError> {
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(StoreError::Unusable("it is down".to_owned())),
            false => Ok(&self.kept),
        }
    }
}

#[async_trait]
impl Store for Fragile {
    async fn key_ring(&self) -> Result<Option<SealedKeyRing>, StoreError> {
        self.kept()?.key_ring().await
    }

    async fn replace_key_ring(&self, before: Option<u64>, sealed: &[u8]) -> Result<bool, StoreError> {
        self.kept()?.replace_key_ring(before, sealed).await
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.kept()?.revoke(revocation).await
    }

    async fn revocations_after(&self, place: u64) -> Result<RevocationFeed, StoreError> {
        self.kept()?.revocations_after(place).await
    }

    async fn mark_used(&self, name: &str, until: Timestamp) -> Result<bool, StoreError> {
        self.kept()?.mark_used(name, until).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.kept()?.sweep(now).await
    }
}

#[async_trait]
impl CodeStore for Fragile {
    async fn save_code(&self, code: &NewCode) -> Result<(), StoreError> {
        self.kept()?.save_code(code).await
    }

    async fn peek_code(&self, digest: &TokenDigest, now: Timestamp) -> Result<Code, StoreError> {
        self.kept()?.peek_code(digest, now).await
    }

    async fn take_code(&self, taking: &TakingCode) -> Result<Code, StoreError> {
        self.kept()?.take_code(taking).await
    }

    async fn put_once(&self, name: &str, sealed: &[u8], until: Timestamp) -> Result<bool, StoreError> {
        self.kept()?.put_once(name, sealed, until).await
    }

    async fn peek_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.kept()?.peek_once(name, now).await
    }

    async fn take_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.kept()?.take_once(name, now).await
    }
}

#[async_trait]
impl FamilyStore for Fragile {
    async fn look_up_refresh(&self, digest: &TokenDigest, now: Timestamp) -> Result<Refresh, StoreError> {
        self.kept()?.look_up_refresh(digest, now).await
    }

    async fn rotate_refresh(&self, rotation: &Rotation) -> Result<Rotated, StoreError> {
        self.kept()?.rotate_refresh(rotation).await
    }

    async fn revoke_family(&self, root: &str) -> Result<bool, StoreError> {
        self.kept()?.revoke_family(root).await
    }

    async fn families(&self, of: Whose<'_>, after: Option<&str>, now: Timestamp) -> Result<Vec<Family>, StoreError> {
        self.kept()?.families(of, after, now).await
    }
}

#[async_trait]
impl ConsentStore for Fragile {
    async fn remember_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        self.kept()?.remember_consent(consent).await
    }

    async fn consent_of(&self, client: &str, subject: &str) -> Result<ConsentedScopes, StoreError> {
        self.kept()?.consent_of(client, subject).await
    }

    async fn withdraw_consent(&self, client: &str, subject: &str, resource: &str) -> Result<bool, StoreError> {
        self.kept()?.withdraw_consent(client, subject, resource).await
    }
}

/// An office, and what it is made of.
struct Bench {
    store: Arc<Fragile>,
    open: OpenStore,
    fetcher: Fetcher,
}

impl Bench {
    fn new() -> Self {
        let store = Arc::new(Fragile::default());
        let open = OpenStore { location: StoreLocation::Memory, store: Arc::clone(&store) as Arc<dyn Store> };
        Self { store, open, fetcher: Fetcher::new(None).unwrap() }
    }

    async fn office(&self, config: &Config, before: Option<&Office>) -> Result<Office, StartError> {
        Office::open(config, config.issuer.as_ref().unwrap(), &self.open, &self.fetcher, before).await
    }
}

fn encrypted(config: &mut Config) {
    let encryption = Some(crate::secret::Secret::new("5a".repeat(32)));
    config.issuer.as_mut().unwrap().signing.encryption = encryption;
}

#[tokio::test]
async fn what_does_not_concern_the_keys_changes_nothing() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let first = bench.office(&config, None).await.unwrap();
    config.issuer.as_mut().unwrap().exchange_depth = 2;
    let second = bench.office(&config, Some(&first)).await.unwrap();
    assert!(Arc::ptr_eq(&first.issuing, &second.issuing));
}

#[tokio::test]
async fn another_algorithm_has_a_key_at_once_and_the_others_stay() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let first = bench.office(&config, None).await.unwrap();
    config.resources[0].signing_algorithm = Some(SigningAlgorithm::EdDsa);
    let second = bench.office(&config, Some(&first)).await.unwrap();
    let (before, after) = (first.issuing.keys.load(), second.issuing.keys.load());
    assert!(before.key(SigningAlgorithm::EdDsa).is_none(), "not before the configuration counts");
    assert!(after.key(SigningAlgorithm::EdDsa).is_some());
    let es256 = |keys: &SigningKeys| keys.key(SigningAlgorithm::Es256).map(|key| key.kid().to_owned());
    assert_eq!(es256(&before), es256(&after));
    assert!(Arc::ptr_eq(&first.issuing.revocations, &second.issuing.revocations));
}

#[tokio::test]
async fn another_iss_keeps_the_keys() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let first = bench.office(&config, None).await.unwrap();
    config.issuer.as_mut().unwrap().issuer = "https://new.example".to_owned();
    let second = bench.office(&config, Some(&first)).await.unwrap();
    assert!(first.issuing.keys.load().is_same_as(&second.issuing.keys.load()));
    assert_eq!(second.issuing.keys.verifying().issuer().issuers, ["https://new.example"]);
}

#[tokio::test]
async fn two_nodes_share_their_keys_and_see_each_others_rotation() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let (one, other) = tokio::join!(bench.office(&config, None), bench.office(&config, None));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(one.issuing.keys.load().is_same_as(&other.issuing.keys.load()));
    one.rotate().await.unwrap();
    soon(|| one.issuing.keys.load().is_same_as(&other.issuing.keys.load())).await;
    assert_eq!(one.list().await, other.list().await);
}

#[tokio::test]
async fn a_storm_of_rotations_ends_before_a_verifier_loses_a_key() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let office = bench.office(&config, None).await.unwrap();
    let mut signed = Vec::new();
    let refused = loop {
        let keys = office.issuing.keys.load();
        signed.push(keys.key(SigningAlgorithm::Es256).unwrap().kid().to_owned());
        match office.rotate().await {
            Ok(_) => {}
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, KeysError::TooMany(97..)), "{refused}");
    let verifying = office.issuing.keys.verifying().current(Timestamp::now()).unwrap();
    assert_eq!(verifying.count(), signed.len() + 1, "all that signed, and the next one");
    assert!(signed.iter().all(|kid| verifying.find(Some(kid), SigningAlgorithm::Es256.algorithm()).is_ok()));
}

/// An earlier configuration may have let the same key sign tokens that live longer than any of today's.
#[tokio::test]
async fn with_key_files_a_revocation_lasts_as_long_as_any_token_could() {
    let bench = Bench::new();
    let mut config = config();
    let pem = crate::secret::Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem());
    config.issuer.as_mut().unwrap().signing.keys = KeyOrigin::Files(vec![KeyFile { path: "k.pem".into(), pem }]);
    let of_files = bench.office(&config, None).await.unwrap();
    assert_eq!(of_files.issuing.longest_lifetime, LONGEST_ACCESS_TOKEN);
    let of_a_ring = Bench::new().office(&self::config(), None).await.unwrap();
    assert_eq!(of_a_ring.issuing.longest_lifetime, Duration::from_secs(300));
}

#[tokio::test]
async fn while_the_store_is_down_the_keys_in_memory_go_on() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let office = bench.office(&config, None).await.unwrap();
    let before = office.issuing.keys.load();
    bench.store.is_down.store(true, Ordering::SeqCst);
    assert!(matches!(office.rotate().await, Err(KeysError::Store(_))));
    assert!(before.is_same_as(&office.issuing.keys.load()), "nothing signs that is not in the store");
    assert!(bench.office(&config, None).await.is_err(), "but nothing begins");
    bench.store.is_down.store(false, Ordering::SeqCst);
    office.rotate().await.unwrap();
    assert!(!before.is_same_as(&office.issuing.keys.load()));
}

#[tokio::test]
async fn a_key_that_seals_no_more_changes_nothing() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let first = bench.office(&config, None).await.unwrap();
    let ring = bench.store.key_ring().await.unwrap();
    config.issuer.as_mut().unwrap().signing.encryption = Some(crate::secret::Secret::new("5b".repeat(32)));
    let refused = bench.office(&config, Some(&first)).await.unwrap_err();
    assert!(matches!(refused, StartError::Keys(KeysError::WrongKey { .. })), "{refused}");
    assert_eq!(bench.store.key_ring().await.unwrap(), ring);
}

#[tokio::test]
async fn what_users_have_in_memory_stays_theirs() {
    let bench = Bench::new();
    let mut config = config();
    let pem = crate::secret::Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem());
    let server = config.issuer.as_mut().unwrap();
    server.signing.keys = KeyOrigin::Files(vec![KeyFile { path: "k.pem".into(), pem }]);
    server.login = Some(UserLogin { openid: Vec::new(), users: Vec::new() });
    let first = bench.office(&config, None).await.unwrap();
    let sealed = first.issuing.seals.grants.seal(b"granted").unwrap();
    config.issuer.as_mut().unwrap().issuer = "https://new.example".to_owned();
    let second = bench.office(&config, Some(&first)).await.unwrap();
    assert!(!Arc::ptr_eq(&first.issuing, &second.issuing));
    assert_eq!(second.issuing.seals.grants.open(&sealed).unwrap().expose(), b"granted");
}

#[tokio::test]
async fn a_key_that_opens_nothing_of_users_changes_nothing() {
    let bench = Bench::new();
    let mut config = config();
    encrypted(&mut config);
    let pem = crate::secret::Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem());
    let server = config.issuer.as_mut().unwrap();
    server.signing.keys = KeyOrigin::Files(vec![KeyFile { path: "k.pem".into(), pem }]);
    server.login = Some(UserLogin { openid: Vec::new(), users: Vec::new() });
    let first = bench.office(&config, None).await.unwrap();
    let right = config.issuer.as_mut().unwrap().signing.encryption.replace(crate::secret::Secret::new("5b".repeat(32)));
    let refused = bench.office(&config, Some(&first)).await.unwrap_err();
    assert!(matches!(refused, StartError::Keys(KeysError::WrongRoot { .. })), "{refused}");
    config.issuer.as_mut().unwrap().signing.encryption = right;
    bench.office(&config, None).await.unwrap();
}

/// Waits for what will come to be.
async fn soon(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to be");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn no_file_is_made_for_keys_in_a_database() {
    let database = Database {
        host: "db.example".to_owned(),
        port: 5432,
        user: "narrowgate".to_owned(),
        password: None,
        name: "narrowgate".to_owned(),
        encryption: DatabaseEncryption::Verified,
        shown: "postgres://db.example:5432/narrowgate".to_owned(),
    };
    let location = StoreLocation::Postgres(Box::new(database));
    let refused = Root::open(&MemoryStore::default(), &location, None).await.unwrap_err();
    assert!(matches!(refused, KeysError::NothingToSealUnder), "{refused}");
}
