//! What is wrong with a configuration: where, what, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// A place in the file: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
}

/// Whether the configuration can be used all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// It cannot: nothing is loaded.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// One fault, or one warning.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// The file, as the operator named it.
    pub file: PathBuf,
    /// Where in the file.
    pub place: Place,
    /// What is wrong; values stand in backticks, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line of the file, without its line end.
    pub source_line: String,
}

impl fmt::Display for Fault {
    /// `error: FILE:LINE:COLUMN: message`, the line with a mark under the place, and the hint.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Place { line, column } = self.place;
        writeln!(formatter, "{severity}: {}:{line}:{column}: {}", self.file.display(), self.message)?;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let indent: String = self
            .source_line
            .chars()
            .take(column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(formatter, " {margin} |\n {number} | {}\n {margin} | {indent}^", self.source_line)?;
        match &self.hint {
            Some(hint) => writeln!(formatter, " {margin} = hint: {hint}"),
            None => Ok(()),
        }
    }
}
