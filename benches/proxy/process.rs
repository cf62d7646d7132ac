//! A program as a process of its own, and what the system says it used.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long one turn may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program under measurement; it ends with this value.
pub struct Measured {
    process: Child,
    address: SocketAddr,
}

impl Measured {
    /// The gate with a configuration.
    pub fn gate(configuration: &Path) -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_narrowgate")).args(["run", "-c"]).arg(configuration))
    }

    /// A program that says where it listens as the gate does.
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://")?.strip_suffix(" (listen)")?.parse().ok())
            .expect("the program says where it listens");
        // Read on, or a full pipe would stop a program that logs.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CPU time per request, in microseconds, while so many requests are sent.
    pub async fn cost(&self, requests: usize, sent: impl Future<Output = ()>) -> f64 {
        let before = self.cpu_seconds();
        tokio::time::timeout(PATIENCE, sent).await.expect("the load ends");
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

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
