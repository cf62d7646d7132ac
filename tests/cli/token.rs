//! `token`: the token alone on stdout, and every refusal in a sentence.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::run::{Run, compare, narrowgate, shell};

const FILE: &str = "tests/fixtures/cli/token.yaml";
const API1: &str = "https://api1.example.com";

fn token(arguments: &[&str]) -> Run {
    narrowgate(&[&["token", "-c", FILE], arguments].concat(), "")
}

/// What a token says, unproven.
fn claims(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).unwrap()).unwrap()
}

#[test]
fn the_token_is_all_that_is_printed() {
    let run = token(&["--resource", API1, "--scope", "read", "--sub", "corp|alice", "--client", "app"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!((run.stdout.lines().count(), run.stdout.matches('.').count()), (1, 2), "{}", run.stdout);
    let said = claims(&run.stdout);
    assert_eq!((&said["sub"], &said["client_id"]), (&json!("corp|alice"), &json!("app")));
    assert_eq!((&said["aud"], &said["scope"]), (&json!(API1), &json!("read")));
    assert_eq!(said["exp"].as_u64(), said["iat"].as_u64().map(|issued| issued + 60), "as long as its API says");
}

#[test]
fn it_fits_into_a_command_line() {
    let line =
        format!("printf '%s' \"Bearer $(narrowgate token -c {FILE} --resource {API1} --sub alice --client app)\"");
    let run = shell(&line);
    assert!(run.stdout.starts_with("Bearer eyJ") && !run.stdout.contains('\n'), "{} {}", run.stdout, run.stderr);
}

#[test]
fn explain_proves_it_with_the_keys_of_the_files() {
    let run = token(&["--resource", API1, "--scope", "read", "--sub", "corp|alice", "--client", "app"]);
    let explain = |url: &str| narrowgate(&["explain", "GET", url, "-c", FILE], &run.stdout);
    let allowed = explain(API1);
    assert_eq!(allowed.code, Some(0), "{}{}", allowed.stdout, allowed.stderr);
    let refused = explain("https://api2.example.com");
    assert!(refused.stdout.contains("401 audience_mismatch"), "{}{}", refused.stdout, refused.stderr);
}

#[test]
fn scripts_get_the_members_of_a_token_response() {
    let scopes = ["--scope", "write", "--scope", "transaction:7 read"];
    let run =
        token(&[&["--resource", API1, "--sub", "alice", "--client", "app", "--format", "json"], &scopes[..]].concat());
    let mut answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(answer["access_token"].as_str().is_some_and(|token| token.starts_with("eyJ")));
    answer["access_token"] = json!("TOKEN");
    let expected = json!({ "access_token": "TOKEN", "token_type": "Bearer", "expires_in": 60,
                           "scope": "read transaction:7 write", "resource": [API1] });
    assert_eq!(answer, expected);
}

#[test]
fn each_refusal_says_what_is_wrong_and_prints_nothing() {
    let good = [("--resource", API1), ("--scope", "read"), ("--sub", "corp|alice"), ("--client", "app")];
    let mut told = String::new();
    for (option, value) in [
        ("--resource", "https://api3.example.com"),
        ("--resource", "https://docs.example.com"),
        ("--resource", "https://nobody.example.com"),
        ("--scope", "reports"),
        ("--scope", "read  write"),
        ("--sub", "panva|alice"),
        ("--sub", "app"),
        ("--sub", ""),
        ("--client", "stranger"),
        ("--client", "former-app"),
        ("--client", "batch"),
    ] {
        let changed = good.map(|(known, right)| if known == option { [known, value] } else { [known, right] });
        let run = token(&changed.concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{option} {value}");
        told.push_str(&format!("{option} '{value}'\n{}\n", run.stderr));
    }
    let run = token(&["--resource", API1, "--sub", "alice"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    told.push_str(&format!("no --client\n{}", run.stderr));
    compare("token-refused.txt", &told);
}

#[test]
fn a_configuration_that_does_not_open_it_is_shown_where() {
    let run = narrowgate(&["token", "-c", "tests/fixtures/cli/issuer.yaml", "--resource", API1, "--sub", "alice"], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    compare("token-off.txt", &run.stderr);
    let run = narrowgate(&["token", "-c", "tests/fixtures/cli/many.yaml", "--resource", API1, "--sub", "alice"], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("there is no `issuer`"), "{}", run.stderr);
}

#[test]
fn wrong_usage_is_2() {
    assert_eq!(token(&["--resource", API1]).code, Some(2), "no --sub");
    assert_eq!(token(&["--sub", "alice"]).code, Some(2), "no --resource");
    assert_eq!(token(&["--resource", API1, "--resource", API1, "--sub", "alice"]).code, Some(2), "one resource");
}

#[test]
fn a_store_that_nobody_uses_is_opened_and_a_refusal_makes_none() {
    let folder = Folder::new("token-store");
    let text = fs::read_to_string(FILE).unwrap();
    let text = text.replace("  signing: { keys: ../config/files/signing.pem }\n", "").replace("store: memory\n", "");
    fs::write(folder.0.join("gateway.yaml"), text).unwrap();
    let file = folder.0.join("gateway.yaml").display().to_string();
    let ask = |scope: &str| {
        let wanted = ["--resource", API1, "--sub", "alice", "--client", "app", "--scope", scope];
        narrowgate(&[&["token", "-c", &file], &wanted[..]].concat(), "")
    };
    assert_eq!(ask("reports").code, Some(1));
    assert!(!folder.0.join("narrowgate.redb").exists());
    let (first, second) = (ask("read"), ask("read"));
    assert_eq!((first.code, second.code), (Some(0), Some(0)), "{}", first.stderr);
    let header = |run: &Run| run.stdout.split('.').next().unwrap().to_owned();
    assert_eq!(header(&first), header(&second), "the key that was made is kept");
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("narrowgate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}
