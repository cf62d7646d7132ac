//! The result as one JSON document, for scripts. docs/operating.md tells its shape, which only ever grows.

use serde::Serialize;

use super::Meaning;
use crate::config::Fault;

/// The whole result.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    valid: bool,
    faults: &'a [Fault],
    warnings: &'a [Fault],
    #[serde(flatten)]
    meaning: Option<&'a Meaning>,
}

/// What is told of a file that can be used.
pub(super) fn good<'a>(warnings: &'a [Fault], meaning: &'a Meaning) -> Document<'a> {
    Document { valid: true, faults: &[], warnings, meaning: Some(meaning) }
}

/// What is told of a file that cannot be used.
pub(super) fn bad(faults: &[Fault]) -> Document<'_> {
    Document { valid: false, faults, warnings: &[], meaning: None }
}
