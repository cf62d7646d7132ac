//! `kill -9` at any moment: whatever was signed before can be verified afterwards.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::house::{House, ask, token, verifies};

/// Where the child finds its house; without it there is nothing to do.
const FOLDER: &str = "NARROWGATE_TEST_FOLDER";
/// How often it is killed, and after how many tokens.
const KILLS: [usize; 5] = [1, 2, 9, 23, 40];

/// The child: rotates as quickly as it can, and tells a token that each of its keys signed.
#[tokio::test(flavor = "multi_thread")]
async fn rotates_until_it_is_killed() {
    let Some(folder) = Doomed::folder() else { return };
    let running = House::at(&folder).start().await.unwrap();
    loop {
        println!("token {}", token(&running));
        ask(&running, "POST", "/keys/rotate").await;
        println!("token {}", token(&running));
    }
}

/// A child that goes with the test, also where that fails.
pub struct Doomed(Child);

impl Doomed {
    /// Runs one test of this binary as the child, in a folder.
    pub fn start(test: &str, folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The folder, in the child.
    pub fn folder() -> Option<PathBuf> {
        std::env::var_os(FOLDER).map(PathBuf::from)
    }

    /// What it tells first behind a word, and then as much as came through before it was gone.
    pub fn told_until_killed(mut self, word: &str, after: usize) -> Vec<String> {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        for line in lines {
            let line = line.unwrap_or_default();
            // The harness may have begun the line.
            // A line is one write, so none is cut off.
            told.extend(line.split_once(word).map(|(_, rest)| rest.trim().to_owned()));
            if told.len() == after {
                self.0.kill().unwrap();
            }
        }
        told
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_signed_before_a_kill_is_verified_after_it() {
    let house = House::new("killed");
    let mut tokens = Vec::new();
    for after in KILLS {
        let told =
            Doomed::start("killed::rotates_until_it_is_killed", &house.path("")).told_until_killed("token ", after);
        assert!(told.len() >= after, "{} of {after}", told.len());
        tokens.extend(told);
        let running = house.start().await.unwrap();
        for token in &tokens {
            assert!(verifies(&running, token), "{token}");
        }
        house.stop(running).await;
    }
}
