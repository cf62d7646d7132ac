//! A real browser (Chromium), driven by playwright-core: scripts of `tests/node` that get a task and say `done`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::oidc_provider::node;

/// Where Debian and others put it.
const CHROMIUM: [&str; 4] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/opt/google/chrome/chrome"];

/// Runs a script, which gets the task with where Chromium is and where pictures go.
pub async fn drive(script: &str, mut task: Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chromium = CHROMIUM.into_iter().find(|path| Path::new(path).is_file());
    let chromium = chromium.expect("the browser is missing; install it with: apt-get install chromium");
    let folder = root.join("tests/node");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "what drives the browser is missing; install it with: cd tests/node && npm ci"
    );
    let screenshots = root.join("target/screenshots");
    fs::create_dir_all(&screenshots).expect("the folder can be made");
    (task["chromium"], task["screenshots"]) = (json!(chromium), json!(screenshots));
    let mut command = Command::new(node(&folder));
    command.arg(script).current_dir(&folder);
    // Nobody vouches for the certificates of tests, and node asks for tokens, too.
    command.env("NODE_TLS_REJECT_UNAUTHORIZED", "0").env("NODE_NO_WARNINGS", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("node can be run");
    let mut input = program.stdin.take().expect("stdin is piped");
    input.write_all(task.to_string().as_bytes()).expect("it reads its task");
    drop(input);
    let output = tokio::task::spawn_blocking(move || program.wait_with_output()).await.expect("it does not panic");
    let output = output.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("done\n"), "{said}");
}
