//! Reading the configuration again while the program serves: when it does, what it takes, and what it leaves alone (P5).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::client::{Ask, Response};
use crate::gateway::{Gateway, PATIENCE};
use crate::issuer::Issuer;

mod carried;
mod files;
mod many;
mod orders;
mod removal;
mod storm;

const API1: &str = "api1.example.com";
const API2: &str = "api2.example.com";

/// A gateway with a configuration that the test writes, one issuer `corp` and one API.
struct Workplace {
    folder: PathBuf,
    gateway: Gateway,
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A folder of the test's own.
fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("narrowgate-reload-{}-{count}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the system has a folder for this");
    folder
}

/// A configuration with these resources, each `KEY: { … }` on a line of its own; `${API_1}` is the API.
fn yaml(resources: &[&str]) -> String {
    let resources: String = resources.iter().map(|resource| format!("  {resource}\n")).collect();
    format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n\
         trusted_issuers:\n  corp: {{ issuer: \"${{ISSUER_CORP}}\", algorithms: [ES256] }}\n\
         resources:\n{resources}"
    )
}

const FIRST: &str = "https://api1.example.com: { upstream: \"${API_1}\", scopes: [x] }";
const SECOND: &str = "https://api2.example.com: { upstream: \"${API_1}\", scopes: [x] }";

impl Workplace {
    /// Starts with the text as `gateway.yaml`.
    async fn start(text: &str) -> Self {
        let folder = folder();
        fs::write(folder.join("gateway.yaml"), text).expect("the folder is ours");
        Self::start_in(folder, Path::new("gateway.yaml")).await
    }

    /// Starts with a file that lies in the folder already.
    async fn start_in(folder: PathBuf, file: &Path) -> Self {
        let issuers = BTreeMap::from([
            ("ISSUER_CORP".to_owned(), Issuer::start().await),
            ("ISSUER_PARTNER".to_owned(), Issuer::start().await),
        ]);
        let apis = BTreeMap::from([("API_1".to_owned(), Api::start("API_1").await)]);
        let gateway = Gateway::run(folder.join(file), issuers, apis).await;
        Self { folder, gateway }
    }

    /// Writes a file of the folder.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), text).expect("the folder is ours");
    }

    /// `POST /reload`.
    async fn reload(&self) -> Response {
        Ask::new(self.gateway.admin, "POST", "localhost", "/reload").send().await
    }

    /// Writes the configuration and has it read, which must go well. Returns what the program says has changed.
    async fn adopt(&self, text: &str) -> Vec<String> {
        self.write("gateway.yaml", text);
        let answer = self.reload().await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        texts(&answer.json()["changed"])
    }

    /// A request with a good token of `corp` for that host.
    async fn verdict(&self, host: &str) -> String {
        let token = self.gateway.issuer("ISSUER_CORP").token(&format!("https://{host}"), "x");
        self.gateway.get(host, "/", &token).send().await.verdict()
    }

    /// A value of the metrics, by its name and labels.
    async fn metric(&self, name: &str) -> f64 {
        let metrics = Ask::new(self.gateway.admin, "GET", "localhost", "/metrics").send().await.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no `{name}` in {metrics}")).parse().expect("a metric is a number")
    }

    /// Waits until the configuration of that generation serves.
    async fn serves(&self, generation: f64) {
        let serves = async {
            while self.metric("narrowgate_config_generation").await != generation {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, serves).await.unwrap_or_else(|_| panic!("never served: {}", self.gateway.output()));
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|item| item.as_str().expect("a text").to_owned()).collect()
}
