//! `demo`: every command that it prints, run as it stands there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::run::{PROGRAM, shell};

/// A demo that ends with the test, whatever happens.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Demo {
    fn start() -> (Self, Vec<String>) {
        let mut command = Command::new(PROGRAM);
        let child = command.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut demo = Self(child.unwrap());
        let mut page = Vec::new();
        for line in BufReader::new(demo.0.stdout.take().unwrap()).lines() {
            page.push(line.unwrap());
            // The last line of the page; the demo itself goes on.
            if page.last().unwrap().contains("| narrowgate explain ") {
                return (demo, page);
            }
        }
        panic!("the page ends early:\n{}", page.join("\n"));
    }

    fn terminate(&mut self) -> Option<i32> {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

#[test]
fn every_printed_command_gets_the_answer_that_is_printed_below_it() {
    let curl = shell("curl --version");
    assert_eq!(curl.code, Some(0), "the demo's commands need curl: apt-get install curl");
    let (mut demo, page) = Demo::start();
    let mut statuses = Vec::new();
    for lines in page.windows(2).filter(|lines| lines[0].starts_with("curl ")) {
        let expected = lines[1].strip_prefix("# → ").and_then(|text| text.get(..3)).unwrap();
        let run = shell(&lines[0]);
        let first = run.stdout.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("HTTP/1.1 {expected}")), "{}\n{}{}", lines[0], run.stdout, run.stderr);
        statuses.push(expected.to_owned());
        if expected == "200" && lines[0].contains("Authorization") {
            assert!(run.stdout.contains(r#""x-user": "corp|alice""#), "{}", run.stdout);
            assert!(!run.stdout.to_ascii_lowercase().contains("bearer"), "the API got the token: {}", run.stdout);
        }
    }
    assert_eq!(
        statuses,
        ["401", "200", "200", "401", "200", "200", "403", "200", "403", "401", "200", "200", "200", "200"]
    );
    assert!(page.iter().all(|line| line.is_empty() || line.starts_with("curl ") || line.starts_with('#')), "{page:?}");

    let explain = page.last().unwrap().trim_start_matches(['#', ' ']);
    let run = shell(explain);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stdout.contains("refused: 401 audience_mismatch"), "{}", run.stdout);

    let file = Path::new(explain.rsplit(' ').next().unwrap());
    assert!(file.is_file());
    assert_eq!(demo.terminate(), Some(0));
    assert!(!file.exists(), "the demo leaves its folder behind");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = super::run::narrowgate(&["demo", "--port", &port], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains(&format!("error: cannot listen on `127.0.0.1:{port}`")), "{}", run.stderr);
}
