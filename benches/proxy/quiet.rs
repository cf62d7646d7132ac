//! Whether the measured core was the contender's alone: how long its threads were ready and had to wait.

use crate::process::Measured;

/// Seconds that the threads of a process have waited for a core so far (proc(5), `schedstat`).
pub fn waited(measured: &Measured) -> f64 {
    let Ok(threads) = std::fs::read_dir(measured.folder().join("task")) else { return 0.0 };
    let nanoseconds = threads.filter_map(|thread| {
        let fields = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        fields.split(' ').nth(1)?.trim().parse::<u64>().ok()
    });
    nanoseconds.sum::<u64>() as f64 / 1e9
}
