//! The real program, with the issuers and the APIs that its configuration names, all on ports of the system's choice.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::client::Ask;
use crate::issuer::Issuer;

/// How long anything here may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway and all that stands around it; everything ends when it is dropped.
pub struct Gateway {
    /// Where requests come in.
    pub address: SocketAddr,
    /// Where operators look in.
    pub admin: SocketAddr,
    issuers: BTreeMap<String, Issuer>,
    apis: BTreeMap<String, Api>,
    output: Arc<Mutex<String>>,
    program: Child,
    path: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Gateway {
    /// Runs a configuration of `tests/fixtures/it`. Each `${ISSUER_…}` in it is a new issuer, each `${API_…}` a new API.
    pub async fn start(fixture: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/it").join(fixture);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut issuers = BTreeMap::new();
        let mut apis = BTreeMap::new();
        for name in variables(&text) {
            if name.starts_with("ISSUER") {
                let issuer = Issuer::start().await;
                issuers.insert(name, issuer);
            } else if name.starts_with("API") {
                let api = Api::start(&name).await;
                apis.insert(name, api);
            }
        }
        Self::run(path, issuers, apis).await
    }

    /// Runs a configuration with issuers and APIs that are there already.
    pub async fn run(path: PathBuf, issuers: BTreeMap<String, Issuer>, apis: BTreeMap<String, Api>) -> Self {
        Self::run_with(path, issuers, apis, BTreeMap::new()).await
    }

    /// The same, with more variables.
    pub async fn run_with(
        path: PathBuf,
        issuers: BTreeMap<String, Issuer>,
        apis: BTreeMap<String, Api>,
        mut environment: BTreeMap<String, String>,
    ) -> Self {
        environment.extend(issuers.iter().map(|(name, issuer)| (name.clone(), issuer.url().to_owned())));
        environment.extend(apis.iter().map(|(name, api)| (name.clone(), api.url().to_owned())));
        let output = Arc::new(Mutex::new(String::new()));
        let (program, address, admin) = begin(&path, &environment, &output).await;
        let gateway = Self { address, admin, issuers, apis, output, program, path, environment };
        gateway.ready().await;
        gateway
    }

    /// Kills the program as nobody expects it (`kill -9`), and runs it again.
    pub async fn kill_and_start_again(&mut self) {
        self.kill();
        self.output = Arc::new(Mutex::new(String::new()));
        (self.program, self.address, self.admin) = begin(&self.path, &self.environment, &self.output).await;
        self.ready().await;
    }

    /// The variables that its configuration names.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.environment.clone()
    }

    /// Kills the program; what stands around it stays.
    pub fn kill(&mut self) {
        self.program.kill().expect("it runs");
        self.program.wait().expect("it is ours");
    }

    /// The issuer behind a variable of the configuration.
    pub fn issuer(&self, variable: &str) -> &Issuer {
        &self.issuers[variable]
    }

    /// The API behind a variable of the configuration.
    pub fn api(&self, variable: &str) -> &Api {
        &self.apis[variable]
    }

    /// How many requests all APIs have seen.
    pub fn forwarded(&self) -> usize {
        self.apis.values().map(|api| api.requests().len()).sum()
    }

    /// A request to this gateway.
    pub fn ask(&self, method: &str, host: &str, target: &str) -> Ask {
        Ask::new(self.address, method, host, target)
    }

    /// A GET with a token.
    pub fn get(&self, host: &str, target: &str, token: &str) -> Ask {
        self.ask("GET", host, target).header("authorization", &format!("Bearer {token}"))
    }

    /// Everything that the program has written so far, to stdout and stderr.
    pub fn output(&self) -> String {
        self.output.lock().expect("no reader panics").clone()
    }

    /// The first line that holds `text`, once it is there: a line is read behind the answer that it tells of.
    pub async fn line(&self, text: &str) -> String {
        let waiting = async {
            loop {
                if let Some(line) = self.output().lines().find(|line| line.contains(text)) {
                    return line.to_owned();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never `{text}`:\n{}", self.output()))
    }

    /// Ends the program as an operator does, and returns everything that it wrote.
    pub async fn stop(mut self) -> String {
        self.signal("TERM");
        let status = timeout(PATIENCE, async {
            loop {
                if let Some(status) = self.program.try_wait().expect("it is ours") {
                    return status;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        let status = status.await.expect("the program drains");
        assert!(status.success(), "{status}: {}", self.output());
        self.output()
    }

    /// Sends the program a signal.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").args([&format!("-{name}"), &self.program.id().to_string()]).status();
        assert!(told.expect("`kill` can be run").success());
    }

    /// The memory that the program holds, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let output = Command::new("ps").args(["-o", "rss=", "-p", &self.program.id().to_string()]).output();
        let text = String::from_utf8(output.expect("`ps` can be run").stdout).expect("a number is text");
        text.trim().parse::<u64>().expect("`ps` prints a number") * 1024
    }

    async fn ready(&self) {
        let ready = async {
            while Ask::new(self.admin, "GET", "localhost", "/readyz").send().await.status != 200 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ready).await.unwrap_or_else(|_| panic!("never ready:\n{}", self.output()));
    }
}

/// Starts the program, and gives it with its addresses once it says where it listens.
async fn begin(
    path: &Path,
    environment: &BTreeMap<String, String>,
    output: &Arc<Mutex<String>>,
) -> (Child, SocketAddr, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_narrowgate"));
    command.arg("run").arg("-c").arg(path).env_remove("RUST_LOG").envs(environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("the program was built");
    let (told, mut tells) = watch::channel(());
    follow(program.stdout.take().expect("stdout is piped"), Arc::clone(output), told.clone());
    follow(program.stderr.take().expect("stderr is piped"), Arc::clone(output), told);
    let addresses = timeout(PATIENCE, async {
        loop {
            let lines = output.lock().expect("no reader panics").clone();
            if let (Some(address), Some(admin)) = (bound(&lines, "(listen)"), bound(&lines, "(admin)")) {
                return (address, admin);
            }
            assert!(tells.changed().await.is_ok(), "the program ended:\n{lines}");
        }
    });
    let (address, admin) = addresses.await.expect("the program says where it listens");
    (program, address, admin)
}

/// Copies what the program writes, line by line.
fn follow(stream: impl Read + Send + 'static, output: Arc<Mutex<String>>, told: watch::Sender<()>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut output = output.lock().expect("no reader panics");
            output.push_str(&line);
            output.push('\n');
            drop(output);
            let _ = told.send(());
        }
    });
}

/// The address in `listening on http://ADDRESS (listen)`.
fn bound(lines: &str, what: &str) -> Option<SocketAddr> {
    let line = lines.lines().find(|line| line.starts_with("listening on ") && line.ends_with(what))?;
    line.split("://").nth(1)?.split(' ').next()?.parse().ok()
}

/// The names in `${NAME}`, each once.
fn variables(text: &str) -> Vec<String> {
    let mut names: Vec<String> =
        text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names.dedup();
    names
}
