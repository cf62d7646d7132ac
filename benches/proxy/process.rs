//! A proxy as a process of its own, and what the system says it used.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::load;

/// A proxy under measurement; it ends with this value.
pub struct Subject {
    name: &'static str,
    process: Child,
    address: SocketAddr,
}

impl Subject {
    /// The bare proxy: this very program in its other role.
    pub fn bare(upstream: SocketAddr) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        Self::start("bare Pingora proxy", Command::new(program).env("BARE_PROXY_UPSTREAM", upstream.to_string()))
    }

    /// The gate with a configuration.
    pub fn gate(name: &'static str, configuration: &Path) -> Self {
        Self::start(name, Command::new(env!("CARGO_BIN_EXE_narrowgate")).args(["run", "-c"]).arg(configuration))
    }

    fn start(name: &'static str, command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("the proxy starts");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://")?.strip_suffix(" (listen)")?.parse().ok())
            .expect("the proxy says where it listens");
        // Read on, or a full pipe would stop a proxy that logs.
        std::thread::spawn(move || lines.for_each(drop));
        Self { name, process, address }
    }

    /// What it is called in the table.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Sends the load, and returns the proxy's CPU time per request in microseconds.
    pub async fn turn(&self, request: &str, requests: usize, connections: usize, patience: Duration) -> f64 {
        let before = self.cpu_seconds();
        tokio::time::timeout(patience, load::ask(self.address, request, requests, connections))
            .await
            .expect("the load ends");
        (self.cpu_seconds() - before) / requests as f64 * 1e6
    }

    /// User and system time so far, of all threads (proc(5): `utime` and `stime`, in hundredths of a second).
    fn cpu_seconds(&self) -> f64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("/proc says what was used");
        let behind_name = stat.rsplit_once(')').expect("the name stands in parentheses").1;
        let ticks = |place: usize| behind_name.split_whitespace().nth(place).and_then(|text| text.parse::<f64>().ok());
        (ticks(11).expect("utime") + ticks(12).expect("stime")) / 100.0
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
