//! The commands as a user meets them: the real program, its whole output, its exit code.
//!
//! `UPDATE_EXPECTED=1` writes the expected outputs anew; read what changed before it is committed.

#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/password.rs"]
mod password;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/token.rs"]
mod token;

use run::{Run, compare, narrowgate};

/// What `check` says about a configuration.
fn check(file: &str, further: &[&str]) -> Run {
    narrowgate(&[&["check", "-c", file], further].concat(), "")
}

#[test]
fn the_sample_is_good_out_of_the_box() {
    let run = narrowgate(&["check"], "");
    assert_eq!(run.code, Some(0));
    compare("check-sample.txt", &run.stdout);
    // Its one user has a password that everybody knows.
    compare("check-sample-warnings.txt", &run.stderr);
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
fn clients_of_our_own_issuer_are_told_with_all_that_they_may_have() {
    let run = check("tests/fixtures/cli/issuer.yaml", &[]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    compare("check-issuer.txt", &run.stdout);
    let run = check("tests/fixtures/cli/issuer.yaml", &["--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    compare("check-issuer.json", &format!("{:#}\n", document["issuer"]));
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

/// Compares a SARIF log with its file, but for the version of the program, and with what every log must have.
fn compare_sarif(name: &str, output: &str) {
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    compare(name, &output.replacen(&version, "\"version\": \"VERSION\"", 1));
    let log: serde_json::Value = serde_json::from_str(output).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("one run") };
    let driver = &run["tool"]["driver"];
    assert_eq!(
        (driver["name"].as_str(), driver["version"].as_str()),
        (Some("narrowgate"), Some(env!("CARGO_PKG_VERSION")))
    );
    assert!(driver["informationUri"].as_str().unwrap().starts_with("https://"));
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = driver["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_eq!(rule["defaultConfiguration"]["level"], result["level"]);
        assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty());
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with(".yaml"));
        assert!(place["region"]["startLine"].as_u64() >= Some(1) && place["region"]["startColumn"].as_u64() >= Some(1));
    }
}

#[test]
fn faults_are_told_to_code_scanners() {
    let run = check("tests/fixtures/cli/bad.yaml", &["--format", "sarif"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(2), ""));
    compare_sarif("check-bad.sarif", &run.stdout);
}

#[test]
fn warnings_and_exceptions_are_told_to_code_scanners() {
    let run = check("tests/fixtures/cli/many.yaml", &["--format", "sarif"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    compare_sarif("check-many.sarif", &run.stdout);
}

#[test]
fn a_good_configuration_has_no_results() {
    let run = check("tests/fixtures/config/good/access_by_exchange.yaml", &["--format", "sarif"]);
    let log: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &log["runs"][0]["results"]), (Some(0), &serde_json::json!([])));
}

#[test]
fn a_key_file_without_usable_keys_is_a_fault_with_its_place() {
    let file = "tests/fixtures/cli/keys.yaml";
    let run = check(file, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    compare("check-keys.txt", &run.stderr);
    for format in ["json", "sarif"] {
        let run = check(file, &["--format", format]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(2), ""));
        assert!(run.stdout.contains("keys-unusable") && run.stdout.contains("key-free.json"), "{}", run.stdout);
    }
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
    for arguments in [
        &["chekc"][..],
        &["check", "--format", "yaml"],
        &["explain", "GET", "https://a.example.com", "--format", "sarif"],
        &["demo", "--port", "0"],
        &["explain", "GET"],
        &[],
    ] {
        let run = narrowgate(arguments, "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}
