//! YAML text as a tree that knows its places.
//!
//! A configuration needs less than YAML has: scalars, lists and mappings, in one document. Deliberately absent: anchors
//! and aliases (so there are no alias bombs), merge keys, tags, keys that are no scalars, and any guess at types: a
//! scalar is text until somebody asks for something else. Serde is not used because it stops at the first fault.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span};

use super::fault::{FaultLog, Place, brief};

mod usual;

/// The longest file, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// The most scalars, lists and mappings together.
const MAX_NODES: usize = 4_000_000;
/// How deep lists and mappings may lie in each other.
const MAX_DEPTH: usize = 32;

/// How much of a value a message shows, in characters.
const MAX_SHOWN: usize = 120;

/// The beginning of a file.
pub(super) const START: Place = Place { line: 1, column: 1 };

/// A value and where it stands.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    /// Where the value begins.
    pub(super) place: Place,
    /// Where the key stands that holds the value; the value's own place if there is none.
    pub(super) owner: Place,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Mapping),
    /// Something whose fault has been told already.
    Broken,
}

/// The entries of a mapping, in the order of the file.
#[derive(Debug, PartialEq)]
pub(super) struct Mapping {
    pub(super) entries: Vec<(Key, Node)>,
    /// Whether nothing was left out; what was left out has its fault.
    pub(super) whole: bool,
}

/// One piece of text.
#[derive(Debug, PartialEq)]
pub(super) struct Scalar {
    /// What it says, with everything that was interpolated.
    pub(super) text: String,
    /// What the file says, if something was interpolated: this is what a message may show.
    pub(super) written: Option<String>,
    /// Whether it stands without quotes, so that `null` means nothing.
    pub(super) plain: bool,
}

impl Scalar {
    /// What a message may show.
    pub(super) fn shown(&self) -> Cow<'_, str> {
        brief(self.written.as_deref().unwrap_or(&self.text), MAX_SHOWN)
    }

    /// Whether there is nothing: no text, `~` or `null`, without quotes.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// The key of an entry.
#[derive(Debug, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Key {
    /// What a message may show.
    pub(super) fn shown(&self) -> Cow<'_, str> {
        brief(&self.text, MAX_SHOWN)
    }
}

/// Reads the one document of a file; nothing if there is none that can be worked with.
pub(super) fn parse(text: &str, log: &mut FaultLog) -> Option<Node> {
    if text.len() > MAX_BYTES {
        log.syntax(START, "the file is longer than 64 MiB", "a configuration is shorter; is this the right file?");
        return None;
    }
    if let Some(root) = usual::read(text) {
        return Some(root);
    }
    parse_whole(text, log)
}

/// The same by the parser that knows all of YAML, which tells every fault.
fn parse_whole(text: &str, log: &mut FaultLog) -> Option<Node> {
    // Directives only serve tags, and an unknown anchor is told together with all others.
    let options: Options = granit_parser::options! { emit_unresolved_aliases: true, disallow_directives: true };
    let events = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder { log, open: Vec::new(), root: None, documents: 0, nodes: 0 };
    for event in events {
        let told = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => builder.refuse(&error, text),
        };
        if let Err(Stop) = told {
            return None;
        }
    }
    match builder.root {
        Some(root) => Some(root),
        None => {
            log.syntax(START, "the file says nothing", "a configuration has at least `listen` and `resources`");
            None
        }
    }
}

/// What follows cannot be made sense of; the fault has been told.
struct Stop;

struct Builder<'l> {
    log: &'l mut FaultLog,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    place: Place,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Key, Node)>,
        /// The keys of the entries, and their lines.
        lines: HashMap<String, usize>,
        /// Whether every entry so far is among them.
        whole: bool,
        /// A key whose value has not come yet; without text if it is none that can be used.
        key: Option<(Option<String>, Place)>,
    },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Stop> {
        let place = place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(span, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), written: None, plain };
                self.add(place, Kind::Scalar(scalar))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_properties(span, anchor, tag.is_some());
                self.enter(place, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_properties(span, anchor, tag.is_some());
                self.enter(
                    place,
                    Content::Mapping { entries: Vec::new(), lines: HashMap::new(), whole: true, key: None },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.log.syntax(
                    place,
                    "anchors and aliases are not supported",
                    "write the value out, or put what all resources share under `defaults`",
                );
                self.add(place, Kind::Broken)
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 1 {
                    return Ok(());
                }
                self.log.syntax(place, "a second document begins here", "one file holds one configuration");
                Err(Stop)
            }
            // The rest is presentation: the ends of documents, and whatever a later version of the crate tells.
            _ => Ok(()),
        }
    }

    fn check_properties(&mut self, span: &Span, anchor: usize, tagged: bool) {
        let place = place(span);
        if anchor != 0 {
            self.log.syntax(
                place,
                "anchors and aliases are not supported",
                "write the value out, or put what all resources share under `defaults`",
            );
        }
        if tagged {
            let place = span.tag_start.map_or(place, |start| mark(&start));
            self.log.syntax(place, "tags are not supported", "write the value without its `!…`");
        }
    }

    fn enter(&mut self, place: Place, content: Content) -> Result<(), Stop> {
        if self.open.len() == MAX_DEPTH {
            let message = format!("lists and mappings lie more than {MAX_DEPTH} deep in each other");
            self.log.syntax(place, message, "no configuration needs that");
            return Err(Stop);
        }
        self.open.push(Open { place, content });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Stop> {
        let Some(Open { place, content, .. }) = self.open.pop() else {
            return Ok(());
        };
        let kind = match content {
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping { entries, whole, .. } => Kind::Mapping(Mapping { entries, whole }),
        };
        self.add(place, kind)
    }

    /// The place of the key that waits for its value.
    fn owner(&self) -> Option<Place> {
        match &self.open.last()?.content {
            Content::Mapping { key: Some((_, place)), .. } => Some(*place),
            _ => None,
        }
    }

    fn add(&mut self, place: Place, kind: Kind) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.log.syntax(
                place,
                format!("the file holds more than {MAX_NODES} values"),
                "no configuration needs that",
            );
            return Err(Stop);
        }
        let owner = self.owner().unwrap_or(place);
        let node = Node { place, owner, kind };
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, lines, whole, key }) => match key.take() {
                None => *key = Some((usable_key(node, self.log), place)),
                Some((None, _)) => *whole = false,
                Some((Some(text), place)) => {
                    if let Some(line) = lines.get(&text) {
                        let message = format!("the key `{}` is repeated", brief(&text, MAX_SHOWN));
                        self.log.syntax(place, message, format!("it stands in line {line} already; keep one of them"));
                    } else {
                        lines.insert(text.clone(), place.line);
                        entries.push((Key { text, place }, node));
                    }
                }
            },
        }
        Ok(())
    }

    /// Tells an error of syntax. What came before is not looked at: half a file says little about the whole one.
    fn refuse(&mut self, error: &ScanError, text: &str) -> Result<(), Stop> {
        let place = mark(error.marker());
        let line = text.lines().nth(place.line - 1).unwrap_or_default();
        let hint = if line.contains("${") {
            "inside `{ }` and `[ ]`, `\"${NAME}\"` stands in quotes"
        } else if line.trim_start_matches(' ').starts_with('\t') {
            "indent with spaces"
        } else {
            "look at the indentation, the quotes and the brackets here and just above"
        };
        self.log.syntax(place, format!("this is not YAML: {}", error.info()), hint);
        Err(Stop)
    }
}

fn usable_key(node: Node, log: &mut FaultLog) -> Option<String> {
    let place = node.place;
    match node.kind {
        Kind::Scalar(scalar) if scalar.plain && scalar.text == "<<" => {
            log.syntax(place, "merge keys are not supported", "put what all resources share under `defaults`");
            None
        }
        Kind::Scalar(scalar) if scalar.text.contains("${") => {
            log.syntax(place, "`${…}` cannot stand in a key", "only values are interpolated; write the key out");
            None
        }
        Kind::Scalar(scalar) => Some(scalar.text),
        Kind::Sequence(_) | Kind::Mapping(_) => {
            log.syntax(
                place,
                "a list or mapping cannot be a key",
                "a key is a single word, in quotes where it must be",
            );
            None
        }
        Kind::Broken => None,
    }
}

fn place(span: &Span) -> Place {
    mark(&span.start)
}

/// The parser counts lines from 1 and columns from 0.
fn mark(marker: &Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut log = FaultLog::new(Path::new("gateway.yaml"), text);
        let root = parse(text, &mut log);
        let faults = log.finish().map_or_else(|faults| faults.0, |_| Vec::new());
        (root, faults.into_iter().map(|fault| fault.message).collect())
    }

    #[test]
    fn every_value_knows_its_place_and_its_keys() {
        let (root, faults) = read("a:\n  - \u{e9}: 1\n    b: [x, 'y']\n");
        assert!(faults.is_empty());
        let Some(Node { kind: Kind::Mapping(root), .. }) = root else { panic!("a mapping") };
        let (key, list) = &root.entries[0];
        assert_eq!((key.text.as_str(), key.place), ("a", Place { line: 1, column: 1 }));
        assert_eq!((list.place, list.owner), (Place { line: 2, column: 3 }, key.place));
        let Kind::Sequence(items) = &list.kind else { panic!("a list") };
        let Kind::Mapping(item) = &items[0].kind else { panic!("a mapping") };
        assert_eq!(item.entries[0].1.place, Place { line: 2, column: 8 });
        let Kind::Sequence(words) = &item.entries[1].1.kind else { panic!("a list") };
        let places: Vec<_> = words.iter().map(|word| (word.place.line, word.place.column)).collect();
        assert_eq!(places, [(3, 9), (3, 12)]);
    }

    #[test]
    fn nothing_is_nothing_only_without_quotes() {
        let (root, _) = read("[~, null, '', \"null\", x]");
        let Some(Node { kind: Kind::Sequence(items), .. }) = root else { panic!("a list") };
        let nulls = items.iter().map(|item| matches!(&item.kind, Kind::Scalar(scalar) if scalar.is_null()));
        assert_eq!(nulls.collect::<Vec<_>>(), [true, true, false, false, false]);
    }

    #[test]
    fn an_entry_that_was_left_out_is_remembered() {
        let (root, faults) = read("\"${A}\": 1\n");
        assert_eq!(faults, ["`${…}` cannot stand in a key"]);
        assert!(matches!(root, Some(Node { kind: Kind::Mapping(Mapping { whole: false, .. }), .. })));
    }

    #[test]
    fn repeated_keys_are_all_told() {
        let (_, faults) = read("a: 1\na: 2\nb: { c: 1, c: 2, c: 3 }\n");
        assert_eq!(faults, ["the key `a` is repeated", "the key `c` is repeated", "the key `c` is repeated"]);
    }
}
