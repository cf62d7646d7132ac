//! The composition root: from a configuration to a gateway that runs. The one room that knows everybody.
//!
//! Everything is made before anything is served: a fault is an ordinary error, and the first request already finds the
//! whole gate. `workshop` makes what is served from a configuration, the first time and at every reload; `reload` says
//! when that is, and `restart` what only a restart can change. `office` is our own issuer while it runs: `vault` keeps its
//! keys, or `key_files` reads them, and `upkeep` is what it does by itself.

mod client_keys;
pub mod grants;
mod key_files;
pub mod keys;
mod login_keys;
mod office;
mod reload;
mod restart;
mod root;
mod upkeep;
mod vault;
mod workshop;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use client_keys::hopeless_clients;
pub use key_files::{Asking, KeyFilesError};
pub use login_keys::hopeless_logins;
pub use reload::Origin;
pub use vault::KeysError;

use crate::clock::Timestamp;
use crate::config::{Config, Fault, IssuerId, Places};
use crate::fetch::InvalidTrust;
use crate::guard::InvalidGate;
use crate::serve::admin::{AdminListening, Desk, Orders, Readiness};
use crate::serve::{BindError, Bound, Gateway, Listening, NarrowedTokens, Serving};
use crate::snapshot::Current;
use crate::store::StoreError;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Sources, UpstreamHealth};
use crate::token::mint::SigningKeyFault;
use crate::token::{Keyring, TokenCache};
use crate::upstream::{RootsError, ServerStatus};
use keys::CurrentOffice;
use reload::Reloader;
use workshop::Workshop;

/// How long readiness waits for the keys of every issuer; one that is down must not keep the others' APIs away.
const READY_AT_LAST: Duration = Duration::from_secs(10);
/// How long an operator's request may take once everything else has ended.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// Why a configuration cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address or a certificate cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Two resources could not be told apart.
    #[error(transparent)]
    Gate(#[from] InvalidGate),
    /// The certificates that issuers' servers are checked with cannot be used.
    #[error(transparent)]
    Trust(#[from] InvalidTrust),
    /// The certificates that upstreams are checked with cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// An issuer's key files hold no key that could verify anything.
    #[error("issuer `{name}` can never be verified: {why}")]
    NoKeys {
        /// The issuer.
        issuer: IssuerId,
        /// Its name.
        name: String,
        /// What is wrong with the files.
        why: String,
    },
    /// A client's key files hold no key that could verify anything.
    #[error("the client `{client}` can never prove who it is: {why}")]
    NoClientKeys {
        /// Its place in the list.
        at: usize,
        /// Its id.
        client: String,
        /// What is wrong with the files.
        why: String,
    },
    /// What proves to an OpenID provider who we are cannot sign.
    #[error("nobody can log in where this gateway is the client `{client_id}`: `client_key` cannot sign: {why}")]
    NoLoginKey {
        /// Its place in the list.
        at: usize,
        /// What the provider calls us.
        client_id: String,
        /// What is wrong with the key.
        why: SigningKeyFault,
    },
    /// The store cannot be used.
    #[error("`store: {place}`: {source}")]
    Store {
        /// Which one.
        place: String,
        /// Why.
        source: StoreError,
    },
    /// Our own issuer has no keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Our own issuer's key files cannot be used.
    #[error(transparent)]
    KeyFiles(#[from] KeyFilesError),
    /// The system has no randomness to give.
    #[error("the system has no randomness to give")]
    Randomness,
}

impl StartError {
    /// The fault of a configuration that loads and cannot be used, with its place; nothing where the file is not at fault.
    pub fn fault(&self, places: &Places) -> Option<Fault> {
        match self {
            Self::NoKeys { issuer, .. } => {
                let hint = "its files must hold a public key that fits `algorithms`";
                Some(places.keys_unusable(*issuer, &self.to_string(), hint))
            }
            Self::NoClientKeys { at, .. } => {
                let hint = "its files must hold a public key for signatures";
                Some(places.client_keys_unusable(*at, &self.to_string(), hint))
            }
            Self::NoLoginKey { at, .. } => {
                let hint = "use an EC key on P-256, an RSA key of at least 2048 bits, or an Ed25519 key";
                Some(places.login_key_unusable(*at, &self.to_string(), hint))
            }
            Self::Bind(BindError::Certificate(_)) | Self::Gate(_) => Some(places.fault(&self.to_string(), "")),
            Self::Trust(_) => Some(places.fault(&self.to_string(), "look at `trusted_cas`")),
            Self::Roots(_) => {
                Some(places.fault(&self.to_string(), "look at `trusted_cas`, and at `tls` of the upstreams"))
            }
            Self::Store { source: StoreError::InUse, .. } => {
                Some(places.fault(&self.to_string(), "stop the other one, or name another `store`"))
            }
            Self::Store { .. } => Some(places.fault(&self.to_string(), "")),
            Self::Keys(error) => Some(places.fault(&self.to_string(), error.hint())),
            Self::KeyFiles(_) => Some(places.fault(&self.to_string(), "look at `issuer.signing`")),
            Self::Bind(BindError::Address { .. }) | Self::Randomness => None,
        }
    }
}

/// A gateway that is served.
pub struct Running {
    current: Arc<Current>,
    serving: Serving,
    operators: Option<Operators>,
    readiness: Arc<Readiness>,
    orders: Option<Orders>,
    /// Our own issuer goes on by itself for as long as this lives.
    _office: CurrentOffice,
    /// Tells the background tasks to end; they also end when it is dropped.
    stop: watch::Sender<bool>,
}

/// The admin listener while it is served.
struct Operators {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    /// Binds, compiles and serves a configuration; call it on a tokio runtime. With an `origin` it is read again when it
    /// changes, and when somebody asks for it.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what cannot be used; nothing is served then.
    pub async fn start(config: Config, origin: Option<Origin>) -> Result<Self, StartError> {
        let mut workshop = Workshop::new(&config)?;
        let listening = Listening::bind(&config.listeners)?;
        let admin = config.admin.as_ref().map(AdminListening::bind).transpose()?;
        let tokens = TokenCache::new(config.limits.token_cache_bytes).map_err(|_| StartError::Randomness)?;
        let narrowed = NarrowedTokens::new(config.limits.token_cache_bytes);
        let bureau = workshop.bureau(&config).await?;
        let draft = workshop.draft(config, bureau, None)?;
        draft.resolve().await;
        let current = Arc::new(Current::new(workshop.finish(draft)));
        let metrics = Arc::new(Metrics::default());
        let narrowed = Arc::new(narrowed);
        let gateway = Gateway { current: Arc::clone(&current), tokens: Arc::new(tokens), narrowed, metrics };
        gateway.metrics.attach(sources(&gateway));
        gateway.metrics.reloaded(1);

        let office = workshop.office();
        let (stop, stopping) = watch::channel(false);
        let readiness = Arc::new(Readiness::default());
        tokio::spawn(become_ready(current.load().gate.keyrings().to_vec(), Arc::clone(&readiness)));
        let serving = listening.serve(gateway.clone());
        let admin_address = admin.as_ref().map(AdminListening::address);
        let orders = origin.map(|origin| {
            let (orders, incoming) = Orders::new();
            let (gateway, offers) = (gateway.clone(), serving.offers().clone());
            let (admin, retired) = (admin_address, Vec::new());
            let reloader = Reloader { origin, gateway, offers, workshop, orders: orders.clone(), admin, retired };
            tokio::spawn(reloader.work(incoming, stopping.clone()));
            orders
        });
        let desk = Desk {
            current: Arc::clone(&current),
            metrics: gateway.metrics,
            readiness: Arc::clone(&readiness),
            orders: orders.clone(),
            keys: Arc::new(office.clone()),
        };
        let operators = admin.map(|admin| Operators { address: admin.address(), task: admin.serve(desk, stopping) });
        Ok(Self { current, serving, operators, readiness, orders, _office: office, stop })
    }

    /// Where requests are awaited.
    pub fn listeners(&self) -> Vec<Bound> {
        self.serving.bound()
    }

    /// Where operators look in, if the configuration says so.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.operators.as_ref().map(|operators| operators.address)
    }

    /// What new requests are judged by.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// Where reloads are ordered; nothing without an origin.
    pub fn orders(&self) -> Option<&Orders> {
        self.orders.as_ref()
    }

    /// Resolves once the keys of every issuer have been tried, whether they were had or not.
    pub async fn keys_tried(&self) {
        all_tried(self.current.load().gate.keyrings()).await;
    }

    /// Ends: no new requests, those under way within `limits.drain`, then everything. Says how many were cut.
    pub async fn drain(self) -> usize {
        self.readiness.draining();
        let limits = self.current.load().config.limits.clone();
        let cut = self.serving.drain(&limits).await;
        let _ = self.stop.send(true);
        if let Some(Operators { task, .. }) = self.operators {
            // Whoever still reads the metrics may finish; nobody may keep the program alive.
            let _ = timeout(LAST_LOOK, task).await;
        }
        cut
    }
}

/// Says that the gateway is ready once the keys of every issuer have been tried, or have had their time.
async fn become_ready(keyrings: Vec<Arc<Keyring>>, readiness: Arc<Readiness>) {
    let _ = timeout(READY_AT_LAST, all_tried(&keyrings)).await;
    readiness.started();
}

async fn all_tried(keyrings: &[Arc<Keyring>]) {
    for keyring in keyrings {
        keyring.tried().await;
    }
}

/// What the metrics read from where it is kept.
fn sources(gateway: &Gateway) -> Sources {
    let tokens = Arc::clone(&gateway.tokens);
    let current = Arc::clone(&gateway.current);
    let behind = Arc::clone(&gateway.current);
    Sources {
        token_cache: Box::new(move || (tokens.hits(), tokens.misses())),
        jwks_ages: Box::new(move || {
            let snapshot = current.load();
            let age = |keyring: &Arc<Keyring>| keyring.status(Timestamp::now()).age_seconds.map(Duration::from_secs);
            let rings = snapshot.gate.keyrings().iter();
            rings.map(|keyring| (keyring.issuer().name.to_string(), age(keyring))).collect()
        }),
        upstreams: Box::new(move || {
            let snapshot = behind.load();
            let servers = snapshot.upstreams.iter().flat_map(|pool| {
                let resource = pool.resource();
                pool.status().map(|ServerStatus { server, healthy }| UpstreamHealth {
                    resource: Arc::clone(resource),
                    server,
                    healthy,
                })
            });
            servers.collect()
        }),
    }
}
