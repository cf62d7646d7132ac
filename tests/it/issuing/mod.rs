//! Our own issuer, as its clients and the APIs behind the gate see it: the real program, with a store of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::api::Api;
use crate::client::{Ask, Response};
use crate::gateway::Gateway;
use crate::issuer::Issuer;
use crate::keys::SigningKey;

mod access;
mod clients;
mod clients_of_users;
mod database;
mod development;
mod exchange;
mod login;
mod narrowing;
mod operators;
mod pages;
mod storm;
mod taken_back;

pub const ONE: &str = "https://api1.example.com";
pub const TWO: &str = "https://api2.example.com";
const HOSTS: [&str; 3] = ["api1.example.com", "api2.example.com", "api3.example.com"];

/// The clients with a secret, and it.
pub const APP: (&str, &str) = ("app", "the-new-secret-of-the-app-0123456789");
pub const API1_SERVICE: (&str, &str) = ("api1-service", "the-secret-of-the-service-behind-api1");
pub const API2_SERVICE: (&str, &str) = ("api2-service", "the-secret-of-the-service-behind-api2");
pub const HELPER: (&str, &str) = ("helper", "the-secret-of-a-helper-with-one-edge-x");
pub const NAMESAKE: (&str, &str) = ("web", "the-secret-of-a-namesake-of-the-app-xx");

/// A gateway with an issuer, on a port that its URLs hold.
pub struct World {
    pub gateway: Gateway,
    pub url: String,
    pub robot: SigningKey,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl World {
    /// Starts with the configuration of `tests/fixtures/it/issuing.yaml`.
    pub async fn start() -> Self {
        Self::start_with(|text| text).await
    }

    /// The same, where the text is changed before.
    pub async fn start_with(change: impl FnOnce(String) -> String) -> Self {
        Self::start_in(async |_, text| change(text)).await
    }

    /// The same, where something may be put into its folder before.
    pub async fn start_in(prepare: impl AsyncFnOnce(&Path, String) -> String) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("narrowgate-issuing-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the system has a folder for this");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/it/issuing.yaml");
        let text = fs::read_to_string(fixture).expect("the fixture is there");
        let text = prepare(&folder, text).await;
        fs::write(folder.join("gateway.yaml"), text).expect("the folder is ours");
        let robot = SigningKey::new("robot-1", "ES256");
        let jwks = serde_json::json!({ "keys": [robot.jwk()] }).to_string();
        fs::write(folder.join("robot.jwks.json"), jwks).expect("the folder is ours");
        let mut issuers = BTreeMap::new();
        for name in ["ISSUER_CORP", "ISSUER_OTHER"] {
            issuers.insert(name.to_owned(), Issuer::start().await);
        }
        let mut apis = BTreeMap::new();
        for name in ["API_1", "API_2", "API_3"] {
            apis.insert(name.to_owned(), Api::start(name).await);
        }
        let port = free_port();
        let environment = BTreeMap::from([("PORT".to_owned(), port.to_string())]);
        let gateway = Gateway::run_with(folder.join("gateway.yaml"), issuers, apis, environment).await;
        Self { gateway, url: format!("http://127.0.0.1:{port}"), robot, folder }
    }

    /// A form to one of the issuer's endpoints, by a client with a secret.
    pub async fn post(&self, path: &str, client: (&str, &str), parameters: &[(&str, &str)]) -> Response {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let basic = STANDARD.encode(format!("{}:{}", client.0, client.1));
        let host = self.url.trim_start_matches("http://");
        let ask = Ask::new(self.gateway.address, "POST", host, path).header("authorization", &format!("Basic {basic}"));
        ask.header("content-type", "application/x-www-form-urlencoded").body(form).send().await
    }

    /// An exchange.
    pub async fn exchange(&self, client: (&str, &str), subject: &str, more: &[(&str, &str)]) -> Response {
        let mut parameters = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", subject),
        ];
        parameters.extend(more);
        self.post("/token", client, &parameters).await
    }

    /// A token for a client itself.
    pub async fn own_token(&self, client: (&str, &str), resource: &str) -> String {
        let parameters = [("grant_type", "client_credentials"), ("resource", resource)];
        token_in(&self.post("/token", client, &parameters).await)
    }

    /// What a command does with this world's file, while its gateway runs or not.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narrowgate"));
        command.args(arguments).arg("-c").arg(self.folder.join("gateway.yaml")).envs(self.gateway.environment());
        let output = tokio::task::spawn_blocking(move || command.output());
        output.await.expect("it does not panic").expect("the program was built")
    }

    /// What each API says to a token: its status and reason.
    pub async fn verdicts(&self, token: &str) -> [String; 3] {
        let mut verdicts = Vec::new();
        for host in HOSTS {
            verdicts.push(self.gateway.get(host, "/x", token).send().await.verdict());
        }
        verdicts.try_into().expect("there are three")
    }

    /// The issuer that the configuration calls `corp`.
    pub fn corp(&self) -> &Issuer {
        self.gateway.issuer("ISSUER_CORP")
    }

    /// A token of corp, alice's, issued to what is `app` here.
    pub fn of_corp(&self, change: impl FnOnce(&mut Value)) -> String {
        of(self.corp(), change)
    }
}

/// A token of an issuer, alice's, with whatever a test changes.
pub fn of(issuer: &Issuer, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = issuer.claims(ONE, "read write transaction:7");
    (claims["sub"], claims["client_id"]) = ("alice".into(), "web".into());
    change(&mut claims);
    issuer.key().token(&claims)
}

/// The token in an answer that must bring one.
pub fn token_in(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().expect("a token came").to_owned()
}

/// Status and error of a refusal.
pub fn refusal(answer: &Response) -> String {
    format!("{} {}", answer.status, answer.json()["error"].as_str().unwrap_or("no error"))
}

/// What a token says, unproven.
pub fn claims(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).expect("base64url")).expect("JSON")
}

/// A port that nobody had a moment ago: the issuer's URL must hold it before it is bound.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    listener.local_addr().expect("it is bound").port()
}
