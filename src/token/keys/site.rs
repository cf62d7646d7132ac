//! A trusted issuer for tests: its configuration, and a web server whose pages a test changes as it goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use url::Url;

use super::signer::{TestSigner, jwks};
use crate::config::{ClaimNames, JwksLocation, KeySource, SubjectForm, TokenProfile, TrustedIssuer};
use crate::fetch::loopback::{Loopback, Reply};
use crate::oauth::{Algorithm, IssuerName};

/// An issuer as the configuration gives it, with the defaults, found by discovery.
pub(crate) fn trusted(issuer: &str) -> TrustedIssuer {
    TrustedIssuer {
        name: IssuerName::parse("corp").unwrap(),
        issuers: vec![issuer.to_owned()],
        keys: KeySource::Discovery { issuer: Url::parse(issuer).unwrap() },
        fetch_token: None,
        algorithms: Algorithm::ALL.to_vec(),
        claims: ClaimNames { scope: Vec::new(), client: Vec::new(), subject: Vec::new(), carry: Vec::new() },
        token_type: TokenProfile::Any,
        allow_nonce: false,
        exchange_audiences: Vec::new(),
        ignore_audiences: Vec::new(),
        require: Vec::new(),
        subjects: SubjectForm::Qualified,
        refresh: Duration::from_secs(600),
        refetch_after: Duration::from_secs(30),
        max_stale: Duration::from_secs(24 * 3600),
    }
}

/// An issuer's web server whose pages a test changes as it goes; an unknown page is 404.
pub(crate) struct Site {
    /// The server, which counts.
    pub(crate) server: Loopback,
    pages: Arc<Mutex<HashMap<String, Reply>>>,
}

impl Site {
    /// A site without pages.
    pub(crate) async fn start() -> Self {
        let pages: Arc<Mutex<HashMap<String, Reply>>> = Arc::default();
        let served = Arc::clone(&pages);
        let answers =
            move |path: &str| served.lock().expect("no holder panics").get(path).cloned().unwrap_or(Reply::status(404));
        Self { server: Loopback::start(answers).await, pages }
    }

    /// What `path` is answered with from now on.
    pub(crate) fn set(&self, path: &str, reply: Reply) {
        self.pages.lock().expect("no holder panics").insert(path.to_owned(), reply);
    }

    /// Publishes new keys with these names at `path`.
    pub(crate) fn publish(&self, path: &str, kids: &[&str]) {
        let keys: Vec<_> = kids.iter().map(|kid| TestSigner::new(kid, "ES256").jwk()).collect();
        self.set(path, Reply::ok(jwks(&keys)));
    }

    /// Publishes metadata of `issuer` at `path`, with its keys at `/jwks`.
    pub(crate) fn describe(&self, path: &str, issuer: &str) {
        let metadata = json!({ "issuer": issuer, "jwks_uri": self.server.at("/jwks").as_str() });
        self.set(path, Reply::ok(metadata.to_string()));
    }

    /// This site's base URL without a final slash.
    pub(crate) fn issuer(&self) -> String {
        self.server.at("/").as_str().trim_end_matches('/').to_owned()
    }

    /// An issuer with key sets at these paths, which may be read again at any time.
    pub(crate) fn with_keys_at(&self, paths: &[&str]) -> TrustedIssuer {
        let keys = paths.iter().map(|path| JwksLocation::Url(self.server.at(path))).collect();
        TrustedIssuer { keys: KeySource::Jwks(keys), refetch_after: Duration::ZERO, ..trusted(&self.issuer()) }
    }
}
