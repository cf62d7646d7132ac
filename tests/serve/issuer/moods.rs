//! A store with moods: it is away for a while, and a reload comes while it is
//! looked at. What clients notice of that.

use std::fmt;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use narrowgate::clock::Timestamp;
use narrowgate::config::Config;
use narrowgate::store::{
    Code, CodeStore, Consent, ConsentStore, ConsentedScopes, Family, FamilyStore, MemoryStore, NewCode, Refresh,
    Revocation, RevocationFeed, Rotated, Rotation, SealedKeyRing, Store, StoreError, TakingCode, TokenDigest, Whose,
};

use super::granted::{ALL, WEB, code, families, opens, redeem, refresh, refusal, tokens_of, with_users};
use super::world::{ONE, Plan, World};

/// The store, and its moods.
#[derive(Default)]
pub struct Moody {
    kept: MemoryStore,
    is_away: AtomicBool,
    /// How many codes, rotations and ends are done of which nobody is told.
    pub unheard: AtomicUsize,
    /// What happens the next time that somebody looks.
    at_look: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// What a user withdraws just before a code is taken: client, subject, resource.
    withdrawn: Mutex<Option<[&'static str; 3]>>,
    /// How many codes were to be taken and tokens to be rotated.
    commits: AtomicUsize,
}

impl fmt::Debug for Moody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Moody")
    }
}

impl Moody {
    fn looked_at(&self) {
        let happens = self.at_look.lock().unwrap().take();
        if let Some(happens) = happens {
            happens();
        }
    }

    /// What is told of something that was done.
    fn told<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match self.unheard.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => done.and(Err(StoreError::Unusable("it does not answer".to_owned()))),
            Err(_) => done,
        }
    }

    fn there(&self) -> Result<&MemoryStore, StoreError> {
        match self.is_away.load(SeqCst) {
            true => Err(StoreError::Unusable("it is away".to_owned())),
            false => Ok(&self.kept),
        }
    }
}

#[async_trait]
impl Store for Moody {
    async fn key_ring(&self) -> Result<Option<SealedKeyRing>, StoreError> {
        self.there()?.key_ring().await
    }
    async fn replace_key_ring(&self, before: Option<u64>, sealed: &[u8]) -> Result<bool, StoreError> {
        self.there()?.replace_key_ring(before, sealed).await
    }
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.there()?.revoke(revocation).await
    }
    async fn revocations_after(&self, place: u64) -> Result<RevocationFeed, StoreError> {
        self.there()?.revocations_after(place).await
    }
    async fn mark_used(&self, name: &str, until: Timestamp) -> Result<bool, StoreError> {
        self.there()?.mark_used(name, until).await
    }
    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.there()?.sweep(now).await
    }
}

#[async_trait]
impl CodeStore for Moody {
    async fn save_code(&self, code: &NewCode) -> Result<(), StoreError> {
        self.there()?.save_code(code).await
    }
    async fn peek_code(&self, digest: &TokenDigest, now: Timestamp) -> Result<Code, StoreError> {
        let code = self.there()?.peek_code(digest, now).await;
        self.looked_at();
        code
    }
    async fn take_code(&self, taking: &TakingCode) -> Result<Code, StoreError> {
        self.commits.fetch_add(1, SeqCst);
        let withdrawn = self.withdrawn.lock().unwrap().take();
        if let Some([client, subject, resource]) = withdrawn {
            assert!(self.kept.withdraw_consent(client, subject, resource).await?);
        }
        self.told(self.there()?.take_code(taking).await)
    }
    async fn put_once(&self, name: &str, sealed: &[u8], until: Timestamp) -> Result<bool, StoreError> {
        self.there()?.put_once(name, sealed, until).await
    }
    async fn peek_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.there()?.peek_once(name, now).await
    }
    async fn take_once(&self, name: &str, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.there()?.take_once(name, now).await
    }
}

#[async_trait]
impl FamilyStore for Moody {
    async fn look_up_refresh(&self, digest: &TokenDigest, now: Timestamp) -> Result<Refresh, StoreError> {
        let refresh = self.there()?.look_up_refresh(digest, now).await;
        self.looked_at();
        refresh
    }
    async fn rotate_refresh(&self, rotation: &Rotation) -> Result<Rotated, StoreError> {
        self.commits.fetch_add(1, SeqCst);
        self.told(self.there()?.rotate_refresh(rotation).await)
    }
    async fn revoke_family(&self, root: &str) -> Result<bool, StoreError> {
        self.told(self.there()?.revoke_family(root).await)
    }
    async fn families(&self, of: Whose<'_>, after: Option<&str>, now: Timestamp) -> Result<Vec<Family>, StoreError> {
        self.there()?.families(of, after, now).await
    }
}

#[async_trait]
impl ConsentStore for Moody {
    async fn remember_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        self.there()?.remember_consent(consent).await
    }
    async fn consent_of(&self, client: &str, subject: &str) -> Result<ConsentedScopes, StoreError> {
        self.there()?.consent_of(client, subject).await
    }
    async fn withdraw_consent(&self, client: &str, subject: &str, resource: &str) -> Result<bool, StoreError> {
        self.there()?.withdraw_consent(client, subject, resource).await
    }
}

async fn moody() -> (Arc<Moody>, World) {
    let store: Arc<Moody> = Arc::default();
    let plan = Plan { store: Arc::clone(&store) as Arc<dyn Store>, change: Box::new(with_users), ..Plan::default() };
    (store, World::planned(plan).await)
}

/// The tokens that a code gives.
async fn begun(world: &World) -> (String, String) {
    let code = code(world, WEB.0, ALL).await;
    tokens_of(&redeem(world, WEB, &code, ONE).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_costs_an_answer_and_no_grant() {
    let (store, world) = moody().await;
    let (access_token, refresh_token) = begun(&world).await;
    let code = code(&world, WEB.0, ALL).await;
    store.is_away.store(true, SeqCst);
    for (reply, wait) in [
        (refresh(&world, WEB, &refresh_token, ONE).await, "1"),
        (redeem(&world, WEB, &code, ONE).await, "1"),
        (world.post("/revoke", Some(WEB), &[("token", &refresh_token)]).await, "5"),
    ] {
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some(wait)), "{}", reply.json());
    }
    assert!(opens(&world, &access_token).await);
    store.is_away.store(false, SeqCst);
    tokens_of(&refresh(&world, WEB, &refresh_token, ONE).await);
    tokens_of(&redeem(&world, WEB, &code, ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_without_an_answer_is_found_again() {
    let (store, world) = moody().await;
    let code = code(&world, WEB.0, ALL).await;
    store.unheard.store(1, SeqCst);
    let (_, refresh_token) = tokens_of(&redeem(&world, WEB, &code, ONE).await);
    store.unheard.store(1, SeqCst);
    let reply = refresh(&world, WEB, &refresh_token, ONE).await;
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")), "well within the grace");
    let (access_token, next) = tokens_of(&refresh(&world, WEB, &refresh_token, ONE).await);
    tokens_of(&refresh(&world, WEB, &next, ONE).await);
    assert!(opens(&world, &access_token).await);
}

/// Lets a reload come while the store is looked at next.
fn reload_at_look(store: &Moody, world: &Arc<World>, change: fn(&mut Config)) {
    let world = Arc::clone(world);
    *store.at_look.lock().unwrap() = Some(Box::new(move || world.reload(change)));
}

/// Switches the client on or off.
fn able(config: &mut Config, is: bool) {
    let clients = &mut config.issuer.as_mut().unwrap().clients;
    clients.iter_mut().filter(|client| client.id == WEB.0).for_each(|client| client.disabled = !is);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_the_middle_counts_and_nothing_happens_twice() {
    let (store, world) = moody().await;
    let world = Arc::new(world);
    let code = code(&world, WEB.0, ALL).await;
    reload_at_look(&store, &world, |config| able(config, false));
    assert_eq!(refusal(&redeem(&world, WEB, &code, ONE).await), "401 invalid_client");
    assert_eq!(store.commits.load(SeqCst), 0, "what was decided before counts for nothing");
    world.reload(|config| able(config, true));

    reload_at_look(&store, &world, |_| ());
    let (_, refresh_token) = tokens_of(&redeem(&world, WEB, &code, ONE).await);
    assert_eq!(store.commits.load(SeqCst), 1);
    reload_at_look(&store, &world, |_| ());
    let (access_token, next) = tokens_of(&refresh(&world, WEB, &refresh_token, ONE).await);
    assert_eq!(store.commits.load(SeqCst), 2);
    let (_, leaf) = tokens_of(&refresh(&world, WEB, &next, ONE).await);

    reload_at_look(&store, &world, |config| able(config, false));
    assert_eq!(refusal(&refresh(&world, WEB, &refresh_token, ONE).await), "401 invalid_client", "a reuse, in vain");
    world.reload(|config| able(config, true));
    assert!(opens(&world, &access_token).await);
    tokens_of(&refresh(&world, WEB, &leaf, ONE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_while_a_code_is_taken_is_not_given() {
    let (store, world) = moody().await;
    let code = code(&world, WEB.0, ALL).await;
    *store.withdrawn.lock().unwrap() = Some([WEB.0, "corp|ada", ONE]);
    assert_eq!(refusal(&redeem(&world, WEB, &code, ONE).await), "400 invalid_grant");
    assert_eq!(families(&world, WEB.0).await, 0, "the family has ended that had begun");
}
