//! Taking values out of the tree, key by key, without stopping at the first fault.
//!
//! A reader that is asked for something the file does not say right records why and gives nothing; the caller goes on
//! with the rest. A section asks its [`Section`] for every key it knows, and what nobody asked for is an unknown key.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::fault::{FaultKind, FaultLog, Place};
use super::files::FilesRead;
use super::nearest;
use super::yaml::{Key, Kind, Node, Scalar};
use crate::secret::Secret;

/// The most items of one list; comparing each with each is still quick.
const MAX_ITEMS: usize = 20_000;
/// The most entries of one mapping.
const MAX_ENTRIES: usize = 200_000;

/// What all sections share while a file is read.
pub(super) struct Reader {
    pub(super) log: FaultLog,
    /// What relative paths are relative to.
    folder: PathBuf,
    /// Every file that was read.
    files: FilesRead,
    /// What came out of interpolation: no hint may show it.
    interpolated: BTreeSet<String>,
}

impl Reader {
    pub(super) fn new(path: &Path, log: FaultLog, files: FilesRead) -> Self {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Self { log, folder, files, interpolated: BTreeSet::new() }
    }

    /// Reads a file that the configuration names; on failure says what is wrong with it, as the end of a sentence.
    pub(super) fn read_file(&mut self, path: &str, at_most: u64) -> Result<Vec<u8>, String> {
        self.files.read(&self.resolve(path), at_most)
    }

    /// A path as the configuration writes it, from the folder of the configuration.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn note_interpolated(&mut self, text: &str) {
        self.interpolated.insert(text.to_owned());
    }

    /// A text that a message is about to show, unless it came out of interpolation.
    pub(super) fn public<'t>(&self, text: &'t str) -> &'t str {
        if self.interpolated.contains(text) { "${…}" } else { text }
    }

    /// `did you mean …`, or the words that there are.
    pub(super) fn suggest<'w>(&self, word: &str, known: impl IntoIterator<Item = &'w str>) -> String {
        let known: Vec<&str> = known.into_iter().filter(|word| !self.interpolated.contains(*word)).collect();
        match nearest::of(word, &known) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => one_of(&known),
        }
    }

    /// The faults found so far, and the files that were read.
    pub(super) fn into_parts(self) -> (FaultLog, FilesRead) {
        (self.log, self.files)
    }

    /// A mapping; nothing at all stands for one without entries.
    pub(super) fn section<'n>(&mut self, node: &'n Node, title: impl Into<String>) -> Option<Section<'n>> {
        let (entries, whole): (&[(Key, Node)], bool) = match &node.kind {
            Kind::Mapping(mapping) => (&mapping.entries, mapping.whole),
            Kind::Scalar(scalar) if scalar.is_null() => (&[], true),
            _ => {
                self.unexpected(node, "a mapping", "write `key: value` lines below it, or `{ key: value }`");
                return None;
            }
        };
        if entries.len() > MAX_ENTRIES {
            self.too_many(node, MAX_ENTRIES);
            return None;
        }
        Some(Section { title: title.into(), place: node.owner, entries, whole, asked: Vec::new(), refused: Vec::new() })
    }

    /// The items of a list, each read by `read`; those with faults are left out.
    pub(super) fn list<'n, T>(
        &mut self,
        node: &'n Node,
        mut read: impl FnMut(&mut Self, &'n Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        match &node.kind {
            Kind::Sequence(items) if items.len() > MAX_ITEMS => {
                self.too_many(node, MAX_ITEMS);
                None
            }
            Kind::Sequence(items) => Some(items.iter().filter_map(|item| read(self, item)).collect()),
            _ => {
                self.unexpected(node, "a list", "write `[one, two]`, or a `- ` line for each; `[]` is none");
                None
            }
        }
    }

    /// A list, or a single item where a list of one is meant.
    pub(super) fn one_or_many<'n, T>(
        &mut self,
        node: &'n Node,
        mut read: impl FnMut(&mut Self, &'n Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        match &node.kind {
            Kind::Sequence(_) => self.list(node, read),
            _ => read(self, node).map(|only| vec![only]),
        }
    }

    /// A piece of text.
    pub(super) fn scalar<'n>(&mut self, node: &'n Node) -> Option<&'n Scalar> {
        match &node.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => Some(scalar),
            _ => {
                self.unexpected(node, "a single value", "write one word or text, in quotes where it must be");
                None
            }
        }
    }

    /// A piece of text that is not empty.
    pub(super) fn string(&mut self, node: &Node) -> Option<String> {
        let scalar = self.scalar(node)?;
        if scalar.text.is_empty() {
            self.log.error(node.place, "the value is empty", "give it a value, or leave the key out");
            return None;
        }
        Some(scalar.text.clone())
    }

    /// A value that nobody may see.
    pub(super) fn secret(&mut self, node: &Node) -> Option<Secret> {
        self.string(node).map(Secret::new)
    }

    /// The content of the file whose path stands here.
    pub(super) fn file(&mut self, node: &Node, at_most: u64) -> Option<Vec<u8>> {
        let path = self.string(node)?;
        match self.read_file(&path, at_most) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                let message = format!("the file `{}` {why}", self.scalar(node)?.shown());
                self.log.error(node.place, message, "a path is relative to the folder of the configuration");
                None
            }
        }
    }

    fn too_many(&mut self, node: &Node, most: usize) {
        let message = format!("there are more than {most} entries here");
        self.log.error(node.owner, message, "no configuration needs that");
    }

    /// Something else stands here than what belongs here.
    pub(super) fn unexpected(&mut self, node: &Node, expected: &str, hint: &str) {
        let found = match &node.kind {
            Kind::Broken => return self.log.already_told(),
            Kind::Scalar(scalar) if scalar.is_null() => {
                let message = format!("nothing stands here, but {expected} belongs here");
                return self.log.error(node.owner, message, "give it a value, or leave the key out");
            }
            Kind::Scalar(_) => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        };
        self.log.error(node.place, format!("{found} stands here, but {expected} belongs here"), hint);
    }
}

/// The entries of one mapping, and which of them somebody asked for.
pub(super) struct Section<'n> {
    title: String,
    place: Place,
    entries: &'n [(Key, Node)],
    whole: bool,
    /// Some of them more than once.
    asked: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl<'n> Section<'n> {
    /// Where the section's own key stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        #[cfg(test)]
        super::schema::tests::note_asked(&self.title, key);
        self.asked.push(key);
        self.entries.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }

    /// What `read` makes of a key; nothing if the key is not there.
    pub(super) fn optional<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        read: impl FnOnce(&mut Reader, &'n Node) -> Option<T>,
    ) -> Option<T> {
        read(reader, self.get(key)?)
    }

    /// What `read` makes of a key that must be there.
    pub(super) fn required<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        hint: &str,
        read: impl FnOnce(&mut Reader, &'n Node) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(node) => read(reader, node),
            None => {
                let message = format!("{} has no `{key}`", self.title);
                reader.log.tell(FaultKind::MissingKey, self.place, message, hint);
                None
            }
        }
    }

    /// Refuses a key whose meaning is fixed but which does nothing yet.
    pub(super) fn not_yet(&mut self, reader: &mut Reader, key: &'static str, hint: &str) {
        self.refused.push(key);
        if let Some((known, _)) = self.entries.iter().find(|(known, _)| known.text == key) {
            reader.log.tell(FaultKind::NotSupportedYet, known.place, format!("`{key}` is not supported yet"), hint);
        }
    }

    /// Every entry, for a mapping whose keys are the operator's own.
    pub(super) fn entries(&self) -> &'n [(Key, Node)] {
        self.entries
    }

    /// Whether the file has no entries here at all.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.whole
    }

    /// Tells of every key that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader) {
        for (key, _) in self.entries {
            if !self.asked.contains(&key.text.as_str()) && !self.refused.contains(&key.text.as_str()) {
                let mut named = HashSet::new();
                let asked = self.asked.iter().copied().filter(|asked| named.insert(*asked));
                let hint = reader.suggest(&key.text, asked);
                let message = format!("{} knows no key `{}`", self.title, key.shown());
                reader.log.tell(FaultKind::UnknownKey, key.place, message, hint);
            }
        }
    }
}

/// The words that there are, for a hint.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "there is none".to_owned(),
        [only] => format!("there is only {only}"),
        [all @ .., last] => format!("there are {} and {last}", all.join(", ")),
    }
}
