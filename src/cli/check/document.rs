//! The result as one JSON document, for scripts. docs/operating.md tells its shape, which only ever grows.

use serde::Serialize;

use super::Meaning;
use crate::config::Fault;

/// The whole result.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    valid: bool,
    faults: Vec<Finding<'a>>,
    warnings: Vec<Finding<'a>>,
    #[serde(flatten)]
    meaning: Option<&'a Meaning>,
}

/// A fault or a warning.
#[derive(Debug, Serialize)]
struct Finding<'a> {
    rule: &'static str,
    severity: &'static str,
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// What is told of a file that can be used.
pub(super) fn good<'a>(warnings: &'a [Fault], meaning: &'a Meaning) -> Document<'a> {
    Document { valid: true, faults: Vec::new(), warnings: findings(warnings), meaning: Some(meaning) }
}

/// What is told of a file that cannot be used.
pub(super) fn bad(faults: &[Fault]) -> Document<'_> {
    Document { valid: false, faults: findings(faults), warnings: Vec::new(), meaning: None }
}

fn findings(faults: &[Fault]) -> Vec<Finding<'_>> {
    faults.iter().map(Finding::of).collect()
}

impl<'a> Finding<'a> {
    fn of(fault: &'a Fault) -> Self {
        Self {
            rule: fault.kind.as_str(),
            severity: fault.severity.as_str(),
            file: fault.file.display().to_string(),
            line: fault.place.line,
            column: fault.place.column,
            message: &fault.message,
            hint: fault.hint.as_deref(),
        }
    }
}
