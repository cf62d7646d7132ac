//! Where the contenders stand: cores, upstream, protocol, files. The files go when this value does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::machine::Machine;
use crate::options::Protocol;
use crate::tokens::{Algorithm, HOST, Provider};

/// What the folder of a run is called, before its process's number.
const FOLDER: &str = "narrowgate-bench-proxy-";

/// What every contender is started with.
pub struct Place {
    pub machine: Machine,
    pub folder: Folder,
    pub bare: Bare,
    pub upstream: SocketAddr,
    pub protocol: Protocol,
}

/// The two programs that only forward.
pub struct Bare {
    pub plain: PathBuf,
    pub mimalloc: PathBuf,
}

/// A folder for this run.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, with key set, public keys and the certificate of the site in it.
    pub fn new(provider: &Provider) -> Self {
        sweep();
        let folder = Self(std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).expect("the temporary folder can be written");
        folder.write("jwks.json", &provider.jwks());
        for algorithm in Algorithm::ALL {
            folder.write(&format!("{algorithm}.pem"), &provider.key(algorithm).pem());
        }
        let site = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("the system has randomness");
        folder.write("site.pem", &site.cert.pem());
        folder.write("site.key", &site.signing_key.serialize_pem());
        folder.write("walk.lua", include_str!("walk.lua"));
        folder
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the temporary folder can be written");
        path
    }

    /// Reads a file back.
    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("it was written before")
    }
}

/// Removes what runs have left behind that were killed.
fn sweep() {
    let folders = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().filter_map(Result::ok);
    for folder in folders {
        let name = folder.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(FOLDER).and_then(|process| process.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Bare {
    /// Has cargo build them, in the profile of this program.
    pub fn build() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).stderr(Stdio::inherit());
        command.args(["bench", "--no-run", "--bench", "bare", "--bench", "bare_mimalloc", "--message-format", "json"]);
        // What cargo tells this program of itself would look to build scripts like a change, and have them built again.
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_TARGET_TMPDIR"];
        for (name, _) in std::env::vars_os() {
            if told.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        let built = command.output().expect("cargo starts");
        assert!(built.status.success(), "the bare proxies do not build");
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let program = |name: &str| {
            let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut own = artifacts.filter(|message| message["target"]["name"] == name);
            let path = own.find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
            path.unwrap_or_else(|| panic!("cargo names no program `{name}`"))
        };
        Self { plain: program("bare"), mimalloc: program("bare_mimalloc") }
    }
}
