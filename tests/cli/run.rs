//! Running the program, and comparing what it printed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command did.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_narrowgate");

/// Runs the program with `input` on stdin.
pub fn narrowgate(arguments: &[&str], input: &str) -> Run {
    finish(Command::new(PROGRAM).args(arguments), input)
}

/// Runs a line as a user types it, with the program on the path and no proxy in the way.
pub fn shell(line: &str) -> Run {
    let folder = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    finish(Command::new("sh").args(["-c", line]).env("PATH", path).env("NO_PROXY", "*").env("no_proxy", "*"), "")
}

fn finish(command: &mut Command, input: &str) -> Run {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Compares a whole output with its file.
pub fn compare(name: &str, output: &str) {
    let path = Path::new("tests/fixtures/cli").join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, output).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == output, "another output than {} (UPDATE_EXPECTED=1 rewrites):\n{output}", path.display());
}
