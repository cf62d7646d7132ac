//! What a token costs: the CPU time of the program on one processor, and of the library alone on the same one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{GATE, Measured};

/// How long one turn may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// The processor of everything that is measured; whoever asks may have all others.
const PROCESSOR: &str = "1";

/// The gate with a configuration, on its processor.
pub fn gate(configuration: &Path) -> Measured {
    let mut command = Command::new("taskset");
    command.args(["-c", PROCESSOR, GATE]);
    Measured::gate(command, configuration)
}

impl Measured {
    /// The CPU time per request, in microseconds, while so many requests are sent, and what the sending brings.
    pub async fn cost<T>(&self, requests: usize, sent: impl Future<Output = T>) -> (f64, T) {
        let before = self.cpu_time();
        let brought = tokio::time::timeout(PATIENCE, sent).await.expect("the load ends");
        (self.cpu_time().since(&before) / requests as f64 * 1e6, brought)
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
