//! An issuer of its own on the gate's listener: two APIs, and a client of every kind around them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use narrowgate::clock::Timestamp;
use narrowgate::config::{
    self, AuthorizationServer, Client as Registered, ClientAuthentication, Config, Consent, EdgeScope, Environment,
    GrantType, JwksLocation, KeyOrigin, KeySource, ResourceId, Signing,
};
use narrowgate::fetch::Fetcher;
use narrowgate::oauth::{ScopePattern, SigningAlgorithm};
use narrowgate::secret::Secret;
use narrowgate::serve::{Gateway, Listening, NarrowedTokens, Serving};
use narrowgate::snapshot::{Current, Issuing, Snapshot};
use narrowgate::store::sealing::{RootKey, Seals};
use narrowgate::store::{MemoryStore, Store};
use narrowgate::telemetry::Metrics;
use narrowgate::token::mint::{SigningKey, SigningKeyring, SigningKeys};
use narrowgate::token::{Keyring, Revocations, TokenCache};
use narrowgate::upstream::UpstreamPool;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::client::{Client, Reply};
use crate::gateway::Issuer;

pub const ISSUER: &str = "https://auth.example";
pub const ONE: &str = "https://api1.example";
pub const TWO: &str = "https://api2.example";
pub const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A running gateway with an issuer.
pub struct World {
    pub address: SocketAddr,
    pub gateway: Gateway,
    pub corp: Issuer,
    /// The key of the client that signs.
    pub signer: rcgen::KeyPair,
    /// Fields that every request carries.
    pub fields: &'static str,
    _serving: Serving,
}

/// A world, and how it differs from the usual one.
pub struct Plan {
    pub yaml: &'static str,
    pub store: Arc<dyn Store>,
    pub change: Box<dyn FnOnce(&mut Config) + Send>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { yaml: "", store: Arc::new(MemoryStore::default()), change: Box::new(|_| {}) }
    }
}

impl World {
    pub async fn start() -> Self {
        Self::planned(Plan::default()).await
    }

    pub async fn planned(plan: Plan) -> Self {
        let text = format!(
            "listen: 127.0.0.1:0\n{}\ntrusted_issuers:\n  corp: {{ issuer: https://login.example, jwks: https://login.example/jwks }}\n\
             resources:\n  \
             {ONE}: {{ upstream: http://127.0.0.1:9, scopes: [read, write], issuers: {{ corp: {{ exchange: true }} }} }}\n  \
             {TWO}: {{ upstream: http://127.0.0.1:9, scopes: [reports] }}\n",
            plan.yaml
        );
        let loaded = config::parse(&text, Path::new("gateway.yaml"), &Environment::of_process());
        let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        let (corp, signer) = (Issuer::new(), rcgen::KeyPair::generate().unwrap());
        config.trusted_issuers[0].keys = KeySource::Jwks(vec![JwksLocation::File {
            path: "jwks.json".into(),
            json: corp.jwks().into_bytes().into(),
        }]);
        config.issuer = Some(server(&signer));
        (plan.change)(&mut config);
        let config = Arc::new(config);
        let fetcher = Fetcher::new(None).unwrap();
        let (key, _) = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
        let keys = SigningKeys::new(key, Vec::new(), Vec::new()).unwrap();
        let issuer = config.issuer.as_ref().unwrap().as_trusted_issuer();
        let issuing = Issuing {
            keys: Arc::new(SigningKeyring::new(issuer, fetcher.clone(), keys).unwrap()),
            revocations: Arc::new(Revocations::default()),
            store: plan.store,
            seals: Seals::under(&RootKey::random().unwrap()),
            longest_lifetime: std::time::Duration::from_secs(86_400),
        };
        let keyrings = config.trusted_issuers.iter().map(|trusted| Keyring::new(trusted.clone(), fetcher.clone()));
        let upstreams = UpstreamPool::of(&config, &[]).unwrap();
        let snapshot =
            Snapshot::new(Arc::clone(&config), keyrings.collect(), Some(Arc::new(issuing)), upstreams).unwrap();
        let gateway = Gateway {
            current: Arc::new(Current::new(snapshot)),
            tokens: Arc::new(TokenCache::new(1 << 20).unwrap()),
            metrics: Arc::new(Metrics::default()),
            narrowed: Arc::new(NarrowedTokens::new(1 << 20)),
        };
        let listening = Listening::bind(&config.listeners).unwrap();
        let address = listening.bound().last().unwrap().address;
        let serving = listening.serve(gateway.clone());
        Self { address, gateway, corp, signer, fields: "", _serving: serving }
    }

    /// Puts another configuration in the place of the current one.
    pub fn reload(&self, change: impl FnOnce(&mut Config)) {
        let before = self.gateway.current.load();
        let mut config = Config::clone(&before.config);
        change(&mut config);
        let keyrings = before.gate.keyrings()[..config.trusted_issuers.len()].to_vec();
        let after = before.followed_by(Arc::new(config), keyrings, before.issuing.clone(), before.upstreams.clone());
        self.gateway.current.replace(after.unwrap());
    }

    /// The answer to a request for the issuer, each field's line ended with CR LF.
    pub async fn ask(&self, method: &str, target: &str, fields: &str, body: &[u8]) -> Reply {
        let mut client = Client::connect(self.address).await;
        let length = if method == "GET" || method == "HEAD" {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        client
            .send(format!("{method} {target} HTTP/1.1\r\nHost: auth.example\r\n{length}{fields}{}\r\n", self.fields))
            .await;
        client.send(body).await;
        match method {
            "HEAD" => {
                let head = client.head().await;
                Reply { status: head[9..12].parse().unwrap(), head, body: Vec::new() }
            }
            _ => client.reply().await,
        }
    }

    /// A form, sent by a client that authenticates by `Basic`; nobody without one.
    pub async fn post(&self, target: &str, client: Option<(&str, &str)>, form: &[(&str, &str)]) -> Reply {
        let authorization = client.map(|(id, secret)| basic(id, secret)).unwrap_or_default();
        let fields = format!("Content-Type: application/x-www-form-urlencoded\r\n{authorization}");
        self.ask("POST", target, &fields, encoded(form).as_bytes()).await
    }

    /// A token that `app` gets for itself.
    pub async fn token(&self, resource: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", resource)];
        token_of(&self.post("/token", Some(APP), &form).await)
    }

    /// An assertion of the client that signs, after a change of its claims.
    pub fn assertion(&self, change: impl FnOnce(&mut Value)) -> String {
        assertion_by(&self.signer, "c1", change)
    }
}

/// The same, by another key.
pub fn assertion_by(key: &rcgen::KeyPair, kid: &str, change: impl FnOnce(&mut Value)) -> String {
    let exp = Timestamp::now().0 + 60;
    let mut claims = json!({ "iss": "signer", "sub": "signer", "aud": ISSUER, "exp": exp, "jti": "j1" });
    change(&mut claims);
    let header = jsonwebtoken::Header {
        kid: Some(kid.to_owned()),
        typ: Some("client-authentication+jwt".to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
    };
    let key = jsonwebtoken::EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

/// The clients' secrets.
pub const APP: (&str, &str) = ("app", "app-s3cret");
pub const SERVICE: (&str, &str) = ("api1-service", "one-s3cret");
pub const OTHER_SERVICE: (&str, &str) = ("api2-service", "two-s3cret");

/// The line of a `Basic` credential.
pub fn basic(id: &str, secret: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{id}:{secret}")))
}

/// A form as a body.
pub fn encoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// The access token in an answer.
pub fn token_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{:?}", String::from_utf8_lossy(&reply.body));
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// What a token says.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn server(signer: &rcgen::KeyPair) -> AuthorizationServer {
    let secrets =
        |secrets: &[&str]| ClientAuthentication::Secrets(secrets.iter().map(|one| Secret::new(*one)).collect());
    let pattern = |text: &str| ScopePattern::parse(text).unwrap();
    let (one, two) = (ResourceId(0), ResourceId(1));
    let matrix = BTreeMap::from([(one, vec![pattern("read"), pattern("write")]), (two, vec![pattern("reports")])]);
    let edge = EdgeScope { from: pattern("read"), to: vec![pattern("reports")] };
    let keys = JwksLocation::File { path: "client.json".into(), json: jwks(signer, "c1").into_bytes().into() };
    let client = |id: &str, authentication| Registered {
        id: id.to_owned(),
        grants: vec![GrantType::ClientCredentials, GrantType::TokenExchange],
        authentication,
        resources: BTreeMap::new(),
        default_resource: None,
        serves: None,
        exchange: BTreeMap::new(),
        secret_method: None,
        known_as: BTreeMap::new(),
        name: None,
        redirect_uris: Vec::new(),
        consent: Consent::Ask,
        require_pushed_authorization_requests: false,
        disabled: false,
    };
    let with_matrix = |registered: Registered| Registered { resources: matrix.clone(), ..registered };
    let clients = vec![
        with_matrix(client("app", secrets(&["app-s3cret", "app-old"]))),
        Registered {
            serves: Some(one),
            exchange: BTreeMap::from([(two, vec![edge])]),
            ..client("api1-service", secrets(&["one-s3cret"]))
        },
        Registered { serves: Some(two), ..client("api2-service", secrets(&["two-s3cret"])) },
        with_matrix(client("signer", ClientAuthentication::Keys(vec![keys]))),
        with_matrix(client("public", ClientAuthentication::None)),
        Registered { disabled: true, ..with_matrix(client("disabled", secrets(&["off-s3cret"]))) },
        Registered {
            grants: vec![GrantType::TokenExchange],
            ..with_matrix(client("no-grant", secrets(&["no-s3cret"])))
        },
    ];
    AuthorizationServer {
        issuer: ISSUER.to_owned(),
        url: Url::parse(ISSUER).unwrap(),
        access_token_lifetime: Duration::from_secs(300),
        code_lifetime: AuthorizationServer::CODE_LIFETIME,
        refresh_token_lifetime: AuthorizationServer::REFRESH_TOKEN_LIFETIME,
        session_lifetime: AuthorizationServer::SESSION_LIFETIME,
        login: None,
        exchange_depth: 4,
        development_tokens: false,
        signing: Signing { algorithm: SigningAlgorithm::Es256, keys: KeyOrigin::Files(Vec::new()), encryption: None },
        clients,
    }
}

/// A key, as a document.
pub fn jwks(key: &rcgen::KeyPair, kid: &str) -> String {
    let point = rcgen::PublicKeyData::der_bytes(key);
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y }] }).to_string()
}
