//! Lines and words of the usual YAML: where the next line begins that says something, and where a scalar ends.

use super::super::{MAX_NODES, Place};

/// How deep lists and mappings may lie in each other here; less than what the whole parser takes.
const MAX_DEPTH: usize = 24;
/// The longest key, in bytes; the whole parser takes 1024 characters.
const MAX_KEY: usize = 512;

/// A text, and how far it was read.
pub(super) struct Scan<'t> {
    pub(super) text: &'t str,
    bytes: &'t [u8],
    pub(super) at: usize,
    line: usize,
    line_start: usize,
    is_ascii: bool,
    nodes: usize,
    pub(super) depth: usize,
}

/// A scalar of one line.
pub(super) struct Word<'t> {
    pub(super) place: Place,
    pub(super) text: &'t str,
    pub(super) plain: bool,
}

/// Where a scalar stands, which decides what ends it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Around {
    Block,
    Flow,
}

impl<'t> Scan<'t> {
    /// At the beginning of a text; nothing if it holds what would need a closer look.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        let is_plain = |byte: u8| byte == b'\n' || (byte >= b' ' && byte != 0x7f);
        if !text.bytes().all(is_plain) {
            return None;
        }
        let is_ascii = text.is_ascii();
        if !is_ascii && !text.chars().all(|c| c.is_ascii() || is_letter(c)) {
            return None;
        }
        Some(Self { bytes: text.as_bytes(), text, at: 0, line: 1, line_start: 0, is_ascii, nodes: 0, depth: 0 })
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn behind(&self, distance: usize) -> Option<u8> {
        self.bytes.get(self.at + distance).copied()
    }

    /// Whether nothing, a blank or the end of the line stands so far behind.
    pub(super) fn is_blank_behind(&self, distance: usize) -> bool {
        matches!(self.behind(distance), None | Some(b' ' | b'\n'))
    }

    pub(super) fn is_item(&self) -> bool {
        self.peek() == Some(b'-') && self.is_blank_behind(1)
    }

    pub(super) fn column(&self) -> usize {
        self.at - self.line_start
    }

    pub(super) fn place(&self) -> Place {
        let before = match self.is_ascii {
            true => self.column(),
            false => self.text[self.line_start..self.at].chars().count(),
        };
        Place { line: self.line, column: before + 1 }
    }

    pub(super) fn count(&mut self, more: usize) -> Option<()> {
        self.nodes += more;
        (self.nodes <= MAX_NODES).then_some(())
    }

    pub(super) fn blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    pub(super) fn comment(&mut self) {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == b'\n');
        self.at += length.unwrap_or(self.bytes.len() - self.at);
    }

    /// Goes behind the end of a line, of which nothing but a comment may be left.
    pub(super) fn end_line(&mut self) -> Option<()> {
        let from = self.at;
        self.blanks();
        if self.peek() == Some(b'#') && self.at > from {
            self.comment();
        }
        match self.peek() {
            None => Some(()),
            Some(b'\n') => {
                self.begin_line();
                Some(())
            }
            Some(_) => None,
        }
    }

    pub(super) fn begin_line(&mut self) {
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
    }

    /// Goes to the next line that says something, and gives its indentation; nothing at the end of the text.
    #[expect(clippy::option_option, reason = "the outer one is whether we are sure")]
    pub(super) fn next_line(&mut self) -> Option<Option<usize>> {
        loop {
            self.blanks();
            match self.peek() {
                None => return Some(None),
                Some(b'#') => self.comment(),
                Some(b'\n') => self.begin_line(),
                Some(b'%') if self.column() == 0 => return None,
                Some(b'.') if self.column() == 0 && self.ends_here() => self.at = self.bytes.len(),
                Some(b'-' | b'.') if self.column() == 0 && self.is_mark() => return None,
                Some(_) => return Some(Some(self.column())),
            }
        }
    }

    /// Whether a document could begin or end here.
    pub(super) fn is_mark(&self) -> bool {
        let rest = &self.bytes[self.at..];
        rest.starts_with(b"---") || rest.starts_with(b"...")
    }

    /// Whether the document ends here by its mark, and nothing but comments follows.
    pub(super) fn ends_here(&self) -> bool {
        let mut lines = self.text[self.at..].split('\n');
        let says_nothing =
            |line: &str| line.trim_start_matches(' ').is_empty() || line.trim_start_matches(' ').starts_with('#');
        lines.next() == Some("...") && lines.all(says_nothing)
    }

    /// What follows a line that ends here, and its indentation.
    #[expect(clippy::option_option, reason = "the outer one is whether we are sure")]
    pub(super) fn following(&mut self) -> Option<Option<usize>> {
        self.end_line()?;
        self.next_line()
    }

    pub(super) fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    /// The indentation of the line that was gone to last; nothing at the end of the text.
    pub(super) fn here(&self) -> Option<usize> {
        (self.at < self.bytes.len()).then(|| self.column())
    }

    /// Whether a key stands here; the line is looked at and not left.
    pub(super) fn is_key(&mut self) -> bool {
        let (at, nodes) = (self.at, self.nodes);
        let is_key = self.key(Around::Block).is_some();
        (self.at, self.nodes) = (at, nodes);
        is_key
    }

    /// A key, and the `:` behind it.
    pub(super) fn key(&mut self, around: Around) -> Option<Word<'t>> {
        let from = self.at;
        let key = self.word(around)?;
        let is_usable = self.at - from <= MAX_KEY && !(key.plain && key.text == "<<") && !key.text.contains("${");
        if !is_usable || self.peek() != Some(b':') || !self.is_blank_behind(1) {
            return None;
        }
        self.at += 1;
        Some(key)
    }

    /// A scalar, in quotes or without; what stands behind it is the caller's to judge.
    pub(super) fn word(&mut self, around: Around) -> Option<Word<'t>> {
        let place = self.place();
        let from = self.at;
        match self.peek()? {
            quote @ (b'"' | b'\'') => {
                let inside = &self.bytes[from + 1..];
                let length = inside.iter().position(|byte| *byte == quote || matches!(byte, b'\n' | b'\\'))?;
                self.at = from + length + 2;
                let is_doubled = self.peek() == Some(quote);
                // A backslash is itself in single quotes, and may as well be left to others.
                if inside[length] != quote || is_doubled {
                    return None;
                }
                Some(Word { place, text: &self.text[from + 1..from + 1 + length], plain: false })
            }
            b'-' | b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%'
            | b'@' | b'`' | b'\n' | b' ' => None,
            _ => {
                let length = plain_length(&self.bytes[from..], around);
                self.at = from + length;
                Some(Word { place, text: &self.text[from..self.at], plain: true })
            }
        }
    }
}

/// A character beyond ASCII that stands in scalars and comments without meaning anything to YAML.
fn is_letter(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{1fff}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{d7ff}' | '\u{1f300}'..='\u{1faff}')
}

/// How long a scalar without quotes is that begins here.
fn plain_length(bytes: &[u8], around: Around) -> usize {
    let mut end = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let next = || bytes.get(at + 1).copied().unwrap_or(b'\n');
        match byte {
            b'\n' => break,
            b' ' => continue,
            b'#' if end < at => break,
            b':' if matches!(next(), b' ' | b'\n') => break,
            b',' | b'[' | b']' | b'{' | b'}' if around == Around::Flow => break,
            b':' if around == Around::Flow && matches!(next(), b',' | b'[' | b']' | b'{' | b'}') => break,
            _ => end = at + 1,
        }
    }
    end
}
