//! JSON objects with one reading: unique member names at every level, bounded depth (RFC 8259 §4, RFC 7519 §4).
//!
//! `serde_json` keeps the last of two equal names. Another parser may keep the first, and then the two disagree about
//! what was signed; so both are refused.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep a document may be nested; delegation chains and provider claims stay far below.
pub(super) const MAX_DEPTH: usize = 16;

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
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).map_err(|_| NotStrictObject)?;
    deserializer.end().map_err(|_| NotStrictObject)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(NotStrictObject),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth < MAX_DEPTH {
            true => Ok(Self { depth: self.depth + 1 }),
            false => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON with unique member names")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a member name occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let json = br#"{"a":1,"b":[-2,3.5,null,true,"\u0041"],"c":{"a":{}}}"#;
        let expected: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(Value::Object(parse_object(json).unwrap()), expected);
    }

    #[test]
    fn refuses_second_readings() {
        for json in [
            "",
            "7",
            "[]",
            "{} {}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":1e400}"#,
        ] {
            assert_eq!(parse_object(json.as_bytes()), Err(NotStrictObject), "{json}");
        }
        assert_eq!(parse_object(b"{\"a\":\"\xff\"}"), Err(NotStrictObject));
        let deep = format!("{}1{}", "{\"a\":".repeat(17), "}".repeat(17));
        assert_eq!(parse_object(deep.as_bytes()), Err(NotStrictObject));
    }
}
