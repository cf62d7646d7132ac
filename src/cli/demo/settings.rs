//! The demo's configuration: the sample of this repository, with the addresses of this run, in a folder of its own.
//!
//! It is a file like any other, so that `check` and `explain` can be asked about it while the demo runs.

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::web_app::WebApp;

/// The sample, as a newcomer reads it.
const SAMPLE: &str = include_str!("../../../gateway.yaml");

/// Where everything listens in this run.
pub(super) struct Addresses {
    /// The gateway's port, on loopback.
    pub(super) port: u16,
    pub(super) issuer: SocketAddr,
    pub(super) apis: [SocketAddr; 2],
    /// The web application's.
    pub(super) web_app: SocketAddr,
}

/// A written configuration; its folder goes when this does.
#[derive(Debug)]
pub(super) struct Settings {
    port: u16,
    web_app: SocketAddr,
    folder: PathBuf,
    file: PathBuf,
}

impl Settings {
    /// Writes the sample with these addresses.
    pub(super) fn write(addresses: &Addresses) -> io::Result<Self> {
        let folder = new_folder()?;
        let Addresses { port, web_app, .. } = *addresses;
        let settings = Self { port, web_app, file: folder.join("gateway.yaml"), folder };
        std::fs::write(&settings.file, addresses.put_into(SAMPLE))?;
        Ok(settings)
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The base URL of one of the APIs, which is also its resource indicator.
    pub(super) fn resource(&self, name: &str) -> String {
        format!("{}/{name}", self.origin())
    }

    /// Scheme, host and port of the gateway.
    pub(super) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Where the gateway's own issuer gives tokens.
    pub(super) fn token_endpoint(&self) -> String {
        format!("{}/token", self.origin())
    }

    /// The web application that signs users in here.
    pub(super) fn web_app(&self) -> WebApp {
        let apis = ["api1", "api2"].map(|name| self.resource(name));
        WebApp { address: self.web_app, issuer: self.origin(), apis }
    }

    /// Where a browser begins.
    pub(super) fn web_page(&self) -> String {
        format!("http://{}/", self.web_app)
    }

    /// What the demo says when it is ready.
    pub(super) fn greeting(&self) -> String {
        let gateway = format!("Two APIs behind one gateway: {} and {}", self.resource("api1"), self.resource("api2"));
        let file = format!("Its configuration: {}", self.file.display());
        format!("{gateway}\n{file}\nPaste the commands into another terminal; Ctrl-C ends everything\n\n")
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's own folder for such things.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Addresses {
    /// The sample with these addresses in place of its own; it has at most one in a line.
    fn put_into(&self, sample: &str) -> String {
        let Self { port, issuer, apis: [api1, api2], web_app } = self;
        let pairs = [
            ("127.0.0.1:8080", format!("127.0.0.1:{port}")),
            ("localhost:8080", format!("localhost:{port}")),
            ("127.0.0.1:9090", "127.0.0.1:0".to_owned()),
            ("127.0.0.1:9000", issuer.to_string()),
            ("127.0.0.1:9001", api1.to_string()),
            ("127.0.0.1:9002", api2.to_string()),
            ("127.0.0.1:9003", web_app.to_string()),
        ];
        let moved = |line: &str| match pairs.iter().find(|(written, _)| line.contains(written)) {
            Some((written, actual)) => line.replace(written, actual),
            None => line.to_owned(),
        };
        sample.lines().map(|line| moved(line) + "\n").collect()
    }
}

/// A new folder that only this user can read. One that exists is never used: somebody may have put it there.
fn new_folder() -> io::Result<PathBuf> {
    const ATTEMPTS: u32 = 100;
    let base = std::env::temp_dir();
    let mut number = 0;
    loop {
        let folder = base.join(format!("narrowgate-demo-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < ATTEMPTS => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment, FaultKind};

    fn addresses() -> Addresses {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        // A port of the sample, to see that nothing is replaced twice.
        let apis = [address(50_001), address(50_002)];
        Addresses { port: 9001, issuer: address(50_000), apis, web_app: address(50_003) }
    }

    #[test]
    fn the_sample_is_good_as_it_stands_and_with_other_addresses() {
        for text in [SAMPLE.to_owned(), addresses().put_into(SAMPLE)] {
            let loaded = config::parse(&text, Path::new("gateway.yaml"), &Environment::default());
            let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
            let warnings: Vec<_> = loaded.warnings.iter().map(|warning| warning.kind).collect();
            assert_eq!(warnings, [FaultKind::LocalUsers]);
        }
    }

    #[test]
    fn every_address_of_the_sample_is_replaced() {
        let text = addresses().put_into(SAMPLE);
        let config = config::parse(&text, Path::new("gateway.yaml"), &Environment::default()).unwrap().config;
        assert_eq!(config.listeners[0].address.port(), 9001);
        assert_eq!(config.admin.unwrap().address.port(), 0);
        assert_eq!(config.trusted_issuers[0].issuers, ["http://127.0.0.1:50000"]);
        let resources: Vec<_> = config.resources.iter().map(|resource| resource.key.as_str()).collect();
        assert_eq!(resources, ["http://localhost:9001/api1", "http://localhost:9001/api2"]);
        let upstreams: Vec<_> = config.resources.iter().map(|resource| resource.upstream.urls[0].as_str()).collect();
        assert_eq!(upstreams, ["http://127.0.0.1:50001/", "http://127.0.0.1:50002/"]);
    }

    #[test]
    fn the_folder_goes_with_the_settings() {
        let settings = Settings::write(&addresses()).unwrap();
        let folder = settings.folder.clone();
        assert!(settings.file().is_file());
        drop(settings);
        assert!(!folder.exists());
    }
}
