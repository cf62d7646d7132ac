//! One place that an issuer's keys come from, and one reading of it.
//!
//! A reading is a document that was checked to hold a usable key, or an error; there is nothing between them, so that
//! an empty or broken answer never takes the place of a good one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::discovery::{self, MetadataPlaces};
use super::key_set::{InvalidKeySet, KeySet};
use crate::config::{JwksLocation, KeySource, TrustedIssuer};
use crate::fetch::{FetchError, FetchFault, Fetcher, shown};

/// A place that keys come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// A file that was read with the configuration; whoever reads that again makes another place.
    File(PathBuf, Arc<[u8]>),
    /// A key set.
    KeySet(Url),
    /// Metadata that names a key set: the documents to ask in turn, and the issuers that they may be about.
    Metadata(Vec<Url>, Vec<String>),
}

/// One good reading.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// A key set with at least one usable key.
    pub(super) document: Arc<[u8]>,
    /// How long it says that it stays fresh.
    pub(super) max_age: Option<Duration>,
    /// Where it lay, if metadata said so.
    pub(super) found_at: Option<Url>,
}

/// Why a reading failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// There was no document.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The document is no key set.
    #[error("`{0}`: {1}")]
    KeySet(String, #[source] InvalidKeySet),
    /// No metadata document can be used; each says why.
    #[error("no metadata: {0}")]
    NoMetadata(String),
    /// All of it together took too long.
    #[error("reading the keys took too long")]
    Timeout,
}

impl Place {
    /// The places of an issuer.
    pub(super) fn all(issuer: &TrustedIssuer) -> Vec<Self> {
        match &issuer.keys {
            KeySource::Discovery { .. } | KeySource::DiscoveryAt { .. } => {
                let places = MetadataPlaces::of(issuer);
                places.into_iter().map(|places| Self::Metadata(places.documents, places.issuers)).collect()
            }
            KeySource::Jwks(locations) => locations
                .iter()
                .map(|location| match location {
                    JwksLocation::Url(url) => Self::KeySet(url.clone()),
                    JwksLocation::File { path, json } => Self::File(path.clone(), Arc::clone(json)),
                })
                .collect(),
            KeySource::Own => Vec::new(),
        }
    }

    /// Whether this place is read over and over.
    pub(super) fn is_fetched(&self) -> bool {
        !matches!(self, Self::File(..))
    }

    /// Takes what was read with the configuration; nothing where that has to be fetched.
    pub(super) fn at_hand(&self, issuer: &TrustedIssuer) -> Option<Result<Reading, ReadError>> {
        match self {
            Self::File(path, json) => Some(Reading::checked(Arc::clone(json), &path.display().to_string(), issuer)),
            Self::KeySet(_) | Self::Metadata(..) => None,
        }
    }

    /// Fetches it once. `known` is where metadata said the keys lie, when that is not to be asked again.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if this ends in no usable key.
    pub(super) async fn fetch(
        &self,
        known: Option<&Url>,
        fetcher: &Fetcher,
        issuer: &TrustedIssuer,
    ) -> Result<Reading, ReadError> {
        match self {
            Self::File(path, json) => Reading::checked(Arc::clone(json), &path.display().to_string(), issuer),
            Self::KeySet(url) => fetch_keys(url, fetcher, issuer).await,
            Self::Metadata(documents, names) => {
                if let Some(url) = known
                    && let Ok(reading) = fetch_keys(url, fetcher, issuer).await
                {
                    return Ok(Reading { found_at: Some(url.clone()), ..reading });
                }
                let url = find_keys(documents, names, fetcher, issuer).await?;
                let reading = fetch_keys(&url, fetcher, issuer).await?;
                Ok(Reading { found_at: Some(url), ..reading })
            }
        }
    }
}

impl Reading {
    fn checked(document: Arc<[u8]>, place: &str, issuer: &TrustedIssuer) -> Result<Self, ReadError> {
        match KeySet::parse(&[&document], &issuer.algorithms) {
            Ok(_) => Ok(Self { document, max_age: None, found_at: None }),
            Err(error) => Err(ReadError::KeySet(place.to_owned(), error)),
        }
    }
}

/// Asks the metadata documents in turn; silence ends that, because the same server would be asked again.
async fn find_keys(
    documents: &[Url],
    names: &[String],
    fetcher: &Fetcher,
    issuer: &TrustedIssuer,
) -> Result<Url, ReadError> {
    let mut failures = Vec::new();
    for place in documents {
        match fetcher.fetch(place, issuer.fetch_token.as_ref()).await {
            Ok(fetched) => match discovery::keys_url(&fetched.body, names, place) {
                Ok(url) => return Ok(url),
                Err(error) => failures.push(format!("`{}`: {error}", shown(place))),
            },
            Err(error) => match error.fault {
                FetchFault::Connection | FetchFault::Timeout => return Err(error.into()),
                _ => failures.push(error.to_string()),
            },
        }
    }
    Err(ReadError::NoMetadata(failures.join("; ")))
}

/// The credential goes wherever the issuer says that its keys lie: a cluster names its API server by address.
async fn fetch_keys(url: &Url, fetcher: &Fetcher, issuer: &TrustedIssuer) -> Result<Reading, ReadError> {
    let fetched = fetcher.fetch(url, issuer.fetch_token.as_ref()).await?;
    let reading = Reading::checked(fetched.body.into(), &shown(url), issuer)?;
    Ok(Reading { max_age: fetched.max_age, ..reading })
}
