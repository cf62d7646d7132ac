//! A gateway with an issuer of its own and a folder to keep its state in.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use narrowgate::app::{Running, StartError};
use narrowgate::clock::Timestamp;
use narrowgate::config::{
    self, AuthorizationServer, Config, Environment, KeyOrigin, Signing, StoreLocation, UserLogin,
};
use narrowgate::oauth::{ClientRef, SigningAlgorithm};
use narrowgate::secret::Secret;
use narrowgate::store::{EmbeddedStore, StoreError};
use narrowgate::token::mint::{AccessToken, GrantId, NewAccessToken, Source, TokenSubject, UserClaims};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

const YAML: &str = "
listen: 127.0.0.1:0
admin: 127.0.0.1:0
resources: { https://api.example: { upstream: http://127.0.0.1:1, scopes: [read] } }
";
/// How long anything may take that will happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that goes with the test, and the configuration of who lives there.
pub struct House {
    folder: PathBuf,
    config: Config,
    is_owner: bool,
}

impl House {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("narrowgate-issuing-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let mut house = Self::at(&folder);
        house.is_owner = true;
        house
    }

    /// In a folder that is somebody else's.
    pub fn at(folder: &Path) -> Self {
        let loaded = config::parse(YAML, Path::new("gateway.yaml"), &Environment::default());
        let mut config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        let keys = KeyOrigin::Store { rotate_every: Duration::from_secs(3600) };
        config.issuer = Some(AuthorizationServer {
            issuer: "https://auth.example".to_owned(),
            url: "https://auth.example".parse().unwrap(),
            access_token_lifetime: Duration::from_secs(300),
            code_lifetime: AuthorizationServer::CODE_LIFETIME,
            refresh_token_lifetime: AuthorizationServer::REFRESH_TOKEN_LIFETIME,
            session_lifetime: AuthorizationServer::SESSION_LIFETIME,
            login: None,
            exchange_depth: 4,
            development_tokens: false,
            signing: Signing { algorithm: SigningAlgorithm::Es256, keys, encryption: None },
            clients: Vec::new(),
        });
        config.store = Some(StoreLocation::File(folder.join("narrowgate.redb")));
        Self { folder: folder.to_owned(), config, is_owner: false }
    }

    pub fn encryption(&mut self, encryption: Secret) {
        self.config.issuer.as_mut().unwrap().signing.encryption = Some(encryption);
    }

    pub fn signing(&mut self, keys: KeyOrigin) {
        self.config.issuer.as_mut().unwrap().signing.keys = keys;
    }

    /// Lets users log in.
    pub fn login(&mut self) {
        self.config.issuer.as_mut().unwrap().login = Some(UserLogin { openid: Vec::new(), users: Vec::new() });
    }

    pub fn resource_algorithm(&mut self, algorithm: SigningAlgorithm) {
        self.config.resources[0].signing_algorithm = Some(algorithm);
    }

    pub fn clone_config(&self) -> Config {
        self.config.clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn write_private(path: &Path, bytes: &[u8]) {
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.unwrap().write_all(bytes).unwrap();
    }

    pub async fn start(&self) -> Result<Running, StartError> {
        self.start_with(self.clone_config()).await
    }

    pub async fn start_with(&self, config: Config) -> Result<Running, StartError> {
        Running::start(config, None).await
    }

    /// Why nothing starts here, without the folder's name.
    pub async fn refusal(&self) -> String {
        self.refusal_of(self.clone_config()).await
    }

    pub async fn refusal_of(&self, config: Config) -> String {
        match self.start_with(config).await {
            Ok(_) => panic!("it starts"),
            Err(error) => error.to_string().replace(&format!("{}/", self.folder.display()), ""),
        }
    }

    /// Ends a gateway, and waits until it has let go of its store.
    pub async fn stop(&self, running: Running) {
        running.drain().await;
        let path = self.path("narrowgate.redb");
        soon(|| !matches!(EmbeddedStore::open(&path), Err(StoreError::InUse))).await;
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.is_owner {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Waits for what will come to be.
pub async fn soon(is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to be");
        sleep(Duration::from_millis(10)).await;
    }
}

fn jwk_set(running: &Running) -> JwkSet {
    let keys = running.current().load().issuing.as_ref().unwrap().keys.load();
    serde_json::from_slice(keys.jwk_set().as_bytes()).unwrap()
}

/// The keys that are published.
pub fn kids(running: &Running) -> Vec<String> {
    let mut kids: Vec<_> = jwk_set(running).keys.into_iter().map(|key| key.common.key_id.unwrap()).collect();
    kids.sort();
    kids
}

/// A token that is signed now.
pub fn token(running: &Running) -> String {
    let snapshot = running.current().load();
    let keys = snapshot.issuing.as_ref().unwrap().keys.load();
    let said = AccessToken::new(
        &snapshot.config.resources[0],
        &NewAccessToken {
            issuer: "https://auth.example",
            subject: TokenSubject::Client,
            client: ClientRef { issuer: None, id: "app" },
            scopes: &[],
            now: Timestamp::now(),
            lifetime: Duration::from_secs(300),
            source: Source::Grant(GrantId::generate().unwrap()),
            login: None,
            actor: None,
            user_claims: &UserClaims::default(),
        },
    );
    said.unwrap().sign(&keys, SigningAlgorithm::Es256).unwrap().expose().to_owned()
}

/// The key that a token names.
pub fn kid(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

/// Whether a token can be verified with what is published, by code that others wrote.
pub fn verifies(running: &Running, token: &str) -> bool {
    let header = decode_header(token).unwrap();
    let keys = jwk_set(running);
    let Some(key) = keys.find(header.kid.as_ref().unwrap()) else { return false };
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["https://api.example"]);
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).is_ok()
}

/// What the admin address answers.
pub async fn ask(running: &Running, method: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(running.admin().unwrap()).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
