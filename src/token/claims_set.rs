//! The claims of one token, kept small: all texts in a row, and a list of what stands where (RFC 7519 §4).
//!
//! A cache of a million tokens is a cache of a million of these, so each is two pieces of memory instead of one for every
//! name and value. What is read has one reading: see [`super::json`], which fills them. Deliberately absent: changing one.

use std::fmt;
use std::num::NonZeroU32;

use serde_json::{Map, Value};

use super::claim_value::{ClaimArray, ClaimObject, ClaimValue};
use super::json::{Draft, NotStrictObject};
use crate::config::ClaimPath;

/// A JWT claims set (RFC 7519 §4): a JSON object with unique member names at every level.
#[derive(Clone, PartialEq)]
pub struct ClaimsSet {
    texts: Box<str>,
    nodes: Box<[Node]>,
}

/// The place of one value in a [`ClaimsSet`]; at the first place is the set itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place(NonZeroU32);

/// One value, or the name of one; a member is its name and behind it its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// Where the text stands among all texts.
    Text {
        start: u32,
        end: u32,
    },
    /// The elements follow; behind the last one is this place.
    Array {
        end: u32,
    },
    /// The members follow; behind the last one is this place.
    Object {
        end: u32,
    },
}

/// Nodes and texts, wherever they are kept; the first node is an object.
#[derive(Clone, Copy)]
pub(super) struct Tape<'a> {
    pub(super) texts: &'a str,
    pub(super) nodes: &'a [Node],
}

impl ClaimsSet {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// [`NotStrictObject`] for anything that is no JSON object, repeats a name, or is nested too deeply.
    pub fn parse(json: &[u8]) -> Result<Self, NotStrictObject> {
        let mut draft = Draft::default();
        let Tape { texts, nodes } = draft.read(json)?;
        Ok(Self { texts: texts.into(), nodes: nodes.into() })
    }

    /// The claim of this name.
    pub fn get(&self, name: &str) -> Option<ClaimValue<'_>> {
        self.as_object().get(name)
    }

    /// Whether there is a claim of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All claims, as an object like those in them.
    pub fn as_object(&self) -> ClaimObject<'_> {
        self.tape().root()
    }

    /// The same as a map of values of their own, for whoever changes or passes on what was claimed.
    pub fn to_map(&self) -> Map<String, Value> {
        self.as_object().to_map()
    }

    /// How much memory it takes beside itself, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.texts.len() + size_of_val(&*self.nodes)
    }

    /// Where the value at `path` stands.
    pub(super) fn place(&self, path: &ClaimPath) -> Option<Place> {
        let (first, rest) = path.steps.split_first()?;
        let tape = self.tape();
        rest.iter().try_fold(tape.place(0, first)?, |at, step| tape.place(at, step)).and_then(Place::of)
    }

    /// Every claim's name, and where its value stands.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, Place)> {
        let tape = self.tape();
        let names = std::iter::successors(Some(1), move |at| Some(tape.behind(at + 1)));
        let end = tape.behind(0);
        let member = move |at| Some((tape.name(at), Place::of(at + 1)?));
        names.take_while(move |at| *at < end).filter_map(member)
    }

    /// The value at a place.
    pub(super) fn at(&self, place: Place) -> ClaimValue<'_> {
        self.tape().value(place.0.get())
    }

    fn tape(&self) -> Tape<'_> {
        Tape { texts: &self.texts, nodes: &self.nodes }
    }
}

impl Place {
    fn of(at: u32) -> Option<Self> {
        NonZeroU32::new(at).map(Self)
    }
}

impl fmt::Debug for ClaimsSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.as_object().members()).finish()
    }
}

impl<'a> Tape<'a> {
    pub(super) fn root(self) -> ClaimObject<'a> {
        self.value(0).as_object().unwrap_or_default()
    }

    pub(super) fn value(self, at: u32) -> ClaimValue<'a> {
        match self.node(at) {
            Node::Null => ClaimValue::Null,
            Node::Bool(truth) => ClaimValue::Bool(truth),
            Node::Unsigned(number) => ClaimValue::Unsigned(number),
            Node::Signed(number) => ClaimValue::Signed(number),
            Node::Float(number) => ClaimValue::Float(number),
            Node::Text { start, end } => ClaimValue::Text(self.text(start, end)),
            Node::Array { end } => ClaimValue::Array(ClaimArray::kept(self, at + 1, end)),
            Node::Object { end } => ClaimValue::Object(ClaimObject::kept(self, at + 1, end)),
        }
    }

    /// The place behind the value at this one.
    pub(super) fn behind(self, at: u32) -> u32 {
        match self.node(at) {
            Node::Array { end } | Node::Object { end } => end,
            _ => at + 1,
        }
    }

    /// The text at a place; nothing if something else stands there.
    pub(super) fn name(self, at: u32) -> &'a str {
        match self.node(at) {
            Node::Text { start, end } => self.text(start, end),
            _ => "",
        }
    }

    /// The place of a member's value among the nodes from `at` up to `end`.
    pub(super) fn find(self, mut at: u32, end: u32, name: &str) -> Option<u32> {
        let wanted = name.as_bytes();
        let texts = self.texts.as_bytes();
        while at < end {
            if let Node::Text { start, end } = self.node(at)
                && (end - start) as usize == wanted.len()
                && texts.get(start as usize..end as usize) == Some(wanted)
            {
                return Some(at + 1);
            }
            at = self.behind(at + 1);
        }
        None
    }

    fn place(self, object: u32, name: &str) -> Option<u32> {
        match self.node(object) {
            Node::Object { end } => self.find(object + 1, end, name),
            _ => None,
        }
    }

    // Whoever fills a tape writes no place that is not there; if one did, nothing would stand there.
    fn node(self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or(Node::Null)
    }

    fn text(self, start: u32, end: u32) -> &'a str {
        self.texts.get(start as usize..end as usize).unwrap_or_default()
    }
}
