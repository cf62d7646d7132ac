//! JSON objects with one reading: unique member names at every level, bounded depth (RFC 8259 §4, RFC 7519 §4).
//!
//! `serde_json` keeps the last of two equal names. Another parser may keep the first, and then the two disagree about
//! what was signed; so both are refused. It reads the text here all the same, value by value, and what it reads is put in
//! order on the stack: who has to know more than that copies it, see [`super::ClaimsSet`].

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::claims_set::{Node, Tape};

/// How deep a document may be nested; delegation chains and provider claims stay far below.
pub(super) const MAX_DEPTH: usize = 16;

/// Up to so many names of an object are compared one with another; more are sorted first, or a long token would take a
/// time that grows with the square of its length.
const FEW_NAMES: usize = 24;

/// Why a text is no object with one reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotStrictObject;

impl NotStrictObject {
    /// What to say when a header is at fault.
    pub fn in_header(self) -> &'static str {
        "the header is not a JSON object with unique members"
    }

    /// What to say when the claims are at fault.
    pub fn in_claims(self) -> &'static str {
        "the payload is not a JSON object with unique members"
    }
}

/// Reads an object.
///
/// # Errors
///
/// [`NotStrictObject`] for anything that is no JSON object, repeats a name, or is nested too deeply.
pub fn parse_object(json: &[u8]) -> Result<Map<String, Value>, NotStrictObject> {
    Ok(Draft::default().read(json)?.root().to_map())
}

/// What was read so far; on the stack for all but the longest tokens.
#[derive(Debug, Default)]
pub(super) struct Draft {
    texts: SmallVec<[u8; 1024]>,
    nodes: SmallVec<[Node; 64]>,
}

impl Draft {
    /// Reads an object. A draft is filled where it is, because it is long, and once.
    pub(super) fn read(&mut self, json: &[u8]) -> Result<Tape<'_>, NotStrictObject> {
        // A place is 32 bits wide, and nothing takes more places than bytes.
        if u32::try_from(json.len()).is_err() {
            return Err(NotStrictObject);
        }
        let json = std::str::from_utf8(json).map_err(|_| NotStrictObject)?;
        let mut deserializer = serde_json::Deserializer::from_str(json);
        Strict { draft: self, depth: 0 }.deserialize(&mut deserializer).map_err(|_| NotStrictObject)?;
        deserializer.end().map_err(|_| NotStrictObject)?;
        let texts = std::str::from_utf8(&self.texts).map_err(|_| NotStrictObject)?;
        match self.nodes.first() {
            Some(Node::Object { .. }) => Ok(Tape { texts, nodes: &self.nodes }),
            _ => Err(NotStrictObject),
        }
    }

    fn here(&self) -> u32 {
        // Bounded by the length of the text, see `read`.
        self.nodes.len() as u32
    }

    fn push_text(&mut self, text: &str) {
        let start = self.texts.len() as u32;
        self.texts.extend_from_slice(text.as_bytes());
        self.nodes.push(Node::Text { start, end: self.texts.len() as u32 });
    }

    /// Whether no two members of the object whose first member is here, the last one in the text so far, have one name.
    fn has_unique_names(&self, first: u32) -> bool {
        let mut names: SmallVec<[(u32, &[u8]); FEW_NAMES]> = SmallVec::new();
        let mut at = first as usize;
        while let Some(Node::Text { start, end }) = self.nodes.get(at) {
            let name = &self.texts[*start as usize..*end as usize];
            // Length and both ends tell most names apart, in one compare.
            let ends = [name.first(), name.last()].map(|byte| byte.copied().unwrap_or_default());
            names.push((u32::from_le_bytes([ends[0], ends[1], name.len() as u8, (name.len() >> 8) as u8]), name));
            at = match self.nodes.get(at + 1) {
                Some(Node::Array { end } | Node::Object { end }) => *end as usize,
                _ => at + 2,
            };
        }
        if names.len() <= FEW_NAMES {
            return (1..names.len()).all(|at| names[..at].iter().all(|earlier| *earlier != names[at]));
        }
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// Reads one value, whatever it is, behind what was read before.
struct Strict<'d> {
    draft: &'d mut Draft,
    depth: usize,
}

impl Strict<'_> {
    /// Leaves room for an array or an object, whose end is not known yet.
    fn open<E: Error>(&mut self) -> Result<u32, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        let at = self.draft.here();
        self.draft.nodes.push(Node::Null);
        Ok(at)
    }

    fn inner(&mut self) -> Strict<'_> {
        Strict { draft: self.draft, depth: self.depth + 1 }
    }

    fn push<E>(self, node: Node) -> Result<(), E> {
        self.draft.nodes.push(node);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON with unique member names")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.push(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.push(Node::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.push(u64::try_from(value).map_or(Node::Signed(value), Node::Unsigned))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.push(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.draft.push_text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let at = self.open()?;
        while elements.next_element_seed(self.inner())?.is_some() {}
        self.draft.nodes[at as usize] = Node::Array { end: self.draft.here() };
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let at = self.open()?;
        while members.next_key_seed(Name(self.draft))?.is_some() {
            members.next_value_seed(self.inner())?;
        }
        self.draft.nodes[at as usize] = Node::Object { end: self.draft.here() };
        match self.draft.has_unique_names(at + 1) {
            true => Ok(()),
            false => Err(Error::custom("a member name occurs twice")),
        }
    }
}

/// Reads the name of a member.
struct Name<'d>(&'d mut Draft);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.0.push_text(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
