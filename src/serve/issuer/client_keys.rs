//! The keys of clients that sign (`private_key_jwt`): a keyring for each, made when the client first comes, and kept fresh
//! from then on until the configuration names other places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{AuthorizationServer, Client, Config, JwksLocation, KeySource, TrustedIssuer};
use crate::fetch::{Fetcher, InvalidTrust};
use crate::oauth::{Algorithm, IssuerName};
use crate::token::Keyring;

/// How clients' keys are called in the log.
const NAME: &str = "client-keys";

/// How long a withdrawn key lives at most.
const REFRESH: Duration = Duration::from_secs(600);

/// How often an unknown key is looked for at most.
const REFETCH_AFTER: Duration = Duration::from_secs(30);

/// How long keys count that cannot be read again.
const MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The keyrings of clients, by their names: those of the configuration at most.
#[derive(Debug, Default)]
pub(super) struct ClientKeys(Mutex<HashMap<String, Kept>>);

/// A keyring that is kept fresh for as long as this lives.
#[derive(Debug)]
struct Kept {
    locations: Vec<JwksLocation>,
    trusted_cas: Option<Arc<[u8]>>,
    keyring: Arc<Keyring>,
    _stop: watch::Sender<bool>,
}

impl ClientKeys {
    /// The keyring of a client whose keys lie there.
    ///
    /// # Errors
    ///
    /// [`InvalidTrust`] if nothing could be fetched for `trusted_cas`.
    pub(super) fn of(
        &self,
        config: &Config,
        server: &AuthorizationServer,
        client: &Client,
        locations: &[JwksLocation],
    ) -> Result<Arc<Keyring>, InvalidTrust> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&client.id);
        let known = known.filter(|kept| kept.locations == locations && kept.trusted_cas == config.trusted_cas);
        if let Some(kept) = known {
            return Ok(Arc::clone(&kept.keyring));
        }
        let issuer = TrustedIssuer {
            name: IssuerName::parse(NAME).expect("this is a name"),
            issuers: vec![client.id.clone()],
            keys: KeySource::Jwks(locations.to_vec()),
            algorithms: Algorithm::ALL.to_vec(),
            refresh: REFRESH,
            refetch_after: REFETCH_AFTER,
            max_stale: MAX_STALE,
            ..server.as_trusted_issuer()
        };
        let keyring = Keyring::new(issuer, Fetcher::new(config.trusted_cas.as_deref())?);
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(Arc::clone(&keyring).keep_fresh(stopping));
        all.retain(|id, _| server.client(id).is_some());
        let kept = Kept {
            locations: locations.to_vec(),
            trusted_cas: config.trusted_cas.clone(),
            keyring: Arc::clone(&keyring),
            _stop: stop,
        };
        all.insert(client.id.clone(), kept);
        Ok(keyring)
    }
}
