//! The usual YAML of configurations, read directly: block mappings and lists, flow collections, scalars of
//! one line.
//!
//! It tells no fault and decides nothing: whatever it is not sure of, every mistake among it, it leaves to the whole parser,
//! for the whole file. So it may only ever give the tree that the whole parser gives for the same text, to the last place,
//! and `tests` hold it to that. It is here because the whole parser is most of what a long file costs.
//! Deliberately absent: escapes, scalars of several lines, tags and anchors, tabs, values that are left out in `[ ]` and `{ }`.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::{Key, Kind, Mapping, Node, Place, Scalar};

mod scan;
#[cfg(test)]
mod tests;

use scan::{Around, Scan, Word};

/// From how many entries on keys are looked up, and not compared one by one.
const MANY: usize = 16;

/// The root of the document; nothing if the whole parser has to say what the text means.
pub(super) fn read(text: &str) -> Option<Node> {
    let mut scan = Scan::of(text)?;
    if scan.next_line()? != Some(0) {
        return None;
    }
    let root = scan.mapping(0)?;
    scan.here().is_none().then_some(root)
}

impl Scan<'_> {
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
    fn value(&mut self, indent: usize) -> Option<(Node, Option<usize>)> {
        self.blanks();
        if matches!(self.peek(), None | Some(b'\n' | b'#')) {
            let next = self.following()?;
            // A list may stand as far left as its key.
            return match next? {
                at if at > indent => self.block(at),
                at if at == indent && self.is_item() => {
                    let (list, next) = self.list(at)?;
                    let place = first_place(&list)?;
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
    fn block(&mut self, indent: usize) -> Option<(Node, Option<usize>)> {
        if self.is_item() {
            return self.list(indent);
        }
        let mapping = self.mapping(indent)?;
        Some((mapping, self.here()))
    }

    /// A list whose `-` stand in this column.
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

    fn scalar(&mut self, around: Around) -> Option<Node> {
        let Word { place, text, plain } = self.word(around)?;
        self.count(1)?;
        Some(node(place, Kind::Scalar(Scalar { text: text.to_owned(), written: None, plain })))
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
        // Where the first item is in another line, it has another rule.
        Kind::Sequence(items) => items.first().map(|item| item.place).filter(|first| first.line == list.place.line),
        _ => None,
    }
}

fn node(place: Place, kind: Kind) -> Node {
    Node { place, owner: place, kind }
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
