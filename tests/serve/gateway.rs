//! A gateway of one configuration, listening on a free port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use narrowgate::config::{self, Certificate, Config, Environment, JwksLocation, KeySource, Limits};
use narrowgate::fetch::Fetcher;
use narrowgate::secret::Secret;
use narrowgate::serve::{Gateway, Listening, NarrowedTokens, Serving};
use narrowgate::snapshot::{Current, Snapshot};
use narrowgate::telemetry::Metrics;
use narrowgate::token::{Keyring, TokenCache};
use narrowgate::upstream::{self, UpstreamPool};
use serde_json::json;
use tokio::time::timeout;

use crate::client::PATIENCE;

/// A gateway that is running, and what a test looks at.
pub struct Running {
    pub address: SocketAddr,
    pub gateway: Gateway,
    pub serving: Serving,
}

/// The issuer of every test: one key, made for this run.
pub struct Issuer {
    key: rcgen::KeyPair,
}

/// Starts a gateway; `yaml` is a configuration without `listen`.
pub async fn start(yaml: &str) -> Running {
    start_with(yaml, &Issuer::new(), |_| {}).await
}

/// Starts a gateway of one public resource, `https://api.example`, in front of `origin`.
pub async fn start_public(origin: SocketAddr) -> Running {
    start(&public(origin, "")).await
}

/// A configuration of one public resource; `more` is further YAML of the resource.
pub fn public(origin: SocketAddr, more: &str) -> String {
    format!("resources:\n  https://api.example: {{ public: true, upstream: \"http://{origin}\", {more} }}\n")
}

/// A configuration of one public resource whose `upstream` is written out.
pub fn public_before(upstream: &str) -> String {
    format!("resources:\n  https://api.example: {{ public: true, upstream: {{ {upstream} }} }}\n")
}

/// A configuration of one resource that wants a token of the test's issuer.
pub fn protected(origin: SocketAddr, more: &str) -> String {
    format!(
        "trusted_issuers:\n  corp: {{ issuer: https://login.example, jwks: https://login.example/jwks }}\n\
         resources:\n  https://api.example: {{ upstream: \"http://{origin}\", {more} }}\n"
    )
}

/// Starts a gateway whose configuration is changed after it was read.
pub async fn start_with(yaml: &str, issuer: &Issuer, change: impl FnOnce(&mut Config)) -> Running {
    let text = format!("listen: 127.0.0.1:0\n{yaml}");
    let mut config = match config::parse(&text, Path::new("gateway.yaml"), &Environment::of_process()) {
        Ok(loaded) => loaded.config,
        Err(faults) => panic!("{faults:?}"),
    };
    for trusted in &mut config.trusted_issuers {
        let json = issuer.jwks().into_bytes().into();
        trusted.keys = KeySource::Jwks(vec![JwksLocation::File { path: "jwks.json".into(), json }]);
    }
    change(&mut config);
    let config = Arc::new(config);
    let fetcher = Fetcher::new(None).unwrap();
    let keyrings = config.trusted_issuers.iter().map(|trusted| Keyring::new(trusted.clone(), fetcher.clone()));
    let upstreams = UpstreamPool::of(&config, &[]).unwrap();
    upstream::ready(&upstreams).await;
    let snapshot = Snapshot::new(Arc::clone(&config), keyrings.collect(), None, upstreams).unwrap();
    let gateway = Gateway {
        current: Arc::new(Current::new(snapshot)),
        tokens: Arc::new(TokenCache::new(1 << 20).unwrap()),
        narrowed: Arc::new(NarrowedTokens::new(1 << 20)),
        metrics: Arc::new(Metrics::default()),
    };
    let listening = Listening::bind(&config.listeners).unwrap();
    let address = listening.bound()[0].address;
    let serving = listening.serve(gateway.clone());
    Running { address, gateway, serving }
}

impl Running {
    /// Waits until a server of the first resource is healthy, or is not any more.
    pub async fn until_server(&self, number: usize, healthy: bool) {
        let is_so = || {
            let snapshot = self.gateway.current.load();
            snapshot.upstreams[0].status().nth(number).unwrap().healthy == healthy
        };
        let waiting = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the server's health did not change");
    }

    /// Waits until the metrics say this: what happens to a connection is counted while its client learns of it.
    pub async fn counts(&self, line: &str) {
        let counted = async {
            while !self.gateway.metrics.encode().contains(line) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("no `{line}`"));
    }

    /// The metrics once everything has ended: an answer is recorded behind its last byte.
    pub async fn metrics_at_last(self) -> String {
        self.serving.drain(&Limits::default()).await;
        self.gateway.metrics.encode()
    }
}

impl Issuer {
    /// An issuer with a new key.
    pub fn new() -> Self {
        Self { key: rcgen::KeyPair::generate().unwrap() }
    }

    /// A token for `https://api.example` that lives for a minute.
    pub fn token(&self) -> String {
        self.token_for("https://api.example")
    }

    /// A token for another audience that lives for a minute.
    pub fn token_for(&self, audience: &str) -> String {
        self.sign(audience, narrowgate::clock::Timestamp::now().0 + 60)
    }

    /// A token for `https://api.example` that ends at `exp`.
    pub fn token_until(&self, exp: u64) -> String {
        self.sign("https://api.example", exp)
    }

    fn sign(&self, audience: &str, exp: u64) -> String {
        let header = jsonwebtoken::Header {
            kid: Some("k1".to_owned()),
            typ: Some("at+jwt".to_owned()),
            ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
        };
        let claims = json!({
            "iss": "https://login.example", "aud": audience, "sub": "ada", "client_id": "app",
            "iat": narrowgate::clock::Timestamp::now().0, "exp": exp, "jti": "1",
        });
        let key = jsonwebtoken::EncodingKey::from_ec_pem(self.key.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    /// Its keys, as a document.
    pub fn jwks(&self) -> String {
        use base64::Engine;
        let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let point = rcgen::PublicKeyData::der_bytes(&self.key);
        let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y }] }).to_string()
    }
}

/// A certificate for `name`, and what a client must trust to accept it.
pub fn certificate(name: &str) -> (Certificate, rustls::pki_types::CertificateDer<'static>) {
    certificate_for(&[name])
}

/// A certificate for names and addresses, and what a client must trust to accept it.
pub fn certificate_for(names: &[&str]) -> (Certificate, rustls::pki_types::CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let der = made.cert.der().clone();
    let certificate = Certificate {
        cert: "site.pem".into(),
        cert_pem: made.cert.pem().into_bytes().into(),
        key_pem: Secret::new(made.signing_key.serialize_pem()),
    };
    (certificate, der)
}
