//! What is read directly is what the whole parser reads: for every fixture, for pieces of YAML thrown together, and for a
//! configuration with random slips.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::super::super::fault::FaultLog;
use super::super::{Node, parse_whole};
use super::read;

const CONFIGURATION: &str = "\
# yaml-language-server: $schema=./gateway.schema.json
listen: { address: 127.0.0.1:8080, tls: [ { cert: site.pem, key: \"site.key\" } ] }   # or a list

trusted_issuers:
  corp:
    issuer: https://login.example.com
    algorithms: [RS256, ES256]
    claims: { scope: [scope, scp],
              client: azp }
resources:
  https://api1.example.com:
    upstream: http://127.0.0.1:9001
    name: 'the f\u{fc}rst: one'
    scopes:
      read: Read your documents
      \"transaction:{id}\": Approve # one
    rules:
    - { path: /healthz, public: true }
    - methods:
        - POST
        - PUT
      scopes: [write]
    -   path: /a
        scopes: []
  # the second
  https://api2.example.com: { upstream: { urls: [http://10.0.0.7:80, http://10.0.0.8:80] } }
...
";

/// The tree of the whole parser; nothing if it has anything to say against the text.
fn whole(text: &str) -> Option<Node> {
    let mut log = FaultLog::new(Path::new("gateway.yaml"), text);
    let root = parse_whole(text, &mut log);
    log.finish().is_ok_and(|warnings| warnings.is_empty()).then_some(root).flatten()
}

#[track_caller]
fn agrees(text: &str) {
    if let Some(root) = read(text) {
        assert_eq!(Some(root), whole(text), "{text}");
    }
}

#[test]
fn the_usual_shape_is_read_directly() {
    assert!(read(CONFIGURATION).is_some());
    agrees(CONFIGURATION);
    for text in
        ["a: 1", "a: { b: [c, 'd'], e: {} } # f\n", "a:\n- 1\n- b: 2\n  c: 3\nd: 4\n", "a: [1,\n  2 # two\n  ]\n"]
    {
        assert!(read(text).is_some(), "{text}");
        agrees(text);
    }
}

#[test]
fn what_needs_the_whole_parser_is_left_to_it() {
    for text in [
        "",
        "# nothing\n",
        "a",
        "- a",
        "{ a: 1 }",
        "  a: 1",
        "a:",
        "a: &b 1",
        "a: *b",
        "a: !c 1",
        "<<: { a: 1 }",
        "a: |\n  b",
        "a: b\n  c",
        "a: 'b\n  c'",
        "a: 'it''s'",
        "a: \"\\n\"",
        "a:\tb",
        "a: b\r\n",
        "? a\n: b",
        "a: [b, ]",
        "a: { b, c: 1 }",
        "a: { b: }",
        "a: 1\na: 2",
        "${A}: 1",
        "a: b: c",
        "a: [b: 1]",
        "a: 1\n b: 2",
        "a:\n  b: 1\n c: 2",
        "--- a: 1\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\n...\nb: 2\n",
        "%YAML 1.2\n",
        "a: @b",
        "a: `b`",
        "a: [1,\n2]\n",
        "a: 1\u{85}",
        "a: \u{feff}",
        "a: { \"b\":1 }",
        "- - a",
        "a:\n-\n  b: 1",
        "a: [b\n  c]",
        "a: \"b\"c",
        "a: [1]]",
    ] {
        assert!(read(text).is_none(), "{text}");
    }
    let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    assert!(read(&deep).is_none());
}

#[test]
fn every_fixture_is_read_alike() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut folders = vec![fixtures];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let texts = files.iter().filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let texts: Vec<String> = texts.filter_map(|path| fs::read_to_string(path).ok()).collect();
    texts.iter().for_each(|text| agrees(text));
    let direct = texts.iter().filter(|text| read(text).is_some()).count();
    assert!(direct * 2 > texts.len(), "{direct} of {}", texts.len());
}

/// What YAML is made of, and what it trips over.
const PIECES: &[&str] = &[
    "a",
    "b",
    "key",
    "x y",
    "a: ",
    "b: ",
    "c:",
    "key: 1",
    "- ",
    "- a",
    "- b: 1",
    "\n",
    "\n",
    "\n",
    "\n  ",
    "\n  ",
    "\n    ",
    "\n- ",
    "\n  - ",
    " ",
    "  ",
    "{ ",
    " }",
    "{",
    "}",
    "[",
    "]",
    "[a]",
    "{ a: 1 }",
    ", ",
    ",",
    ": ",
    ":",
    "#",
    " # c",
    "'x'",
    "\"y\"",
    "'",
    "\"",
    "\u{e9}",
    "...",
    "---",
    "\n...",
    "\n---\n",
    "~",
    "null",
    "&a ",
    "*a",
    "!t ",
    "<<: ",
    "${A}",
    "|",
    ">",
    "?",
    "? ",
    "\t",
    "-",
    "\\",
    "%",
    "@",
    "`",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "http://x:80/",
    "1",
    "\r\n",
];

fn thrown_together() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..30).prop_map(|pieces| pieces.concat())
}

/// The configuration with pieces put in, or characters taken out, at random places.
fn slipped() -> impl Strategy<Value = String> {
    let slip = (any::<prop::sample::Index>(), 0..4_usize, prop::sample::select(PIECES));
    prop::collection::vec(slip, 1..5).prop_map(|slips| {
        slips.into_iter().fold(CONFIGURATION.to_owned(), |text, (at, gone, piece)| {
            let chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len().max(1)).min(chars.len());
            let behind = chars.iter().skip(at + gone);
            let kept = if gone % 2 == 0 { piece } else { "" };
            chars[..at].iter().chain(kept.chars().collect::<Vec<_>>().iter()).chain(behind).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn pieces_thrown_together_are_read_alike(text in thrown_together()) {
        agrees(&text);
    }

    #[test]
    fn a_mapping_of_pieces_is_read_alike(text in thrown_together()) {
        agrees(&format!("a:\n  b: {text}\n"));
    }

    #[test]
    fn slips_are_read_alike(text in slipped()) {
        agrees(&text);
    }
}
