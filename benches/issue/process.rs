//! The program as a process of its own on one processor, and what the system says it used there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long one turn may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// The processor of everything that is measured; whoever asks may have all others.
const PROCESSOR: &str = "1";

/// A program under measurement; it ends with this value.
pub struct Measured {
    process: Child,
    address: SocketAddr,
}

impl Measured {
    /// The gate with a configuration.
    pub fn gate(configuration: &Path) -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", PROCESSOR, env!("CARGO_BIN_EXE_narrowgate"), "run", "-c"]).arg(configuration);
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

    /// The CPU time per request, in microseconds, while so many requests are sent, and what the sending brings.
    pub async fn cost<T>(&self, requests: usize, sent: impl Future<Output = T>) -> (f64, T) {
        let before = self.nanoseconds();
        let brought = tokio::time::timeout(PATIENCE, sent).await.expect("the load ends");
        ((self.nanoseconds() - before) / requests as f64 / 1e3, brought)
    }

    /// User and system time so far, of all threads that there are.
    fn nanoseconds(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("/proc has its threads");
        tasks.filter_map(|task| time_of(task.ok()?.path())).sum()
    }
}

/// What a thread used, in nanoseconds (`schedstat`); nothing if it has ended.
fn time_of(task: PathBuf) -> Option<f64> {
    fs::read_to_string(task.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
}

/// The CPU time of one of many, in microseconds, on the processor on which the program is measured.
pub fn alone(times: usize, once: &(dyn Fn() + Sync)) -> f64 {
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| {
            let me = fs::canonicalize("/proc/thread-self").expect("/proc has this thread");
            let name = me.file_name().and_then(|name| name.to_str()).expect("a thread's name is a number");
            let moved = Command::new("taskset").args(["-pc", PROCESSOR, name]).stdout(Stdio::null()).status();
            assert!(moved.expect("`taskset` is there").success(), "there is a second processor");
            once();
            let before = time_of(me.clone()).expect("/proc says what was used");
            (0..times).for_each(|_| once());
            (time_of(me).expect("/proc says what was used") - before) / times as f64 / 1e3
        });
        measured.join().expect("the library does it")
    })
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
