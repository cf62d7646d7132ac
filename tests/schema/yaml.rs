//! YAML as an editor's validator sees it: with the types of YAML 1.2's core schema.
//!
//! The loader reads every value as text. Whoever checks a file by a schema does not, so what stands without quotes
//! arrives as a number, a switch or nothing.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// A list or mapping whose end has not come yet; the key of a mapping waits for its value.
enum Open {
    List(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

/// The one document of a file, or nothing if it is no YAML, or more of YAML than a configuration may use.
pub fn read(text: &str) -> Option<Value> {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let value = match event.ok()?.0 {
            Event::Scalar(text, style, 0, None) => scalar(&text, style),
            Event::SequenceStart(_, 0, None) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(_, 0, None) => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::List(items) => Value::Array(items),
                Open::Mapping(entries, _) => Value::Object(entries),
            },
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => return None,
            _ => continue,
        };
        match open.last_mut() {
            None if root.is_some() => return None,
            None => root = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Mapping(entries, key)) => match key.take() {
                None => *key = Some(as_key(value)?),
                // What stands twice is an error of YAML itself.
                Some(key) => entries.insert(key, value).map_or(Some(()), |_| None)?,
            },
        }
    }
    root
}

fn as_key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit());
    match text {
        _ if style != ScalarStyle::Plain => text.into(),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ if number => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => whole.into(),
            (_, Ok(fraction)) => fraction.into(),
            _ => text.into(),
        },
        _ => text.into(),
    }
}

#[test]
fn what_stands_without_quotes_has_a_type() {
    let read = |text| read(text).unwrap().to_string();
    assert_eq!(read("[a, 1, 1.5, true, ~, '1', -2, 10.0.0.1]"), r#"["a",1,1.5,true,null,"1",-2,"10.0.0.1"]"#);
    assert_eq!(read("{ a: , 'b': [] }"), r#"{"a":null,"b":[]}"#);
}

#[test]
fn what_no_editor_takes_is_nothing() {
    for text in ["a: 1\na: 2", "a: &x 1", "a: !t 1", "a: [", "--- 1\n--- 2", "[a]: 1"] {
        assert_eq!(read(text), None, "{text}");
    }
}
