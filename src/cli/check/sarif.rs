//! The result as a SARIF 2.1.0 log (OASIS), which code scanners and review tools show beside the lines.
//!
//! Severities are levels, and each exception to "a token opens exactly one API" is a note.
//! Deliberately absent: what the configuration means; `--format json` tells that.

use std::path::Path;

use serde_json::{Value, json};

use super::exceptions::Exception;
use crate::config::fault::Place;
use crate::config::{Fault, FaultKind};

/// The rule of exceptions, behind those of [`FaultKind`].
const EXCEPTION: &str = "exception";

/// The whole log: one run of one tool.
pub(super) fn log(faults: &[Fault], exceptions: &[Exception]) -> Value {
    let notes = exceptions.iter().map(of_exception);
    let results: Vec<Value> = faults.iter().map(of_fault).chain(notes).collect();
    let driver = json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": rules(),
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
    })
}

fn rules() -> Vec<Value> {
    let exception = rule(EXCEPTION, "A line gives \"a token opens exactly one API\" up.", "note");
    let kinds = FaultKind::ALL.into_iter();
    kinds.map(|kind| rule(kind.as_str(), kind.about(), kind.severity().as_str())).chain([exception]).collect()
}

fn rule(word: &str, about: &str, level: &str) -> Value {
    json!({
        "id": id_of(word),
        "shortDescription": { "text": about },
        "defaultConfiguration": { "level": level },
    })
}

fn id_of(word: &str) -> String {
    format!("{}/{word}", env!("CARGO_PKG_NAME"))
}

fn of_fault(fault: &Fault) -> Value {
    let index = FaultKind::ALL.partition_point(|kind| *kind < fault.kind);
    let message = match &fault.hint {
        Some(hint) => format!("{}\nHint: {hint}", fault.message),
        None => fault.message.clone(),
    };
    let mut region = region(fault.place);
    if !fault.source_line.is_empty() {
        region["snippet"] = json!({ "text": fault.source_line });
    }
    result((fault.kind.as_str(), index), fault.severity.as_str(), &message, &location(&fault.file, &region))
}

fn of_exception(exception: &Exception) -> Value {
    let message = format!("`{}` at `{}`: {}", exception.setting, exception.resource, exception.meaning);
    let place = Place { line: exception.line, column: exception.column };
    let location = location(Path::new(&exception.file), &region(place));
    result((EXCEPTION, FaultKind::ALL.len()), "note", &message, &location)
}

fn result((word, index): (&str, usize), level: &str, message: &str, location: &Value) -> Value {
    json!({
        "ruleId": id_of(word),
        "ruleIndex": index,
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": location }],
    })
}

fn region(place: Place) -> Value {
    json!({ "startLine": place.line, "startColumn": place.column })
}

fn location(file: &Path, region: &Value) -> Value {
    json!({ "artifactLocation": { "uri": uri(file) }, "region": region })
}

/// The file as it was given: a relative reference (RFC 3986 §4.2), or a `file:` URI.
fn uri(file: &Path) -> String {
    let scheme = if file.is_absolute() { "file://" } else { "" };
    let escaped = file.to_string_lossy().bytes().fold(String::new(), |mut uri, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
        uri
    });
    format!("{scheme}{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_uri_as_it_was_given() {
        assert_eq!(uri(Path::new("conf/gateway.yaml")), "conf/gateway.yaml");
        assert_eq!(uri(Path::new("/etc/my gate.yaml")), "file:///etc/my%20gate.yaml");
        assert_eq!(uri(Path::new("a:b#\u{e9}.yaml")), "a%3Ab%23%C3%A9.yaml");
    }
}
