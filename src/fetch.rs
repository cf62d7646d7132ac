//! One bounded GET of a document that the configuration, or an issuer named there, points at; and one bounded POST of a
//! form, for whoever is a client of an authorization server.
//!
//! Every bound is here: 3 s to connect, 5 s in all, 256 KiB, status 200 and nothing else. Deliberately absent:
//! redirects (a document lies where it was said to lie), proxies from the environment (what carries the keys that
//! everything rests on is for the configuration to say, and issuers on loopback must stay reachable), decompression
//! (no bomb), cookies, kept connections, and log lines.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::oauth::OAuthError;
use crate::secret::Secret;

#[cfg(test)]
pub(crate) mod loopback;
#[cfg(test)]
mod tests;

/// The longest document that is read, in bytes.
pub const BODY_BYTES: usize = 256 << 10;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a fetch may take in all, from the first byte of the request to the last one of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches documents. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    patience: Duration,
}

/// A document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetched {
    /// Its bytes.
    pub body: Vec<u8>,
    /// How long it stays fresh by `Cache-Control` and `Age` (RFC 9111 §4.2); nothing if it does not say.
    ///
    /// `no-store`, `no-cache` and what cannot be read are zero. `Expires` is not looked at.
    pub max_age: Option<Duration>,
}

/// Why a document could not be fetched; the text names its URL without query, and never a credential.
#[derive(Debug, thiserror::Error)]
#[error("`{url}`: {fault}")]
pub struct FetchError {
    /// The URL, without what may be secret.
    pub url: String,
    /// What happened.
    pub fault: FetchFault,
    /// What the connection has to say.
    #[source]
    cause: Option<Arc<reqwest::Error>>,
}

/// What happened instead of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FetchFault {
    /// The credential cannot stand in a header field.
    #[error("the credential for it cannot be sent")]
    Credential,
    /// No connection, or none that could be trusted.
    #[error("no connection")]
    Connection,
    /// The time was up.
    #[error("the answer took too long")]
    Timeout,
    /// A redirect, which is never followed.
    #[error("the answer is a redirect ({0}), which is not followed")]
    Redirect(u16),
    /// Another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// A refusal in the words of an authorization server (RFC 6749 §5.2).
    #[error("the answer is `{0}`")]
    Refused(OAuthError),
    /// The body is longer than any such document needs to be.
    #[error("the answer is longer than {BODY_BYTES} bytes")]
    TooLong,
    /// The answer broke off, or is no HTTP.
    #[error("the answer broke off")]
    Interrupted,
}

/// Why no [`Fetcher`] can be made.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTrust {
    /// The extra certificates are no PEM, or hold no certificate.
    #[error("no certificate can be read from `trusted_cas`")]
    NoCertificate,
    /// A certificate is refused as a root.
    #[error("a certificate of `trusted_cas` cannot be a root")]
    Root(#[source] reqwest::Error),
}

impl Fetcher {
    /// A fetcher that trusts the platform's certificates and these (PEM).
    ///
    /// A platform without any certificate is no fault: then only these count, and without these no `https`.
    ///
    /// # Errors
    ///
    /// [`InvalidTrust`] if `trusted_cas` holds something else than certificates.
    pub fn new(trusted_cas: Option<&[u8]>) -> Result<Self, InvalidTrust> {
        Self::with_patience(trusted_cas, PATIENCE)
    }

    fn with_patience(trusted_cas: Option<&[u8]>, patience: Duration) -> Result<Self, InvalidTrust> {
        // Another part of the process may have chosen a provider already; it is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let roots = match trusted_cas {
            None => Vec::new(),
            Some(pem) => match reqwest::Certificate::from_pem_bundle(pem) {
                Ok(roots) if !roots.is_empty() => roots,
                _ => return Err(InvalidTrust::NoCertificate),
            },
        };
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("narrowgate/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(patience)
                .pool_max_idle_per_host(0)
        };
        let client = match builder().tls_certs_merge(roots.clone()).build() {
            // A platform without certificates fails here, though none may be needed.
            Err(_) if roots.is_empty() => builder().tls_certs_only(roots).build(),
            built => built,
        };
        Ok(Self { client: client.map_err(InvalidTrust::Root)?, patience })
    }

    /// A fetcher whose patience ends soon, for tests of what takes too long.
    #[cfg(test)]
    pub(crate) fn impatient(patience: Duration) -> Self {
        Self::with_patience(None, patience).expect("no extra certificates, no fault")
    }

    /// How long one fetch may take in all.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Fetches the document at `url`, with `credential` as bearer token if there is one.
    ///
    /// # Errors
    ///
    /// [`FetchError`] for everything that is not a whole answer with status 200 inside the bounds.
    pub async fn fetch(&self, url: &Url, credential: Option<&Secret>) -> Result<Fetched, FetchError> {
        let failed = |fault| FetchError { url: shown(url), fault, cause: None };
        let mut request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(credential) = credential {
            request = request.header(AUTHORIZATION, bearer(credential).ok_or(failed(FetchFault::Credential))?);
        }
        let response = request.send().await.map_err(|error| interrupted(url, error))?;
        let max_age = max_age(response.headers());
        Ok(Fetched { body: Self::whole(url, response).await?, max_age })
    }

    /// Posts a form to `url`, with the id and the secret of a client in the header if there are any (RFC 6749 §2.3.1), and
    /// gives the body of the answer.
    ///
    /// # Errors
    ///
    /// [`FetchError`] for everything that is not a whole answer with status 200 inside the bounds.
    pub async fn post_form(
        &self,
        url: &Url,
        client: Option<(&str, &Secret)>,
        form: &Secret,
    ) -> Result<Zeroizing<Vec<u8>>, FetchError> {
        let request = self.client.post(url.clone()).header(ACCEPT, "application/json");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = match client {
            None => request,
            Some((id, secret)) => request.header(AUTHORIZATION, basic(id, secret)),
        };
        let response = request.body(form.expose().to_vec()).send().await.map_err(|error| interrupted(url, error))?;
        match response.status().as_u16() {
            status @ (400 | 401) => {
                let body = Self::bounded(url, response).await?;
                let fault = oauth_error(&body).map_or(FetchFault::Status(status), FetchFault::Refused);
                Err(FetchError { url: shown(url), fault, cause: None })
            }
            _ => Self::whole(url, response).await.map(Zeroizing::new),
        }
    }

    /// The body of an answer with status 200.
    async fn whole(url: &Url, response: reqwest::Response) -> Result<Vec<u8>, FetchError> {
        let failed = |fault| FetchError { url: shown(url), fault, cause: None };
        match response.status() {
            http::StatusCode::OK => Self::bounded(url, response).await,
            status if status.is_redirection() => Err(failed(FetchFault::Redirect(status.as_u16()))),
            status => Err(failed(FetchFault::Status(status.as_u16()))),
        }
    }

    /// The body of an answer, if it is not too long.
    async fn bounded(url: &Url, mut response: reqwest::Response) -> Result<Vec<u8>, FetchError> {
        let failed = |fault| FetchError { url: shown(url), fault, cause: None };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| interrupted(url, error))? {
            if body.len() + chunk.len() > BODY_BYTES {
                return Err(failed(FetchFault::TooLong));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn interrupted(url: &Url, error: reqwest::Error) -> FetchError {
    let fault = match () {
        () if error.is_timeout() => FetchFault::Timeout,
        () if error.is_connect() => FetchFault::Connection,
        () => FetchFault::Interrupted,
    };
    FetchError { url: shown(url), fault, cause: Some(Arc::new(error.without_url())) }
}

/// The URL as a message may show it: queries and user information hold secrets at some providers.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn bearer(credential: &Secret) -> Option<HeaderValue> {
    let text = [b"Bearer ", credential.expose()].concat();
    let mut value = HeaderValue::from_bytes(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The header field of a client with a secret; both are encoded before they are joined (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &Secret) -> HeaderValue {
    let encoded = |bytes: &[u8]| form_urlencoded::byte_serialize(bytes).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encoded(id.as_bytes()), encoded(secret.expose())));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        .expect("base64 can stand in a header field");
    value.set_sensitive(true);
    value
}

/// The code of a refusal, if it is a known one; whatever else is said there stays there.
fn oauth_error(body: &[u8]) -> Option<OAuthError> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    OAuthError::ALL.into_iter().find(|known| known.as_str() == refusal.error)
}

/// How long an answer stays fresh; of several directives the shortest counts.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lifetime = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("no-cache").split(','))
        .filter_map(lifetime)
        .min()?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()).map_or(0, seconds);
    Some(Duration::from_secs(lifetime.saturating_sub(age)))
}

fn lifetime(directive: &str) -> Option<u64> {
    let (name, value) = directive.trim().split_once('=').unwrap_or((directive.trim(), ""));
    match name.trim().to_ascii_lowercase().as_str() {
        "no-store" | "no-cache" => Some(0),
        "max-age" => Some(seconds(value.trim().trim_matches('"'))),
        _ => None,
    }
}

/// Seconds as RFC 9111 §1.2.2 reads them: beyond the largest number is the largest, and no number is none at all.
fn seconds(text: &str) -> u64 {
    match text.trim() {
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().unwrap_or(u64::MAX)
        }
        _ => 0,
    }
}
