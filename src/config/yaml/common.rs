//! The shape of YAML that configurations mostly have, read directly: block mappings and lists, flow collections, scalars of
//! one line.
//!
//! It tells no fault and decides nothing: whatever it is not sure of, every mistake among it, it leaves to the whole parser,
//! for the whole file. So it may only ever give the tree that the whole parser gives for the same text, to the last place,
//! and `tests` hold it to that. It is here because the whole parser is most of what a long file costs.
//! Deliberately absent: escapes, scalars of several lines, tags and anchors, tabs, values that are left out in `[ ]` and `{ }`.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::{Key, Kind, MAX_NODES, Mapping, Node, Place, Scalar};

/// How deep lists and mappings may lie in each other here; less than what the whole parser takes.
const MAX_DEPTH: usize = 24;
/// The longest key, in bytes; the whole parser takes 1024 characters.
const MAX_KEY: usize = 512;
/// From how many entries on keys are looked up, and not compared one by one.
const MANY: usize = 16;

/// The root of the document; nothing if the whole parser has to say what the text means.
pub(super) fn read(text: &str) -> Option<Node> {
    let is_plain = |byte: u8| byte == b'\n' || (byte >= b' ' && byte != 0x7f);
    if !text.bytes().all(is_plain) {
        return None;
    }
    let is_ascii = text.is_ascii();
    if !is_ascii && !text.chars().all(|c| c.is_ascii() || is_letter(c)) {
        return None;
    }
    let mut scan = Scan { bytes: text.as_bytes(), text, at: 0, line: 1, line_start: 0, is_ascii, nodes: 0, depth: 0 };
    if scan.next_line()? != Some(0) {
        return None;
    }
    let root = scan.mapping(0)?;
    let is_whole = scan.at == scan.bytes.len();
    is_whole.then_some(root)
}

/// A character beyond ASCII that stands in scalars and comments without meaning anything to YAML.
fn is_letter(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{1fff}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{d7ff}' | '\u{1f300}'..='\u{1faff}')
}

struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    line: usize,
    line_start: usize,
    is_ascii: bool,
    nodes: usize,
    depth: usize,
}

/// A scalar of one line.
struct Word<'t> {
    place: Place,
    text: &'t str,
    plain: bool,
}

/// Where a scalar stands, which decides what ends it.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Around {
    Block,
    Flow,
}

impl<'t> Scan<'t> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn behind(&self, distance: usize) -> Option<u8> {
        self.bytes.get(self.at + distance).copied()
    }

    /// Whether nothing, a blank or the end of the line stands so far behind.
    fn is_blank_behind(&self, distance: usize) -> bool {
        matches!(self.behind(distance), None | Some(b' ' | b'\n'))
    }

    fn is_item(&self) -> bool {
        self.peek() == Some(b'-') && self.is_blank_behind(1)
    }

    fn column(&self) -> usize {
        self.at - self.line_start
    }

    fn place(&self) -> Place {
        let before = match self.is_ascii {
            true => self.column(),
            false => self.text[self.line_start..self.at].chars().count(),
        };
        Place { line: self.line, column: before + 1 }
    }

    fn count(&mut self, more: usize) -> Option<()> {
        self.nodes += more;
        (self.nodes <= MAX_NODES).then_some(())
    }

    fn blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn comment(&mut self) {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == b'\n');
        self.at += length.unwrap_or(self.bytes.len() - self.at);
    }

    /// Goes behind the end of a line, of which nothing but a comment may be left.
    fn end_line(&mut self) -> Option<()> {
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

    fn begin_line(&mut self) {
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
    }

    /// Goes to the next line that says something, and gives its indentation; nothing at the end of the text.
    #[expect(clippy::option_option, reason = "the outer one is whether we are sure")]
    fn next_line(&mut self) -> Option<Option<usize>> {
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
    fn is_mark(&self) -> bool {
        let rest = &self.bytes[self.at..];
        rest.starts_with(b"---") || rest.starts_with(b"...")
    }

    /// Whether the document ends here by its mark, and nothing but comments follows.
    fn ends_here(&self) -> bool {
        let mut lines = self.text[self.at..].split('\n');
        let says_nothing =
            |line: &str| line.trim_start_matches(' ').is_empty() || line.trim_start_matches(' ').starts_with('#');
        lines.next() == Some("...") && lines.all(says_nothing)
    }

    /// What follows a line that ends here, and its indentation.
    #[expect(clippy::option_option, reason = "the outer one is whether we are sure")]
    fn following(&mut self) -> Option<Option<usize>> {
        self.end_line()?;
        self.next_line()
    }

    fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    /// A mapping whose keys stand in this column; the first one is here.
    fn mapping(&mut self, indent: usize) -> Option<Node> {
        self.enter()?;
        let place = self.place();
        let mut entries = Entries::default();
        loop {
            let key = self.key(Around::Block)?;
            let key_place = key.place;
            let (value, next) = self.value(indent)?;
            entries.add(key, Node { owner: key_place, ..value })?;
            self.count(1)?;
            match next {
                Some(at) if at == indent => {}
                Some(at) if at > indent => return None,
                Some(_) | None => break,
            }
            if self.is_item() {
                return None;
            }
        }
        self.depth -= 1;
        self.count(1)?;
        Some(node(place, Kind::Mapping(Mapping { entries: entries.all, whole: true })))
    }

    /// What stands behind a key of a mapping with this indentation, and the indentation of what follows.
    #[expect(clippy::type_complexity, reason = "a node, and where the next line begins")]
    fn value(&mut self, indent: usize) -> Option<(Node, Option<usize>)> {
        self.blanks();
        if matches!(self.peek(), None | Some(b'\n' | b'#')) {
            let next = self.following()?;
            // A list may stand as far left as its key.
            return match next? {
                at if at > indent => self.block(at),
                at if at == indent && self.is_item() => {
                    let (list, next) = self.list(at)?;
                    let place = first_place(&list).unwrap_or(list.place);
                    Some((Node { place, ..list }, next))
                }
                _ => None,
            };
        }
        let value = match self.peek()? {
            b'{' | b'[' => self.flow(indent)?,
            _ => self.scalar(Around::Block)?,
        };
        let next = self.following()?;
        match next {
            Some(at) if at > indent => None,
            next => Some((value, next)),
        }
    }

    /// A collection that begins in a line of its own, in this column.
    #[expect(clippy::type_complexity, reason = "a node, and where the next line begins")]
    fn block(&mut self, indent: usize) -> Option<(Node, Option<usize>)> {
        if self.is_item() {
            return self.list(indent);
        }
        let mapping = self.mapping(indent)?;
        Some((mapping, self.here()))
    }

    /// The indentation of the line that was gone to last; nothing at the end of the text.
    fn here(&self) -> Option<usize> {
        (self.at < self.bytes.len()).then(|| self.column())
    }

    /// A list whose `-` stand in this column.
    #[expect(clippy::type_complexity, reason = "a node, and where the next line begins")]
    fn list(&mut self, indent: usize) -> Option<(Node, Option<usize>)> {
        self.enter()?;
        let place = self.place();
        let mut items = Vec::new();
        loop {
            self.at += 1;
            self.blanks();
            let next = match self.peek() {
                None | Some(b'\n' | b'#') => {
                    let at = self.following()?.filter(|at| *at > indent)?;
                    let (item, next) = self.block(at)?;
                    items.push(item);
                    next
                }
                Some(b'{' | b'[') => {
                    items.push(self.flow(indent)?);
                    self.following()?
                }
                Some(_) if self.is_item() => return None,
                Some(_) if self.is_key() => {
                    items.push(self.mapping(self.column())?);
                    self.here()
                }
                Some(_) => {
                    items.push(self.scalar(Around::Block)?);
                    self.following()?
                }
            };
            match next {
                Some(at) if at == indent && self.is_item() => {}
                Some(at) if at > indent => return None,
                next => {
                    self.depth -= 1;
                    self.count(1)?;
                    return Some((node(place, Kind::Sequence(items)), next));
                }
            }
        }
    }

    /// Whether a key stands here; the line is looked at and not left.
    fn is_key(&mut self) -> bool {
        let (at, nodes) = (self.at, self.nodes);
        let is_key = self.key(Around::Block).is_some();
        (self.at, self.nodes) = (at, nodes);
        is_key
    }

    /// A key, and the `:` behind it.
    fn key(&mut self, around: Around) -> Option<Word<'t>> {
        let from = self.at;
        let key = self.word(around)?;
        let is_usable = self.at - from <= MAX_KEY && !(key.plain && key.text == "<<") && !key.text.contains("${");
        if !is_usable || self.peek() != Some(b':') || !self.is_blank_behind(1) {
            return None;
        }
        self.at += 1;
        Some(key)
    }

    fn scalar(&mut self, around: Around) -> Option<Node> {
        let Word { place, text, plain } = self.word(around)?;
        self.count(1)?;
        Some(node(place, Kind::Scalar(Scalar { text: text.to_owned(), written: None, plain })))
    }

    /// A scalar, in quotes or without; what stands behind it is the caller's to judge.
    fn word(&mut self, around: Around) -> Option<Word<'t>> {
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

    /// A list or mapping in brackets, which stands in a block with this indentation.
    fn flow(&mut self, indent: usize) -> Option<Node> {
        self.enter()?;
        let place = self.place();
        let close = if self.peek()? == b'{' { b'}' } else { b']' };
        let (mut entries, mut items) = (Entries::default(), Vec::new());
        self.at += 1;
        self.flow_blanks(indent)?;
        while self.peek()? != close {
            if close == b'}' {
                let key = self.key(Around::Flow)?;
                self.flow_blanks(indent)?;
                let value = self.flow_value(indent)?;
                entries.add(Word { ..key }, Node { owner: key.place, ..value })?;
                self.count(1)?;
            } else {
                items.push(self.flow_value(indent)?);
            }
            self.flow_blanks(indent)?;
            match self.peek()? {
                b',' => {
                    self.at += 1;
                    self.flow_blanks(indent)?;
                    if self.peek()? == close {
                        return None;
                    }
                }
                end if end == close => {}
                _ => return None,
            }
        }
        self.at += 1;
        self.depth -= 1;
        self.count(1)?;
        Some(node(
            place,
            match close {
                b'}' => Kind::Mapping(Mapping { entries: entries.all, whole: true }),
                _ => Kind::Sequence(items),
            },
        ))
    }

    fn flow_value(&mut self, indent: usize) -> Option<Node> {
        match self.peek()? {
            b'{' | b'[' => self.flow(indent),
            _ => self.scalar(Around::Flow),
        }
    }

    /// Skips blanks, comments and ends of lines inside brackets. Every line is indented more than the block around.
    fn flow_blanks(&mut self, indent: usize) -> Option<()> {
        loop {
            let from = self.at;
            self.blanks();
            match self.peek()? {
                b'\n' => self.begin_line(),
                b'#' if self.at > from => self.comment(),
                _ if self.column() <= indent => return None,
                _ => return Some(()),
            }
        }
    }
}

/// Where the whole parser says that a list begins which stands as far left as its key.
fn first_place(list: &Node) -> Option<Place> {
    match &list.kind {
        Kind::Sequence(items) => items.first().map(|item| item.place),
        _ => None,
    }
}

fn node(place: Place, kind: Kind) -> Node {
    Node { place, owner: place, kind }
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

/// Entries of a mapping, none twice.
#[derive(Default)]
struct Entries<'t> {
    all: Vec<(Key, Node)>,
    /// The keys, while there are few.
    few: SmallVec<[&'t str; MANY]>,
    /// The keys, once there are many.
    known: HashSet<&'t str>,
}

impl<'t> Entries<'t> {
    fn add(&mut self, Word { place, text, .. }: Word<'t>, value: Node) -> Option<()> {
        let is_new = if self.all.len() < MANY {
            let is_new = !self.few.contains(&text);
            self.few.push(text);
            is_new
        } else {
            self.known.extend(self.few.drain(..));
            self.known.insert(text)
        };
        self.all.push((Key { text: text.to_owned(), place }, value));
        is_new.then_some(())
    }
}

#[cfg(test)]
mod tests;
