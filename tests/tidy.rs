//! The house rules that a machine can hold: imports run down the floors only (ARCHITECTURE.md), and files stay readable.
//!
//! A small line scanner is enough: comments, strings and test code are blanked first ([`source`]), then every `crate::`
//! and every `super::` that leaves its room is an import. Nothing here knows types.

#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, sources};

/// Which room is on which floor. Imports run down, or sideways without a circle.
const FLOORS: [(usize, &[&str]); 8] = [
    (7, &["main", "cli"]),
    (6, &["app"]),
    (5, &["serve"]),
    (4, &["snapshot"]),
    (3, &["guard", "issuer"]),
    (2, &["token", "store", "upstream"]),
    (1, &["config", "telemetry"]),
    (0, &["oauth", "route", "alarm", "clock", "fetch", "randomness", "secret"]),
];

/// Pairs that never import each other, though they share a floor.
const STRANGERS: [(&str, &str); 1] = [("guard", "issuer")];

/// Rooms, and files of rooms, that decide from values: no sockets, no runtime, no record.
const PURE: [&str; 5] = ["guard", "issuer", "oauth", "route", "token"];

/// What is pure no more in those rooms: whatever fetches keys and keeps them.
const IMPURE_FILES: [&str; 2] = ["src/token/keys/keyring", "src/token/keys/freshness"];

/// Crates that decisions do not know.
const OUTSIDE: [&str; 8] =
    ["pingora_core", "pingora_error", "pingora_http", "pingora_proxy", "tokio", "reqwest", "tracing", "axum"];

/// Names that say nothing about what is inside.
const DRAWERS: [&str; 6] = ["util", "utils", "helpers", "common", "misc", "manager"];

const LONGEST_FILE: usize = 400;

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

fn fail_with(faults: &[String]) {
    assert!(faults.is_empty(), "\n\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_has_a_floor() {
    let rooms: BTreeSet<String> = sources().into_iter().map(|source| source.room).collect();
    let faults: Vec<_> = rooms
        .iter()
        .filter(|room| *room != "lib" && floor_of(room).is_none())
        .map(|room| format!("src/{room}: no floor; draw it in ARCHITECTURE.md and in FLOORS of tests/tidy.rs"))
        .collect();
    fail_with(&faults);
}

#[test]
fn imports_run_down_the_floors() {
    let mut faults = Vec::new();
    let mut sideways: BTreeMap<(String, String), String> = BTreeMap::new();
    for source in sources().iter().filter(|source| source.room != "lib") {
        for (line, target) in source.imports() {
            let place = format!("{}:{line}", source.path);
            let (Some(here), Some(there)) = (floor_of(&source.room), floor_of(&target)) else {
                continue;
            };
            if target == source.room {
                continue;
            }
            let strangers = STRANGERS
                .iter()
                .any(|(a, b)| (source.room == *a && target == *b) || (source.room == *b && target == *a));
            if there > here {
                faults.push(format!(
                    "{place}: `{}` (floor {here}) imports `{target}` (floor {there}): imports run down; hand the value in, \
                     or move what is shared to a lower floor",
                    source.room
                ));
            } else if strangers {
                faults.push(format!(
                    "{place}: `{}` and `{target}` never import each other: both may lean on a lower floor",
                    source.room
                ));
            } else if there == here {
                sideways.entry((source.room.clone(), target)).or_insert(place);
            }
        }
    }
    for ((from, to), place) in &sideways {
        if let Some(back) = sideways.get(&(to.clone(), from.clone())).filter(|_| from < to) {
            faults
                .push(format!("{place} and {back}: `{from}` and `{to}` import each other: keep one of the two arrows"));
        }
    }
    if faults.is_empty() {
        faults.extend(circle(&sideways));
    }
    fail_with(&faults);
}

/// A circle of more than two rooms on one floor: what remains when every room without an import is taken away, again
/// and again.
fn circle(sideways: &BTreeMap<(String, String), String>) -> Option<String> {
    let mut arrows: Vec<_> = sideways.keys().collect();
    loop {
        let before = arrows.len();
        let leading: BTreeSet<_> = arrows.iter().map(|(from, _)| from.clone()).collect();
        arrows.retain(|(_, to)| leading.contains(to));
        if arrows.is_empty() {
            return None;
        }
        if arrows.len() == before {
            return Some(format!("{arrows:?}: a circle of imports on one floor: take one arrow out"));
        }
    }
}

#[test]
fn decisions_know_no_sockets_and_no_records() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room.as_str())) {
        if IMPURE_FILES.iter().any(|prefix| source.path.starts_with(prefix)) {
            continue;
        }
        for (line, text) in source.code() {
            for name in OUTSIDE.iter().filter(|name| text.contains(&format!("{name}::"))) {
                faults.push(format!(
                    "{}:{line}: `{}` decides from values and knows no `{name}`: return a value and let the edge act",
                    source.path, source.room
                ));
            }
        }
    }
    fail_with(&faults);
}

#[test]
fn files_are_short_named_and_say_what_they_decide() {
    let mut faults = Vec::new();
    for Source { path, text, .. } in &sources() {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{path}:{LONGEST_FILE}: {lines} lines: two ideas; find the second one's name"));
        }
        if !text.starts_with("//!") {
            faults.push(format!("{path}:1: begin with `//!` and say what the file decides"));
        }
        let drawer = path.trim_end_matches(".rs").split('/').find(|part| DRAWERS.contains(part));
        if let Some(drawer) = drawer {
            faults.push(format!("{path}:1: `{drawer}` names a drawer, not an idea"));
        }
    }
    fail_with(&faults);
}

#[test]
fn the_container_gets_what_the_program_includes() {
    let dockerfile = include_str!("../Dockerfile");
    let ignored = include_str!("../.dockerignore");
    let mut faults = Vec::new();
    for Source { path, text, .. } in &sources() {
        for (at, line) in text.lines().enumerate() {
            let Some((_, included)) =
                line.split_once("include_str!(\"").or_else(|| line.split_once("include_bytes!(\""))
            else {
                continue;
            };
            let included = included.split('"').next().unwrap_or_default();
            let ups = included.matches("../").count();
            let folders = path.split('/').count() - 1;
            let name = included.trim_start_matches("../").split('/').next().unwrap_or_default();
            let reaches = dockerfile.contains(&format!("COPY {name} ")) && ignored.contains(&format!("!{name}\n"));
            if ups == folders && !reaches {
                faults
                    .push(format!("{path}:{}: `{name}` is not in the container: Dockerfile and .dockerignore", at + 1));
            }
        }
    }
    fail_with(&faults);
}

#[test]
fn nothing_is_left_to_luck_or_for_later() {
    const LEFT: [(&str, &str); 5] = [
        (".unwrap()", "say why it cannot fail with `expect`, or return an error"),
        ("todo!", "write it, or leave it out"),
        ("unimplemented!", "write it, or leave it out"),
        ("dbg!", "take it out"),
        ("allow(dead_code)", "take the dead code out"),
    ];
    let mut faults = Vec::new();
    for source in &sources() {
        for (line, text) in source.code() {
            for (left, hint) in LEFT.iter().filter(|(left, _)| text.contains(left)) {
                faults.push(format!("{}:{line}: `{left}`: {hint}", source.path));
            }
            if text.trim_start().starts_with("use ") && text.contains("::*") {
                faults.push(format!("{}:{line}: a glob import: name what is used", source.path));
            }
        }
    }
    fail_with(&faults);
}
