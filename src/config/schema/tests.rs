//! The schema and the parser know the same keys, bounds and defaults. `tests/schema.rs` holds it against whole files.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::config::clients::ONLY_WITH_CODE;
use crate::config::{Environment, Faults, Loaded, load, parse};

type Sections = BTreeMap<String, BTreeSet<String>>;

thread_local! {
    static ASKED: RefCell<Sections> = RefCell::default();
}

/// What [`crate::config::read::Section`] tells while tests run: this section was asked for this key.
pub(in crate::config) fn note_asked(title: &str, key: &str) {
    ASKED.with_borrow_mut(|asked| asked.entry(name_of(title)).or_default().insert(key.to_owned()));
}

/// The title of a section in the schema: as messages call it, without ticks and without the operator's own names.
fn name_of(title: &str) -> String {
    let known = [
        ("the issuer ", "issuer"),
        ("`issuer`", "own issuer"),
        ("the resource ", "resource"),
        ("the entry of ", "entry"),
        ("the client ", "client"),
        ("the login at ", "provider"),
        ("the user ", "user"),
    ];
    match known.into_iter().find(|(beginning, _)| title.starts_with(beginning)) {
        Some((_, name)) => name.to_owned(),
        None => title.trim_start_matches("the ").trim_start_matches("a ").replace('`', ""),
    }
}

/// The keys of every section of the schema; sections of one title are put together.
fn told(schema: &Value, sections: &mut Sections) {
    match schema {
        Value::Object(members) => {
            if let (Some(Value::String(title)), Some(Value::Object(keys))) =
                (members.get("title"), members.get("properties"))
            {
                sections.entry(title.clone()).or_default().extend(keys.keys().cloned());
            }
            members.values().for_each(|inner| told(inner, sections));
        }
        Value::Array(items) => items.iter().for_each(|item| told(item, sections)),
        _ => {}
    }
}

fn environment() -> Environment {
    [("SECRET", "correct-horse-battery-staple"), ("API_HOST", "api.example.com")].into_iter().collect()
}

fn good_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/good");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect()
}

#[test]
fn the_parser_asks_for_the_keys_that_the_schema_tells() {
    ASKED.take();
    for path in good_files() {
        load(&path, &environment()).unwrap_or_else(|faults| panic!("{faults}"));
    }
    let (asked, mut sections) = (ASKED.take(), Sections::new());
    told(&schema(), &mut sections);
    for title in asked.keys().chain(sections.keys()) {
        let keys = |of: &Sections| of.get(title).cloned().unwrap_or_default();
        let (asked, told) = (keys(&asked), keys(&sections));
        let only = |these: &BTreeSet<String>, those| these.difference(those).cloned().collect::<Vec<_>>().join(", ");
        assert!(
            asked == told,
            "section `{title}`: only the parser knows [{}] (tell them in src/config/schema), only the schema [{}] \
             (or no good fixture reaches the section)",
            only(&asked, &told),
            only(&told, &asked),
        );
    }
}

/// Where keys of each section stand that have a default or bounds.
const TEMPLATE: &str = "
listen:
  address: 127.0.0.1:8080
  tls: { cert: tests/fixtures/config/files/site.pem, key: tests/fixtures/config/files/site.key }
  <listen>
limits: { <limits> }
log: { <log> }
defaults: { <defaults> }
trusted_issuers:
  corp: { issuer: https://login.example.com, claims: { <claims> }, <issuer> }
resources:
  https://api.example.com:
    upstream:
      { url: http://127.0.0.1:9001, health_check: { path: /, <health_check> }, eject: { <eject> }, <upstream> }
    issuers: { corp: { <entry> }, <issuers> }
    lifetimes: { <lifetimes> }
    <resource>
issuer:
  url: https://auth.example.com
  lifetimes: { <lifetimes of the issuer> }
  signing: { <signing> }
  clients:
    app:
      <client>
  login:
    openid: { corp: { client_id: narrowgate, <provider> } }
    <login>
  <own issuer>
";

/// A configuration whose `section` says `line`.
fn with_line(section: &str, line: &str) -> Result<Loaded, Faults> {
    let mark = format!("<{section}>");
    assert!(section.is_empty() || TEMPLATE.contains(&mark), "say in TEMPLATE where a `{section}` stands");
    let text = TEMPLATE.replace(&mark, line);
    let (mut plain, mut rest) = (String::new(), text.as_str());
    while let Some((before, (_, behind))) = rest.split_once('<').map(|(a, b)| (a, b.split_once('>').unwrap())) {
        plain.push_str(before);
        rest = behind;
    }
    parse(&(plain + rest), Path::new("gateway.yaml"), &environment())
}

/// Every key of the schema: its section's title, its name, and what the schema says.
fn keys(schema: &Value, found: &mut Vec<(String, String, Value)>) {
    match schema {
        Value::Object(members) => {
            if let (Some(Value::String(title)), Some(Value::Object(keys))) =
                (members.get("title"), members.get("properties"))
            {
                found.extend(keys.iter().map(|(name, key)| (title.clone(), name.clone(), key.clone())));
            }
            members.values().for_each(|inner| keys(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

fn every_key() -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    keys(&schema(), &mut found);
    found
}

#[test]
fn what_the_schema_calls_a_default_changes_nothing() {
    let plain = format!("{:?}", with_line("", "").unwrap().config);
    let mut tried = 0;
    for (section, name, key) in every_key() {
        // A rule's `forward` is a public rule's only, and no key at the top has a section around it.
        let Some(usual) = key.get("default").filter(|_| section != "rule" && section != "configuration") else {
            continue;
        };
        // Of these a client of no user is not to speak.
        if ONLY_WITH_CODE.contains(&name.as_str()) {
            continue;
        }
        let loaded = with_line(&section, &format!("{name}: {usual}")).unwrap_or_else(|faults| panic!("{faults}"));
        let same = format!("{:?}", loaded.config) == plain;
        assert!(same, "`{name}: {usual}` in `{section}` is not what counts without it");
        tried += 1;
    }
    assert!(tried > 35, "only {tried} defaults");
}

#[test]
fn bounds_are_told_as_the_parser_holds_them() {
    let mut tried = 0;
    for (section, name, key) in every_key() {
        let shown = key["description"].as_str().unwrap_or_default();
        let pattern = key["pattern"].as_str().unwrap_or_default();
        let is_number = pattern.starts_with("^(?:0*[1-9]") || pattern.contains("(ms|s|m|h|d)");
        if !is_number {
            continue;
        }
        let beyond = match &key["type"] {
            Value::Array(_) if pattern.contains("KiB") => "999999TiB",
            Value::Array(_) => "999999999999",
            _ => "99999d",
        };
        let faults = with_line(&section, &format!("{name}: {beyond}")).unwrap_err();
        let hint = faults.0[0].hint.clone().unwrap_or_default();
        let bounds = hint.trim_start_matches("from ").trim_end_matches(" is allowed").replace('`', "");
        assert!(shown.replace('`', "").contains(&format!("From {bounds}.")), "`{name}` in `{section}`: {hint}");
        for (word, step) in [("minimum", -1), ("maximum", 1)] {
            let Some(bound) = key[word].as_i64() else { continue };
            let fault = |number: i64| {
                let faults = with_line(&section, &format!("{name}: {number}")).err()?;
                Some(faults.0[0].message.clone()).filter(|message| message.contains("out of bounds"))
            };
            assert_eq!(fault(bound), None, "`{name}` in `{section}`");
            assert!(fault(bound + step).is_some(), "`{name}: {}` in `{section}`", bound + step);
        }
        tried += 1;
    }
    assert!(tried > 20, "only {tried} bounds");
}

#[test]
fn a_word_that_yaml_takes_for_a_number_may_stand_without_quotes() {
    let words = form::words(&["1.2", "true", "none"]);
    assert_eq!(words["anyOf"][0]["enum"], serde_json::json!(["1.2", "true", "none", 1.2, true]));
}
