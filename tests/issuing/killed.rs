//! `kill -9` at any moment: whatever was signed before can be verified afterwards.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::house::{House, ask, token, verifies};

/// Where the child finds its house; without it there is nothing to do.
const FOLDER: &str = "NARROWGATE_TEST_FOLDER";
/// How often it is killed, and after how many tokens.
const KILLS: [usize; 5] = [1, 2, 9, 23, 40];

/// The child: rotates as quickly as it can, and tells a token that each of its keys signed.
#[tokio::test(flavor = "multi_thread")]
async fn rotates_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let running = House::at(Path::new(&folder)).start().await.unwrap();
    loop {
        println!("token {}", token(&running));
        ask(&running, "POST", "/keys/rotate").await;
        println!("token {}", token(&running));
    }
}

/// A child that goes with the test, also where that fails.
struct Rotating(Child);

impl Rotating {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "killed::rotates_until_it_is_killed", "--nocapture"]).env(FOLDER, folder);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The first tokens, and then as many as came through before it was gone.
    fn tokens_until_killed(mut self, after: usize) -> Vec<String> {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let mut tokens = Vec::new();
        for line in lines {
            let line = line.unwrap_or_default();
            // The harness may have begun the line.
            // A line is one write, so none is cut off.
            tokens.extend(line.split_once("token ").map(|(_, token)| token.to_owned()));
            if tokens.len() == after {
                self.0.kill().unwrap();
            }
        }
        tokens
    }
}

impl Drop for Rotating {
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
        let told = Rotating::start(&house.path("")).tokens_until_killed(after);
        assert!(told.len() >= after, "{} of {after}", told.len());
        tokens.extend(told);
        let running = house.start().await.unwrap();
        for token in &tokens {
            assert!(verifies(&running, token), "{token}");
        }
        house.stop(running).await;
    }
}
