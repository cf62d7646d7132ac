//! A program as a process of its own, and what the system says it used (proc(5)).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The gate's program.
pub const GATE: &str = env!("CARGO_BIN_EXE_narrowgate");

/// A program under measurement; it ends with this value.
pub struct Measured {
    process: Child,
    address: SocketAddr,
}

impl Measured {
    /// The gate with a configuration; `command` runs [`GATE`]. It says itself where it listens.
    pub fn gate(mut command: Command, configuration: &Path) -> Self {
        command.args(["run", "-c"]).arg(configuration).stdin(Stdio::null()).stderr(Stdio::piped());
        let process = command.spawn().expect("the gate starts");
        let mut measured = Self::of(process, SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut lines = BufReader::new(measured.process.stderr.take().expect("it is piped")).lines();
        let mut said = String::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            said.push_str(&line);
            let (_, address) = line.strip_prefix("listening on ")?.strip_suffix(" (listen)")?.split_once("://")?;
            address.parse().ok()
        });
        measured.address = address.unwrap_or_else(|| panic!("the program does not say where it listens: {said}"));
        // Read on, or a full pipe would stop a program that logs.
        std::thread::spawn(move || lines.for_each(drop));
        measured
    }

    /// A program that was told where to listen.
    pub fn of(process: Child, address: SocketAddr) -> Self {
        Self { process, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it used until now.
    pub fn cpu_time(&self) -> CpuTime {
        CpuTime::of(&self.folder())
    }

    /// Where the system keeps what it says of this process.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.process.id()))
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// User and system time of a process.
pub struct CpuTime {
    /// Of each thread that lives, in nanoseconds (`schedstat`).
    threads: BTreeMap<String, u64>,
    /// Of all that ever lived, in hundredths of a second (`stat`).
    ticks: u64,
}

impl CpuTime {
    fn of(folder: &Path) -> Self {
        let stat = std::fs::read_to_string(folder.join("stat")).expect("/proc says what was used");
        let behind_name = stat.rsplit_once(')').expect("the name stands in parentheses").1;
        let field = |place: usize| behind_name.split_whitespace().nth(place).and_then(|text| text.parse::<u64>().ok());
        let threads = std::fs::read_dir(folder.join("task")).expect("/proc lists threads").filter_map(|thread| {
            let thread = thread.ok()?;
            let used = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            Some((thread.file_name().into_string().ok()?, used.split(' ').next()?.parse().ok()?))
        });
        Self { threads: threads.collect(), ticks: field(11).expect("utime") + field(12).expect("stime") }
    }

    /// Seconds used since then: in nanoseconds where no thread has ended meanwhile and taken its account with it.
    pub fn since(&self, earlier: &Self) -> f64 {
        if earlier.threads.is_empty() || earlier.threads.keys().any(|thread| !self.threads.contains_key(thread)) {
            return (self.ticks - earlier.ticks) as f64 / 100.0;
        }
        let sum = |time: &Self| time.threads.values().sum::<u64>();
        (sum(self) - sum(earlier)) as f64 / 1e9
    }
}
