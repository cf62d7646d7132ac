//! What is wrong with a configuration: where, what, and what to do about it.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use kind::FaultKind;

mod kind;
mod secrets;

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

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One fault, or one warning.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// What it is about.
    pub kind: FaultKind,
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

impl Serialize for Fault {
    /// As scripts read it, whoever answers: rule, severity, place, message, and the hint if there is one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Fault", 7)?;
        members.serialize_field("rule", self.kind.as_str())?;
        members.serialize_field("severity", self.severity.as_str())?;
        members.serialize_field("file", &self.file.display().to_string())?;
        members.serialize_field("line", &self.place.line)?;
        members.serialize_field("column", &self.place.column)?;
        members.serialize_field("message", &self.message)?;
        match &self.hint {
            Some(hint) => members.serialize_field("hint", hint)?,
            None => members.skip_field("hint")?,
        }
        members.end()
    }
}

impl fmt::Display for Fault {
    /// `error: FILE:LINE:COLUMN: message`, the line with a mark under the place, and the hint.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity.as_str();
        let Place { line, column } = self.place;
        writeln!(formatter, "{severity}: {}:{line}:{column}: {}", self.file.display(), self.message)?;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        if self.source_line.is_empty() {
            return self.write_hint(&margin, formatter);
        }
        let indent: String = self
            .source_line
            .chars()
            .take(column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(formatter, " {margin} |\n {number} | {}\n {margin} | {indent}^", self.source_line)?;
        self.write_hint(&margin, formatter)
    }
}

impl Fault {
    fn write_hint(&self, margin: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => writeln!(formatter, " {margin} = hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// All the errors of a configuration, by place: at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    /// One after the other, with an empty line between.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(formatter)?;
            }
            fault.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The most errors, and the most warnings, that are told at once: a file of nothing but faults must not fill the memory.
const MAX_FAULTS: usize = 500;
/// The longest source line that is shown, in characters.
const MAX_SOURCE_LINE: usize = 240;
/// How far above a line its key is looked for, in lines.
const MAX_PARENT: usize = 200;

/// The longest message, in characters.
const MAX_MESSAGE: usize = 600;

/// The text, cut where it is too long to be read anyway.
pub(super) fn brief(text: &str, at_most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(at_most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The text without what would move a terminal's cursor or begin a line; tabs stay, because they take their room.
fn visible(text: impl Iterator<Item = char>) -> String {
    text.map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// The file as faults show it.
pub(super) struct SourceText {
    file: PathBuf,
    text: Box<str>,
    /// Where each line begins, in bytes; looked up once there is a fault to show.
    lines: OnceLock<Vec<usize>>,
}

impl SourceText {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.into(), lines: OnceLock::new() }
    }

    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }

    /// A line as it is shown, by its number.
    fn shown(&self, number: usize) -> Option<String> {
        let at = number.checked_sub(1)?;
        let line: String = self.line(at)?.chars().take(MAX_SOURCE_LINE).collect();
        Some(visible(secrets::hidden(&line, self.parent(at)).chars()))
    }

    /// The nearest line above that is indented less: what holds the key, where a line is a value alone.
    fn parent(&self, at: usize) -> Option<&str> {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let line = self.line(at)?;
        let is_item = line.trim_start().starts_with('-');
        let above = (0..at).rev().take(MAX_PARENT).filter_map(|at| self.line(at));
        above.filter(|above| !above.trim().is_empty()).find(|above| match is_item {
            // A list may stand as far left as its key.
            true => indent(above) <= indent(line) && !above.trim_start().starts_with('-'),
            false => indent(above) < indent(line),
        })
    }

    fn line(&self, at: usize) -> Option<&str> {
        Some(self.text[*self.lines().get(at)?..].lines().next().unwrap_or_default())
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn fault(&self, kind: FaultKind, place: Place, message: &str, hint: String) -> Fault {
        let source_line = self.shown(place.line).unwrap_or_default();
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        let message = visible(brief(message, MAX_MESSAGE).chars());
        Fault { kind, severity: kind.severity(), file: self.file.clone(), place, message, hint, source_line }
    }
}

impl fmt::Debug for SourceText {
    /// The name; the text may hold secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SourceText").field(&self.file).finish()
    }
}

/// What has been found so far; it knows the file, so that whoever finds a fault only says where.
#[derive(Debug)]
pub(super) struct FaultLog {
    text: Arc<SourceText>,
    faults: Vec<Fault>,
    errors: usize,
}

impl FaultLog {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        Self { text: Arc::new(SourceText::new(file, text)), faults: Vec::new(), errors: 0 }
    }

    /// The file as faults show it, for those that are found later.
    pub(super) fn text(&self) -> Arc<SourceText> {
        Arc::clone(&self.text)
    }

    /// Records something that keeps the configuration from being used.
    pub(super) fn error(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.tell(FaultKind::Fault, place, message, hint);
    }

    /// Records what is no YAML, or more of it than a configuration may use.
    pub(super) fn syntax(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.tell(FaultKind::Syntax, place, message, hint);
    }

    /// Records something that somebody should look at.
    pub(super) fn warning(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.tell(FaultKind::Warning, place, message, hint);
    }

    /// Records a fault or a warning that has a word of its own.
    pub(super) fn tell(&mut self, kind: FaultKind, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        if kind.severity() == Severity::Error {
            self.errors += 1;
        }
        self.record(kind, place, message.into(), hint.into());
    }

    /// Counts an error that was recorded earlier: what is read now lacks something because of it.
    pub(super) fn already_told(&mut self) {
        self.errors += 1;
    }

    /// How many errors were recorded, so that a section can tell whether it was read whole.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    fn record(&mut self, kind: FaultKind, place: Place, message: String, hint: String) {
        let known = |fault: &Fault| fault.place == place && fault.message == message;
        let equal = self.faults.iter().filter(|fault| fault.severity == kind.severity()).count();
        if equal >= MAX_FAULTS || self.faults.iter().any(known) {
            return;
        }
        self.faults.push(self.text.fault(kind, place, &message, hint));
    }

    /// The warnings, or the errors if there are any; both by place.
    pub(super) fn finish(mut self) -> Result<Vec<Fault>, Faults> {
        self.faults.sort_by(|one, other| (one.place, &one.message).cmp(&(other.place, &other.message)));
        let (errors, warnings): (Vec<_>, Vec<_>) =
            self.faults.into_iter().partition(|fault| fault.severity == Severity::Error);
        match self.errors {
            0 => Ok(warnings),
            _ => Err(Faults(errors)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_its_place() {
        let mut log = FaultLog::new(Path::new("gateway.yaml"), "a: 1\n\tb: \u{e9} 2\n");
        log.error(Place { line: 2, column: 7 }, "`2` is wrong", "write `3`");
        let faults = log.finish().unwrap_err();
        let expected =
            "error: gateway.yaml:2:7: `2` is wrong\n   |\n 2 | \tb: \u{e9} 2\n   | \t     ^\n   = hint: write `3`\n";
        assert_eq!(faults.to_string(), expected);
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let text = "admin:\n  address: 1.2.3.4:5\n  token:\n    hunter2\nx: 1\nsecret:\n- hunter3\n- hunter4\n";
        let source = SourceText::new(Path::new("gateway.yaml"), text);
        let shown: Vec<_> = (1..=8).filter_map(|line| source.shown(line)).collect();
        let expected =
            ["admin:", "  address: 1.2.3.4:5", "  token:", "    *******", "x: 1", "secret:", "* *******", "* *******"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn faults_come_by_place_and_each_once() {
        let mut log = FaultLog::new(Path::new("gateway.yaml"), "a\nb\n");
        log.error(Place { line: 2, column: 1 }, "second", "");
        log.error(Place { line: 1, column: 1 }, "first", "");
        log.error(Place { line: 2, column: 1 }, "second", "");
        log.warning(Place { line: 1, column: 1 }, "look here", "");
        let messages: Vec<_> = log.finish().unwrap_err().0.into_iter().map(|fault| fault.message).collect();
        assert_eq!(messages, ["first", "second"]);
    }

    #[test]
    fn each_kind_has_a_word_of_its_own_and_errors_come_first() {
        let words: std::collections::BTreeSet<_> = FaultKind::ALL.map(FaultKind::as_str).into();
        assert_eq!(words.len(), FaultKind::ALL.len());
        assert!(FaultKind::ALL.is_sorted());
        assert_eq!(FaultKind::KeysUnusable.severity(), Severity::Error);
        assert_eq!(FaultKind::Warning.severity(), Severity::Warning);
    }

    #[test]
    fn many_warnings_do_not_hide_an_error() {
        let mut log = FaultLog::new(Path::new("gateway.yaml"), "");
        for line in 0..2 * MAX_FAULTS {
            log.warning(Place { line, column: 1 }, "look here", "");
        }
        log.error(Place::default(), "wrong", "");
        assert_eq!(log.finish().unwrap_err().0.len(), 1);
    }
}
