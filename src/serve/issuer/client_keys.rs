//! The keys of clients that sign (`private_key_jwt`): a keyring for each, made when the client first comes, and kept fresh
//! from then on until a configuration has them no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{
    AuthorizationServer, Client, ClientAuthentication, Config, JwksLocation, KeySource, TrustedIssuer,
};
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

/// The keyrings of clients: those of the configuration at most.
#[derive(Debug, Default)]
pub(super) struct ClientKeys(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By the clients' names.
    keyrings: HashMap<String, Tended>,
    /// What fetches them, for which `trusted_cas`.
    fetcher: Option<(Option<Arc<[u8]>>, Fetcher)>,
}

/// A keyring that is kept fresh for as long as this lives.
#[derive(Debug)]
struct Tended {
    locations: Vec<JwksLocation>,
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
        let fetcher = {
            let kept = self.kept();
            let known = kept.keyrings.get(&client.id).filter(|known| known.locations == locations);
            let fetcher = kept.fetcher.as_ref().filter(|(trusted, _)| *trusted == config.trusted_cas);
            match (known, fetcher) {
                (Some(known), Some(_)) => return Ok(Arc::clone(&known.keyring)),
                (_, fetcher) => fetcher.map(|(_, fetcher)| fetcher.clone()),
            }
        };
        // To read certificates takes time, in which the others need not wait.
        let fetcher = fetcher.map_or_else(|| Fetcher::new(config.trusted_cas.as_deref()), Ok)?;
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
        let keyring = Keyring::new(issuer, fetcher.clone());
        let mut kept = self.kept();
        if kept.fetcher.as_ref().is_none_or(|(trusted, _)| *trusted != config.trusted_cas) {
            // What was fetched under other authorities counts no more.
            kept.keyrings.clear();
            kept.fetcher = Some((config.trusted_cas.clone(), fetcher));
        }
        // Somebody else may have been quicker.
        if let Some(known) = kept.keyrings.get(&client.id).filter(|known| known.locations == locations) {
            return Ok(Arc::clone(&known.keyring));
        }
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(Arc::clone(&keyring).keep_fresh(stopping));
        let tended = Tended { locations: locations.to_vec(), keyring: Arc::clone(&keyring), _stop: stop };
        kept.keyrings.insert(client.id.clone(), tended);
        Ok(keyring)
    }

    /// Ends what a configuration has no more: clients that are gone, and keys that lie elsewhere now.
    pub(super) fn prune(&self, config: &Config) {
        let mut kept = self.kept();
        if kept.fetcher.as_ref().is_some_and(|(trusted, _)| *trusted != config.trusted_cas) {
            *kept = Kept::default();
        }
        let server = config.issuer.as_ref();
        kept.keyrings.retain(|id, tended| {
            let client = server.and_then(|server| server.client(id)).filter(|client| !client.disabled);
            client.is_some_and(|client| {
                matches!(&client.authentication, ClientAuthentication::Keys(locations) if *locations == tended.locations)
            })
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, parse};
    use crate::issuer::with_keys;

    const CONFIG: &str = "
        listen: 127.0.0.1:0
        resources: { https://a.example.com: { upstream: http://127.0.0.1:1 } }
        issuer: { url: https://b.example.com, clients: { signer: { jwks: cluster-jwks.json } } }
    ";

    fn count_after(change: impl FnOnce(&mut Config)) -> usize {
        let file = Path::new("tests/fixtures/config/files/g.yaml");
        let mut config = parse(CONFIG, file, &Environment::default()).unwrap().config;
        let keys = ClientKeys::default();
        let server = config.issuer.as_ref().unwrap();
        let (client, locations) = with_keys(server, "signer").unwrap();
        let one = keys.of(&config, server, client, locations).unwrap();
        let same = keys.of(&config, server, client, locations).unwrap();
        assert!(Arc::ptr_eq(&one, &same));
        change(&mut config);
        keys.prune(&config);
        keys.kept().keyrings.len()
    }

    #[tokio::test]
    async fn a_keyring_ends_with_its_client() {
        assert_eq!(count_after(|_| {}), 1);
        assert_eq!(count_after(|config| config.issuer.as_mut().unwrap().clients.clear()), 0, "it is gone");
        assert_eq!(count_after(|config| config.issuer = None), 0, "all are gone");
        let of = |config: &mut Config, now| config.issuer.as_mut().unwrap().clients[0].authentication = now;
        assert_eq!(count_after(|config| of(config, ClientAuthentication::None)), 0, "it has no keys");
        assert_eq!(count_after(|config| of(config, ClientAuthentication::Keys(Vec::new()))), 0, "they lie elsewhere");
        assert_eq!(count_after(|config| config.issuer.as_mut().unwrap().clients[0].disabled = true), 0);
    }
}
