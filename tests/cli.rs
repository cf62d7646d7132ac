//! The commands as a user meets them: the real program, its whole output, its exit code.
//!
//! `UPDATE_EXPECTED=1` writes the expected outputs anew; read what changed before it is committed.

#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/run.rs"]
mod run;

use run::{Run, compare, narrowgate};

/// What `check` says about a configuration.
fn check(file: &str, further: &[&str]) -> Run {
    narrowgate(&[&["check", "-c", file], further].concat(), "")
}

#[test]
fn the_sample_is_good_out_of_the_box() {
    let run = narrowgate(&["check"], "");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    compare("check-sample.txt", &run.stdout);
}

#[test]
fn a_good_configuration_is_told_as_one_document() {
    let run = narrowgate(&["check", "--format", "json"], "");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["isolation"]["rows"][0]["verdicts"], serde_json::json!(["accepted", "audience_mismatch"]));
    compare("check-sample.json", &run.stdout);
}

#[test]
fn many_resources_are_told_one_by_one_with_warnings_aside() {
    let run = check("tests/fixtures/cli/many.yaml", &[]);
    assert_eq!(run.code, Some(0));
    compare("check-many.txt", &run.stdout);
    compare("check-many-warnings.txt", &run.stderr);
    let widest = run.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(120), "a line of {widest:?} characters");
}

#[test]
fn addresses_tell_what_they_are_for() {
    let run = check("tests/fixtures/config/good/listeners.yaml", &[]);
    let (_, told) = run.stdout.split_once("\nAddresses\n").unwrap();
    let addresses: Vec<_> = told.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let expected = [
        "requests  https://127.0.0.1:8443",
        "requests  https://127.0.0.1:8444",
        "requests  https://127.0.0.1:8445",
        "requests  http://127.0.0.1:8080  (redirects to https)",
        "requests  http://127.0.0.1:8081  (redirects to https, port 8443)",
        "admin     none",
    ];
    assert_eq!(addresses, expected);
    let run = check("tests/fixtures/config/good/listeners.yaml", &["--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let redirecting = serde_json::json!({ "address": "127.0.0.1:8081", "tls": false, "redirect": 8443 });
    assert_eq!(document["listeners"][4], redirecting);
}

#[test]
fn all_faults_are_told_at_once() {
    let run = check("tests/fixtures/cli/bad.yaml", &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    compare("check-bad.txt", &run.stderr);
}

#[test]
fn faults_are_told_as_one_document_too() {
    let run = check("tests/fixtures/cli/bad.yaml", &["--format", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(2), ""));
    compare("check-bad.json", &run.stdout);
}

#[test]
fn a_file_that_is_not_there_is_a_fault() {
    let run = check("tests/fixtures/cli/absent.yaml", &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.starts_with("error: tests/fixtures/cli/absent.yaml:1:1: "), "{}", run.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let run = run::shell("narrowgate check | true; narrowgate check >&- && narrowgate check -c absent.yaml 2>&-; true");
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn wrong_usage_is_told_on_stderr() {
    for arguments in
        [&["chekc"][..], &["check", "--format", "yaml"], &["demo", "--port", "0"], &["explain", "GET"], &[]]
    {
        let run = narrowgate(arguments, "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}
