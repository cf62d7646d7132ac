//! One JSON value in a token or in what is otherwise known of a user: looked at, not owned.
//!
//! Tokens keep their claims in a [`super::ClaimsSet`], logins and configured users in a map of [`serde_json`]. Whoever
//! reads a claim sees the same of both, so that a rule about claims stands once.

use serde::Serialize;
use serde_json::{Map, Value};

use super::ClaimsSet;
use super::claims_set::Tape;

/// A JSON value.
#[derive(Clone, Copy, Debug)]
pub enum ClaimValue<'a> {
    /// `null`, which is not the same as nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Signed(i64),
    /// Every other number.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// An array.
    Array(ClaimArray<'a>),
    /// An object.
    Object(ClaimObject<'a>),
}

/// The elements of a JSON array.
#[derive(Clone, Copy, Debug)]
pub struct ClaimArray<'a>(Elements<'a>);

/// The members of a JSON object.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClaimObject<'a>(Members<'a>);

#[derive(Clone, Copy)]
struct Kept<'a> {
    tape: Tape<'a>,
    first: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
enum Elements<'a> {
    Kept(Kept<'a>),
    Values(&'a [Value]),
}

#[derive(Clone, Copy, Debug, Default)]
enum Members<'a> {
    #[default]
    None,
    Kept(Kept<'a>),
    Map(&'a Map<String, Value>),
}

impl<'a> ClaimValue<'a> {
    /// The string that it is.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number that it is, if it is not negative.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    /// The number that it is.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(number as f64),
            Self::Signed(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The array that it is.
    pub fn as_array(self) -> Option<ClaimArray<'a>> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The object that it is.
    pub fn as_object(self) -> Option<ClaimObject<'a>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether it is text, number or truth and JSON prints it like this, a string without its quotes.
    pub fn reads(self, printed: &str) -> bool {
        match self {
            Self::Text(text) => text == printed,
            Self::Bool(truth) => printed == if truth { "true" } else { "false" },
            Self::Unsigned(number) => prints(number, printed),
            Self::Signed(number) => prints(number, printed),
            Self::Float(number) => prints(number, printed),
            Self::Null | Self::Array(_) | Self::Object(_) => false,
        }
    }

    /// The same as a value of its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => truth.into(),
            Self::Unsigned(number) => number.into(),
            Self::Signed(number) => number.into(),
            Self::Float(number) => number.into(),
            Self::Text(text) => text.into(),
            Self::Array(elements) => elements.iter().map(Self::to_value).collect(),
            Self::Object(members) => Value::Object(members.to_map()),
        }
    }
}

impl<'a> ClaimArray<'a> {
    pub(super) fn kept(tape: Tape<'a>, first: u32, end: u32) -> Self {
        Self(Elements::Kept(Kept { tape, first, end }))
    }

    /// The elements, in their order.
    pub fn iter(self) -> impl Iterator<Item = ClaimValue<'a>> + Clone {
        let (kept, values) = match self.0 {
            Elements::Kept(Kept { tape, first, end }) => {
                let places = std::iter::successors(Some(first), move |at| Some(tape.behind(*at)));
                (Some(places.take_while(move |at| *at < end).map(move |at| tape.value(at))), None)
            }
            Elements::Values(values) => (None, Some(values.iter().map(ClaimValue::from))),
        };
        kept.into_iter().flatten().chain(values.into_iter().flatten())
    }
}

impl<'a> ClaimObject<'a> {
    pub(super) fn kept(tape: Tape<'a>, first: u32, end: u32) -> Self {
        Self(Members::Kept(Kept { tape, first, end }))
    }

    /// The member of this name.
    pub fn get(self, name: &str) -> Option<ClaimValue<'a>> {
        match self.0 {
            Members::None => None,
            Members::Kept(Kept { tape, first, end }) => tape.find(first, end, name).map(|at| tape.value(at)),
            Members::Map(members) => members.get(name).map(ClaimValue::from),
        }
    }

    /// Every member, in the order in which it was written.
    pub fn members(self) -> impl Iterator<Item = (&'a str, ClaimValue<'a>)> + Clone {
        let (kept, map) = match self.0 {
            Members::None => (None, None),
            Members::Kept(Kept { tape, first, end }) => {
                let places = std::iter::successors(Some(first), move |at| Some(tape.behind(at + 1)));
                let member = move |at| (tape.name(at), tape.value(at + 1));
                (Some(places.take_while(move |at| *at < end).map(member)), None)
            }
            Members::Map(members) => {
                (None, Some(members.iter().map(|(name, value)| (name.as_str(), ClaimValue::from(value)))))
            }
        };
        kept.into_iter().flatten().chain(map.into_iter().flatten())
    }

    /// The same as a map of values of their own.
    pub fn to_map(self) -> Map<String, Value> {
        self.members().map(|(name, value)| (name.to_owned(), value.to_value())).collect()
    }
}

/// Whether JSON writes a number so; it needs no memory for that.
fn prints(number: impl Serialize, printed: &str) -> bool {
    // The longest number of 64 bits has 24 characters.
    let mut digits = [0; 32];
    let mut unwritten = &mut digits[..];
    let written = serde_json::to_writer(&mut unwritten, &number);
    let left = unwritten.len();
    written.is_ok() && digits[..digits.len() - left] == *printed.as_bytes()
}

impl<'a> From<&'a Value> for ClaimValue<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Self::Unsigned(number),
                (None, Some(number)) => Self::Signed(number),
                // Every other number is a floating one.
                (None, None) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Text(text),
            Value::Array(elements) => Self::Array(ClaimArray(Elements::Values(elements))),
            Value::Object(members) => Self::Object(members.into()),
        }
    }
}

impl<'a> From<&'a Map<String, Value>> for ClaimObject<'a> {
    fn from(members: &'a Map<String, Value>) -> Self {
        Self(Members::Map(members))
    }
}

impl<'a> From<&'a ClaimsSet> for ClaimObject<'a> {
    fn from(claims: &'a ClaimsSet) -> Self {
        claims.as_object()
    }
}

impl std::fmt::Debug for Kept<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Kept").field("first", &self.first).field("end", &self.end).finish_non_exhaustive()
    }
}
