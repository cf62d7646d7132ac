//! From a configuration to a snapshot, with what the one before already has: keys, pools, and what was proven with them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::watch;
use tokio::time::timeout;

use super::StartError;
use super::client_keys::hopeless_clients;
use super::keys::CurrentOffice;
use super::login_keys::hopeless_logins;
use super::office::{Office, OpenStore};
use crate::config::{Config, IssuerId, StoreLocation, TrustedIssuer};
use crate::fetch::Fetcher;
use crate::snapshot::Snapshot;
use crate::token::Keyring;
use crate::upstream::{self, UpstreamPool};

/// How long the keys of new issuers are waited for before they are asked for by requests.
const NEW_KEYS: Duration = Duration::from_secs(5);

/// What outlives a configuration.
#[derive(Clone)]
pub(super) struct Workshop {
    trust: Trust,
    tended: Vec<Tended>,
    bureau: Bureau,
    office: CurrentOffice,
}

/// Our own issuer, if there is one, and the store, which stays open once it is.
#[derive(Clone, Default)]
pub(super) struct Bureau {
    store: Option<OpenStore>,
    office: Option<Office>,
}

/// What is trusted towards issuers, and the client that trusts it.
#[derive(Clone)]
struct Trust {
    own: Option<Arc<[u8]>>,
    fetcher: Fetcher,
}

/// A keyring that is kept fresh for as long as this lives.
#[derive(Clone)]
struct Tended {
    keyring: Arc<Keyring>,
    _stop: Arc<watch::Sender<bool>>,
}

/// A snapshot in the making: nothing serves by it yet, and nothing has changed.
pub(super) struct Draft {
    trust: Trust,
    tended: Vec<Tended>,
    bureau: Bureau,
    new_keyrings: Vec<Arc<Keyring>>,
    snapshot: Snapshot,
}

impl Workshop {
    /// A workshop that has made nothing yet.
    ///
    /// # Errors
    ///
    /// [`StartError::Trust`] if `trusted_cas` cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            trust: Trust::of(config)?,
            tended: Vec::new(),
            bureau: Bureau::default(),
            office: CurrentOffice::default(),
        })
    }

    /// Our own issuer, whichever configuration it is of.
    pub(super) fn office(&self) -> CurrentOffice {
        self.office.clone()
    }

    /// Makes our own issuer ready, or takes over what is the same; call it on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what cannot be used. What serves goes on; a key that was made for nothing is merely published.
    pub(super) async fn bureau(&self, config: &Config) -> Result<Bureau, StartError> {
        let Some(server) = &config.issuer else {
            return Ok(Bureau { store: self.bureau.store.clone(), office: None });
        };
        let location = config.store.as_ref().unwrap_or(&StoreLocation::Memory);
        let open = self.bureau.store.as_ref().filter(|open| self.bureau.office.is_some() || open.is_at(location));
        let store = match open {
            Some(open) => open.clone(),
            None => OpenStore::open(location, config.trusted_cas.as_deref()).await?,
        };
        let office = Office::open(config, server, &store, &self.trust.fetcher, self.bureau.office.as_ref()).await?;
        Ok(Bureau { store: Some(store), office: Some(office) })
    }

    /// Makes a snapshot; call it on a tokio runtime. Whatever is equal to a part of `before` is that part.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what cannot be used; everything is as it was.
    pub(super) fn draft(&self, config: Config, bureau: Bureau, before: Option<&Snapshot>) -> Result<Draft, StartError> {
        let is_trust_same = self.trust.own == config.trusted_cas;
        // What was fetched under authorities that are all still trusted may go on being used.
        let is_trust_kept = is_trust_same || self.trust.is_within(config.trusted_cas.as_deref());
        let trust = if is_trust_same { self.trust.clone() } else { Trust::of(&config)? };
        let server = config.issuer.iter();
        let clients = server.clone().flat_map(hopeless_clients);
        if let Some(hopeless) = clients.chain(server.flat_map(hopeless_logins)).next() {
            return Err(hopeless);
        }
        let mut new_keyrings = Vec::new();
        let mut tended = Vec::new();
        for (at, issuer) in config.trusted_issuers.iter().enumerate() {
            let earlier = self.tended.iter().find(|tended| tended.keyring.issuer().name == issuer.name);
            let earlier = earlier.filter(|_| is_trust_kept);
            let same = earlier.filter(|tended| is_trust_same && tended.keyring.issuer() == issuer);
            if let Some(same) = same {
                tended.push(same.clone());
                continue;
            }
            let keyring = keyring(IssuerId(at), issuer, earlier.map(|tended| &*tended.keyring), &trust.fetcher)?;
            new_keyrings.push(Arc::clone(&keyring));
            tended.push(Tended::begin(keyring));
        }
        let upstreams = UpstreamPool::of(&config, before.map_or(&[], |before| &before.upstreams))?;
        let keyrings = tended.iter().map(|tended| Arc::clone(&tended.keyring)).collect();
        let issuing = bureau.office.as_ref().map(|office| Arc::clone(&office.issuing));
        let snapshot = match before {
            Some(before) => before.followed_by(Arc::new(config), keyrings, issuing, upstreams)?,
            None => Snapshot::new(Arc::new(config), keyrings, issuing, upstreams)?,
        };
        Ok(Draft { trust, tended, bureau, new_keyrings, snapshot })
    }

    /// Takes the draft for what is served from now on; whatever it does not share with the one before ends.
    pub(super) fn finish(&mut self, draft: Draft) -> Snapshot {
        self.trust = draft.trust;
        self.tended = draft.tended;
        self.office.0.store(draft.bureau.office.clone().map(Arc::new));
        self.bureau = draft.bureau;
        draft.snapshot
    }
}

impl Draft {
    /// Finds the addresses of upstreams, and keeps them fresh from now on; what is not known in time is found later.
    pub(super) async fn resolve(&self) {
        upstream::ready(&self.snapshot.upstreams).await;
    }

    /// Waits until the keys of new issuers were tried, or had their time.
    pub(super) async fn try_keys(&self) {
        let tried = async {
            for keyring in &self.new_keyrings {
                keyring.tried().await;
            }
        };
        let _ = timeout(NEW_KEYS, tried).await;
    }
}

impl Tended {
    fn begin(keyring: Arc<Keyring>) -> Self {
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(Arc::clone(&keyring).keep_fresh(stopping));
        Self { keyring, _stop: Arc::new(stop) }
    }
}

impl Trust {
    /// Whether every certificate of ours is also in `pem`.
    fn is_within(&self, pem: Option<&[u8]>) -> bool {
        let certificates = |pem: Option<&[u8]>| -> Option<HashSet<Vec<u8>>> {
            let each = CertificateDer::pem_slice_iter(pem.unwrap_or_default());
            each.map(|certificate| certificate.ok().map(|der| der.to_vec())).collect()
        };
        match (certificates(self.own.as_deref()), certificates(pem)) {
            (Some(ours), Some(theirs)) => ours.is_subset(&theirs),
            _ => false,
        }
    }

    fn of(config: &Config) -> Result<Self, StartError> {
        let own = config.trusted_cas.clone();
        Ok(Self { fetcher: Fetcher::new(own.as_deref())?, own })
    }
}

fn keyring(
    id: IssuerId,
    issuer: &TrustedIssuer,
    before: Option<&Keyring>,
    fetcher: &Fetcher,
) -> Result<Arc<Keyring>, StartError> {
    let keyring = match before {
        Some(before) => Keyring::succeed(before, issuer.clone(), fetcher.clone()),
        None => Keyring::new(issuer.clone(), fetcher.clone()),
    };
    match keyring.is_hopeless() {
        Some(why) => Err(StartError::NoKeys { issuer: id, name: issuer.name.to_string(), why }),
        None => Ok(keyring),
    }
}
