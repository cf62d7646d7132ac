//! Where providers answer: their own documents, read when a user first goes there and kept for as long as their keys are.
//!
//! Whoever asks while a document is read waits for that reading, or takes what was read before. A provider that is away is
//! asked again at most every five seconds, and what it said last serves on as its keys do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::refused::NotLoggedIn;
use crate::config::{Config, TrustedIssuer};
use crate::fetch::{FetchFault, Fetcher, InvalidTrust};
use crate::issuer::ProviderMetadata;
use crate::oauth::IssuerName;
use crate::token::keys::MetadataPlaces;

/// How long a provider that gave nothing is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The providers of the configuration at most.
#[derive(Debug, Default)]
pub(in crate::serve::issuer) struct Providers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    providers: HashMap<IssuerName, Arc<Known>>,
    /// What fetches, for which `trusted_cas`.
    fetcher: Option<(Option<Arc<[u8]>>, Fetcher)>,
}

/// What one provider said last.
#[derive(Debug)]
struct Known {
    places: MetadataPlaces,
    last: Mutex<Option<(Arc<ProviderMetadata>, Instant)>>,
    /// One reading at a time, and why and when the last one failed.
    reading: tokio::sync::Mutex<Option<(String, Instant)>>,
}

impl Providers {
    /// Where this issuer answers.
    ///
    /// # Errors
    ///
    /// [`NotLoggedIn::Unreachable`] if that cannot be had, and [`NotLoggedIn::NoProvider`] if it says so nowhere.
    pub(super) async fn metadata(
        &self,
        config: &Config,
        trusted: &TrustedIssuer,
    ) -> Result<Arc<ProviderMetadata>, NotLoggedIn> {
        let fetcher = self.fetcher(config)?;
        let places = MetadataPlaces::of(trusted).ok_or(NotLoggedIn::NoProvider)?;
        self.of(trusted, places).metadata(trusted, &fetcher).await
    }

    /// What fetches under this configuration.
    ///
    /// # Errors
    ///
    /// [`InvalidTrust`] if nothing could be fetched for `trusted_cas`.
    pub(super) fn fetcher(&self, config: &Config) -> Result<Fetcher, InvalidTrust> {
        if let Some((trusted, fetcher)) = &self.kept().fetcher
            && *trusted == config.trusted_cas
        {
            return Ok(fetcher.clone());
        }
        // To read certificates takes time, in which the others need not wait.
        let fetcher = Fetcher::new(config.trusted_cas.as_deref())?;
        // What was fetched under other authorities counts no more.
        *self.kept() = Kept { providers: HashMap::new(), fetcher: Some((config.trusted_cas.clone(), fetcher.clone())) };
        Ok(fetcher)
    }

    fn of(&self, trusted: &TrustedIssuer, places: MetadataPlaces) -> Arc<Known> {
        let mut kept = self.kept();
        match kept.providers.get(&trusted.name).filter(|known| known.places == places) {
            Some(known) => Arc::clone(known),
            None => {
                let known = Arc::new(Known { places, last: Mutex::default(), reading: tokio::sync::Mutex::default() });
                kept.providers.insert(trusted.name.clone(), Arc::clone(&known));
                known
            }
        }
    }

    /// Forgets what a configuration has no more.
    pub(in crate::serve::issuer) fn prune(&self, config: &Config) {
        let mut kept = self.kept();
        if kept.fetcher.as_ref().is_some_and(|(trusted, _)| *trusted != config.trusted_cas) {
            *kept = Kept::default();
        }
        let logins = config.issuer.iter().filter_map(|server| server.login.as_ref()).flat_map(|login| &login.openid);
        let providers: Vec<&TrustedIssuer> =
            logins.filter_map(|login| config.trusted_issuers.get(login.issuer.0)).collect();
        kept.providers.retain(|name, known| {
            let trusted = providers.iter().find(|trusted| trusted.name == *name);
            trusted.is_some_and(|trusted| MetadataPlaces::of(trusted).as_ref() == Some(&known.places))
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    async fn metadata(&self, trusted: &TrustedIssuer, fetcher: &Fetcher) -> Result<Arc<ProviderMetadata>, NotLoggedIn> {
        if let Some(fresh) = self.not_older_than(trusted.refresh) {
            return Ok(fresh);
        }
        let stale = self.not_older_than(trusted.max_stale);
        let mut failed = match (self.reading.try_lock(), &stale) {
            (Ok(failed), _) => failed,
            // Somebody reads it already.
            (Err(_), Some(stale)) => return Ok(Arc::clone(stale)),
            (Err(_), None) => self.reading.lock().await,
        };
        if let Some(fresh) = self.not_older_than(trusted.refresh) {
            return Ok(fresh);
        }
        if let Some((why, at)) = &*failed
            && at.elapsed() < RETRY_AFTER
        {
            return stale.ok_or_else(|| NotLoggedIn::Unreachable(why.clone()));
        }
        match self.read(trusted, fetcher).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *failed = None;
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Arc::clone(&metadata), Instant::now()));
                Ok(metadata)
            }
            Err(why) => {
                tracing::warn!(issuer = trusted.name.as_str(), error = why, "the provider's metadata cannot be read");
                *failed = Some((why.clone(), Instant::now()));
                stale.ok_or(NotLoggedIn::Unreachable(why))
            }
        }
    }

    fn not_older_than(&self, age: Duration) -> Option<Arc<ProviderMetadata>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(_, at)| at.elapsed() < age).map(|(metadata, _)| Arc::clone(metadata))
    }

    /// Asks the documents in turn; silence ends that, because the same server would be asked again.
    async fn read(&self, trusted: &TrustedIssuer, fetcher: &Fetcher) -> Result<ProviderMetadata, String> {
        let mut failures = Vec::new();
        for place in &self.places.documents {
            match fetcher.fetch(place, trusted.fetch_token.as_ref()).await {
                Ok(fetched) => match ProviderMetadata::read(&fetched.body, &self.places.issuers, place) {
                    Ok(metadata) => return Ok(metadata),
                    Err(fault) => failures.push(format!("`{}`: {fault}", crate::fetch::shown(place))),
                },
                Err(error) => {
                    let is_silent = matches!(error.fault, FetchFault::Connection | FetchFault::Timeout);
                    failures.push(error.to_string());
                    if is_silent {
                        break;
                    }
                }
            }
        }
        Err(format!("the provider's metadata cannot be had: {}", failures.join("; ")))
    }
}

#[cfg(test)]
mod tests;
