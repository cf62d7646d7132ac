//! `narrowgate hash-password`: a password on stdin, its hash on stdout, and a configuration that takes it.

use std::path::Path;

use narrowgate::config::{Environment, parse};

use crate::run::narrowgate;

#[test]
fn a_hash_is_what_a_configuration_takes() {
    let run = narrowgate(&["hash-password"], "correct horse\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let hash = run.stdout.trim_end();
    assert!(hash.starts_with("$argon2id$v=19$") && !hash.contains('\n'), "{hash}");
    let text = format!(
        "listen: 127.0.0.1:0\nresources: {{ https://api.example.com: {{ upstream: http://127.0.0.1:9 }} }}\n\
         issuer: {{ url: https://auth.example.com, login: {{ users: {{ alice: {{ password: '{hash}' }} }} }} }}\n"
    );
    let loaded = parse(&text, Path::new("gateway.yaml"), &Environment::default());
    let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let login = config.issuer.unwrap().login.unwrap();
    assert!(login.user("alice").unwrap().password.matches(hash.as_bytes()));
}

#[test]
fn no_password_is_no_hash() {
    for stdin in ["", "\n", &"x".repeat(1025)] {
        let run = narrowgate(&["hash-password"], stdin);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
        assert!(run.stderr.starts_with("error: ") && !run.stderr.contains("xx"), "{}", run.stderr);
    }
}
