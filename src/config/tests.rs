//! What holds for whole configurations; the messages are compared in `tests/config_faults.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::oauth::Algorithm;

mod issuer;
mod login;

const HEAD: &str = "listen: 127.0.0.1:8080\ntrusted_issuers:\n  corp: { issuer: https://login.example.com }\n";

fn environment() -> Environment {
    [("SECRET", "correct-horse-battery-staple"), ("API_HOST", "api.example.com"), ("EMPTY", "")].into_iter().collect()
}

/// A configuration with one resource that says `body`.
fn with_resource(body: &str) -> Result<Loaded, Faults> {
    let text = format!("{HEAD}resources:\n  https://api.example.com: {{ upstream: http://127.0.0.1:9001, {body} }}\n");
    parse(&text, Path::new("gateway.yaml"), &environment())
}

fn resource(body: &str) -> Resource {
    with_resource(body).unwrap_or_else(|faults| panic!("{faults}")).config.resources.remove(0)
}

fn good_files() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/good");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let mut files: Vec<_> = yaml.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    files.sort();
    files
}

/// Everything that a reader of the faults or warnings sees.
fn shown(outcome: &Result<Loaded, Faults>) -> String {
    match outcome {
        Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect(),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn what_nobody_says_is_the_careful_choice() {
    let resource = resource("");
    assert_eq!(resource.forward, Forward::None);
    assert_eq!(resource.broad_tokens, BroadTokens::Reject);
    assert_eq!(resource.unmatched, Unmatched::Allow);
    assert!(!resource.public && !resource.websocket && !resource.path_parameters && !resource.strip_prefix);
    assert!(resource.own_issuer && resource.allowed_clients.is_none() && resource.cors.is_none());
    assert_eq!(resource.issuers.len(), 1);
    assert_eq!(resource.body_bytes, Limits::default().body_bytes);
    let corp = with_resource("").unwrap().config.trusted_issuers.remove(0);
    assert_eq!(corp.algorithms, Algorithm::ALL);
    assert_eq!(corp.claims, ClaimNames::default());
    assert_eq!((corp.subjects, corp.token_type), (SubjectForm::Qualified, TokenProfile::Any));
    assert_eq!(corp.refresh, Duration::from_secs(600));
    assert_eq!(corp.refetch_after, Duration::from_secs(30));
    assert_eq!(corp.max_stale, Duration::from_secs(24 * 3600));
    assert!(matches!(corp.keys, KeySource::Discovery { issuer } if issuer.as_str() == "https://login.example.com/"));
}

#[test]
fn issuers_of_a_resource_are_those_that_it_names() {
    assert_eq!(resource("issuers: { corp: {} }").issuers.len(), 1);
    let nobody = resource("issuers: {}");
    assert!(nobody.issuers.is_empty() && nobody.own_issuer);
    assert!(!resource("issuers: { own: false, corp: {} }").own_issuer);
    let public = resource("public: true");
    assert!(public.issuers.is_empty() && !public.own_issuer);
}

#[test]
fn a_resource_overrides_the_defaults_and_replaces_their_headers() {
    let text = format!(
        "{HEAD}defaults: {{ forward: token, unmatched: refuse, identity_headers: {{ X-User: sub, X-Client: client_id }} }}
resources:
  https://one.example.com: {{ upstream: http://127.0.0.1:9001 }}
  https://two.example.com: {{ upstream: http://127.0.0.1:9001, forward: none, identity_headers: {{ X-Mail: email }} }}
  https://three.example.com: {{ upstream: http://127.0.0.1:9001, public: true }}
"
    );
    let loaded = parse(&text, Path::new("gateway.yaml"), &environment()).unwrap();
    let [one, two, three] = loaded.config.resources.as_slice() else { panic!("three resources") };
    let names = |resource: &Resource| -> Vec<String> {
        resource.identity_headers.iter().map(|header| header.name.to_string()).collect()
    };
    assert_eq!((one.forward, one.unmatched), (Forward::Token, Unmatched::Refuse));
    assert_eq!(names(one), ["x-user", "x-client"]);
    assert_eq!((two.forward, two.unmatched), (Forward::None, Unmatched::Refuse));
    assert_eq!(names(two), ["x-mail"]);
    assert_eq!(three.forward, Forward::None, "a public resource sees credentials only if it says so itself");
    assert!(three.identity_headers.is_empty());
}

#[test]
fn no_port_is_443_for_every_resource() {
    let host = |key: &str, body: &str| {
        let text = format!("{HEAD}resources:\n  {key}: {{ upstream: http://127.0.0.1:9001, {body} }}\n");
        let loaded = parse(&text, Path::new("gateway.yaml"), &environment()).unwrap();
        loaded.config.resources[0].matches.hosts[0].to_string()
    };
    assert_eq!(host("https://a.example.com", ""), "a.example.com");
    assert_eq!(host("https://a.example.com:8443", ""), "a.example.com:8443");
    assert_eq!(host("http://localhost", ""), "localhost:80");
    assert_eq!(host("http://localhost", "match: { hosts: [a.example.com] }"), "a.example.com:80");
    assert_eq!(host("urn:a", "match: { hosts: [A.example.com] }"), "a.example.com");
}

#[test]
fn every_file_that_was_read_is_known() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/good/everything.yaml");
    let mut reading = Source::new(&path, environment()).read();
    let files: Vec<_> = reading.files.paths().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(files, ["site.key", "site.pem", "everything.yaml"]);
    assert!(reading.loaded.is_ok() && reading.files.still_say_so());
}

#[test]
fn a_configuration_that_cannot_be_read_is_one_fault() {
    let faults = load(Path::new("nowhere/gateway.yaml"), &environment()).unwrap_err();
    let expected =
        "error: nowhere/gateway.yaml:1:1: the file does not exist\n   = hint: name the configuration with `-c FILE`\n";
    assert_eq!(faults.to_string(), expected);
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/files/binary.bin");
    let fault = load(&binary, &environment()).unwrap_err().0.remove(0);
    assert_eq!((fault.message.as_str(), fault.place.line, fault.place.column), ("this is not UTF-8", 2, 4));
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let long = format!("{HEAD}# {}\n", "x".repeat(64 << 20));
    let faults = parse(&long, Path::new("gateway.yaml"), &environment()).unwrap_err();
    assert_eq!(faults.0[0].message, "the file is longer than 64 MiB");
    let many = "[".to_owned() + &"1,".repeat(4_000_001) + "]";
    let faults = parse(&many, Path::new("gateway.yaml"), &environment()).unwrap_err();
    assert_eq!(faults.0[0].message, "the file holds more than 4000000 values");
}

#[test]
fn a_file_of_nothing_but_faults_is_told_in_part() {
    let keys: String = (0..15_000).map(|at| format!("k{at}: 1\n")).collect();
    let faults = parse(&keys, Path::new("gateway.yaml"), &environment()).unwrap_err();
    assert_eq!(faults.0.len(), 500);
}

#[test]
fn a_fault_is_one_line_whatever_the_value_holds() {
    let faults = with_resource("forward: \"a\\nerror: b\\e[2J\"").unwrap_err();
    assert_eq!(faults.0[0].message, "`a\u{fffd}error: b\u{fffd}[2J` is no credential that is forwarded");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let text = format!("\u{feff}{HEAD}resources:\n  https://api.example.com: {{ upstream: http://127.0.0.1:9001 }}\n");
    assert!(parse(&text.replace('\n', "\r\n"), Path::new("gateway.yaml"), &environment()).is_ok());
    let faults = parse("\u{feff}x: 1\r\ny: 2\r\n", Path::new("gateway.yaml"), &environment()).unwrap_err();
    assert!(faults.0.iter().any(|fault| fault.source_line == "y: 2" && fault.place.line == 2));
}

#[test]
fn limits_that_nobody_wrote_fit_those_that_somebody_wrote() {
    let text = format!(
        "{HEAD}limits: {{ header_bytes: 4KiB, connections: 10 }}\nresources:\n  https://api.example.com: {{ upstream: http://127.0.0.1:9001 }}\n"
    );
    let limits = parse(&text, Path::new("gateway.yaml"), &environment()).unwrap().config.limits;
    assert_eq!((limits.header_bytes, limits.token_bytes), (4096, 4096));
    assert_eq!((limits.connections, limits.connections_per_address), (10, 10));
}

#[test]
fn interpolation_fills_in_values_and_escapes() {
    let name = |text: &str| resource(&format!("name: \"{text}\"")).name;
    assert_eq!(name("${API_HOST}").as_deref(), Some("api.example.com"));
    assert_eq!(name("a ${API_HOST} b${API_HOST}").as_deref(), Some("a api.example.com bapi.example.com"));
    assert_eq!(name("$${API_HOST}").as_deref(), Some("${API_HOST}"));
    assert_eq!(name("$$${API_HOST}").as_deref(), Some("$${API_HOST}"));
    assert_eq!(name("costs $5 {a}").as_deref(), Some("costs $5 {a}"));
}

/// Wherever a variable stands, and whatever is wrong with its value, no message shows it.
#[test]
fn no_message_shows_what_was_interpolated() {
    for secret in
        ["correct-horse-battery-staple", "10.9.8.7:6543", "hidden.example.com", "https://hidden.example.com/x"]
    {
        let environment: Environment =
            [("SECRET", secret), ("API_HOST", "api.example.com"), ("EMPTY", "")].into_iter().collect();
        for (path, text) in good_files() {
            let breaks = |c: char| c.is_whitespace() || "[]{},\"".contains(c);
            for word in text.split(breaks).filter(|word| word.len() > 1) {
                let at = word.as_ptr() as usize - text.as_ptr() as usize;
                let quote = if text[..at].ends_with('"') { "" } else { "\"" };
                let changed = format!("{}{quote}${{SECRET}}{quote}{}", &text[..at], &text[at + word.len()..]);
                let outcome = parse(&changed, &path, &environment);
                assert!(!shown(&outcome).contains(secret), "{}\n{}", path.display(), shown(&outcome));
            }
        }
    }
}

/// The names under which an issuer's tokens are accepted: P1 says that no two resources share one.
fn openings(config: &Config) -> Vec<(IssuerId, String)> {
    let of_resource = |resource: &Resource| {
        let key = resource.key.to_string();
        let names = |entry: &ResourceIssuer| {
            let all = entry.audiences.iter().cloned().chain([key.clone()]);
            all.map(|name| (entry.issuer, name)).collect::<BTreeSet<_>>()
        };
        resource.issuers.iter().flat_map(names).collect::<Vec<_>>()
    };
    config.resources.iter().flat_map(of_resource).collect()
}

/// A small change to a configuration: a line taken out, written twice or moved, or a few characters put in.
fn change(text: &str, kind: u8, at: usize, insert: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let at_line = at % lines.len();
    match kind {
        0 => {
            lines.remove(at_line);
        }
        1 => lines.insert(at_line, lines[at_line]),
        2 => lines.swap(0, at_line),
        _ => {
            let ends: Vec<usize> = text.char_indices().map(|(end, _)| end).collect();
            let end = ends[at % ends.len()];
            let skip = if kind == 3 { 0 } else { text[end..].chars().take(3).map(char::len_utf8).sum() };
            return format!("{}{insert}{}", &text[..end], &text[end + skip..]);
        }
    }
    lines.join("\n")
}

/// Whatever the text, there is a configuration or at least one fault, and both can be printed.
fn has_an_outcome(text: &str, path: &Path) {
    let outcome = parse(text, path, &environment());
    assert!(!matches!(&outcome, Err(faults) if faults.0.is_empty()), "neither a configuration nor a fault:\n{text}");
    shown(&outcome);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_has_an_outcome(text in any::<String>()) {
        has_an_outcome(&text, Path::new("gateway.yaml"));
    }

    #[test]
    fn any_text_of_yaml_has_an_outcome(text in "([a-c]: |- |[\\[\\]{},:&*!|>'\"#%@`$~]|\n|  |listen|\\$\\{A\\}|x){0,60}") {
        has_an_outcome(&text, Path::new("gateway.yaml"));
    }

    #[test]
    fn under_one_issuer_an_audience_opens_one_resource(
        entries in prop::collection::vec(
            prop::option::of(prop::collection::vec(
                prop::sample::subsequence(vec!["a", "b", "https://r0.example.com", "https://r1.example.com"], 0..3),
                2,
            )),
            3,
        ),
    ) {
        let mut text = "listen: 127.0.0.1:8080\ntrusted_issuers:\n".to_owned();
        text += "  i0: { issuer: https://i0.example.com }\n  i1: { issuer: https://i1.example.com }\nresources:\n";
        for (at, issuers) in entries.iter().enumerate() {
            text += &format!("  https://r{at}.example.com:\n    upstream: http://127.0.0.1:9001\n");
            if let Some(issuers) = issuers {
                let [one, two] = [0, 1].map(|issuer| issuers[issuer].join(", "));
                text += &format!("    issuers: {{ i0: {{ audiences: [{one}] }}, i1: {{ audiences: [{two}] }} }}\n");
            }
        }
        if let Ok(loaded) = parse(&text, Path::new("gateway.yaml"), &environment()) {
            let openings = openings(&loaded.config);
            let unique: BTreeSet<_> = openings.iter().collect();
            prop_assert_eq!(unique.len(), openings.len(), "{}", text);
        }
    }

    #[test]
    fn a_changed_configuration_has_an_outcome(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0u8..5, any::<usize>(), "[ -~]{0,6}|\\PC{0,3}|\n *"), 1..6),
    ) {
        let files = good_files();
        let (path, text) = file.get(&files);
        let changed = changes.iter().fold(text.clone(), |text, (kind, at, insert)| {
            if text.is_empty() { text } else { change(&text, *kind, *at, insert) }
        });
        has_an_outcome(&changed, path);
    }
}
