//! The composition root: from a configuration to a gateway that runs. The one file that knows everybody.
//!
//! Everything is made before anything is served: a fault is an ordinary error, and the first request already finds the
//! whole gate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::config::{Config, Limits};
use crate::fetch::{Fetcher, InvalidTrust};
use crate::guard::InvalidGate;
use crate::serve::admin::{AdminListening, Desk, Readiness};
use crate::serve::{BindError, Bound, Gateway, Listening, Serving};
use crate::snapshot::{Current, Snapshot};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Sources, UpstreamHealth};
use crate::token::{Keyring, TokenCache};
use crate::upstream::{self, RootsError, ServerStatus, UpstreamPool};

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
    #[error("issuer `{issuer}` can never be verified: {why}")]
    NoKeys {
        /// The issuer's name.
        issuer: String,
        /// What is wrong with the files.
        why: String,
    },
    /// The system has no randomness to give.
    #[error("the system has no randomness to give")]
    Randomness,
}

/// A gateway that is served.
pub struct Running {
    current: Current,
    serving: Serving,
    operators: Option<Operators>,
    readiness: Arc<Readiness>,
    limits: Limits,
    /// Tells the background tasks to end; they also end when it is dropped.
    stop: watch::Sender<bool>,
}

/// The admin listener while it is served.
struct Operators {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    /// Binds, compiles and serves a configuration; call it on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what cannot be used; nothing is served then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let listening = Listening::bind(&config.listeners)?;
        let admin = config.admin.as_ref().map(AdminListening::bind).transpose()?;
        let fetcher = Fetcher::new(config.trusted_cas.as_deref())?;
        let issuers = config.trusted_issuers.iter();
        let keyrings: Vec<_> = issuers.map(|issuer| Keyring::new(issuer.clone(), fetcher.clone())).collect();
        for keyring in &keyrings {
            if let Some(why) = keyring.is_hopeless() {
                return Err(StartError::NoKeys { issuer: keyring.issuer().name.to_string(), why });
            }
        }
        let upstreams = UpstreamPool::of(&config, &[])?;
        let tokens = TokenCache::new(config.limits.token_cache_bytes).map_err(|_| StartError::Randomness)?;
        let limits = config.limits.clone();
        let snapshot = Snapshot::new(1, Arc::new(config), keyrings.clone(), upstreams.clone())?;
        let gateway = Gateway {
            current: Arc::new(ArcSwap::from_pointee(snapshot)),
            tokens: Arc::new(tokens),
            metrics: Arc::new(Metrics::default()),
        };
        gateway.metrics.attach(sources(&gateway));
        gateway.metrics.reloaded(1);

        let (stop, stopping) = watch::channel(false);
        for keyring in &keyrings {
            tokio::spawn(Arc::clone(keyring).keep_fresh(stopping.clone()));
        }
        let readiness = Arc::new(Readiness::default());
        tokio::spawn(become_ready(keyrings, Arc::clone(&readiness)));
        let current = Arc::clone(&gateway.current);
        let desk = Desk {
            current: Arc::clone(&current),
            metrics: Arc::clone(&gateway.metrics),
            readiness: Arc::clone(&readiness),
        };
        let operators = admin.map(|admin| Operators { address: admin.address(), task: admin.serve(desk, stopping) });
        upstream::ready(&upstreams).await;
        let serving = listening.serve(gateway);
        Ok(Self { current, serving, operators, readiness, limits, stop })
    }

    /// Where requests are awaited.
    pub fn listeners(&self) -> &[Bound] {
        self.serving.bound()
    }

    /// Where operators look in, if the configuration says so.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.operators.as_ref().map(|operators| operators.address)
    }

    /// What new requests are judged by.
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// Resolves once the keys of every issuer have been tried, whether they were had or not.
    pub async fn keys_tried(&self) {
        all_tried(self.current.load_full().gate.keyrings()).await;
    }

    /// Ends: no new requests, those under way within `limits.drain`, then everything. Says how many were cut.
    pub async fn drain(self) -> usize {
        self.readiness.draining();
        let cut = self.serving.drain(&self.limits).await;
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
            let snapshot = behind.load_full();
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
