//! Where commands write: data on stdout, messages on stderr.
//!
//! A reader that went away (`narrowgate check | head`) is no fault of the command, so a write that fails is dropped.
//! Deliberately absent: colour. What is printed is legible without it.

use std::io::Write;

/// How a command prints its data, if it does not say so itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document, for scripts.
    Json,
}

/// Writes data, whole.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one JSON document and a line end.
pub fn print_json(document: &impl serde::Serialize) {
    // The documents of the commands have string keys only, which is all that could fail.
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    print(&format!("{text}\n"));
}

/// Writes a message; the caller ends its lines.
pub fn tell(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Text from outside as a terminal may show it: printable ASCII, everything else as `?`, and at most 200 characters.
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    let shown = text.chars().take(LONGEST).map(|c| if matches!(c, ' '..='~') { c } else { '?' });
    let cut = text.chars().nth(LONGEST).map_or("", |_| "...");
    shown.chain(cut.chars()).collect()
}

/// A message of another process, in lines that a terminal may show.
pub fn printable_line(text: &str) -> String {
    let pieces: Vec<char> = text.chars().collect();
    pieces.chunks(200).map(|piece| printable(&piece.iter().collect::<String>())).collect()
}

/// `1 fault`, `2 faults`.
pub fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_raw() {
        assert_eq!(printable("a\u{1b}[31mb\r\n\u{202e}c"), "a?[31mb???c");
        assert_eq!(printable(&"x".repeat(201)), format!("{}...", "x".repeat(200)));
    }
}
