use proptest::prelude::*;

use super::*;
use crate::token::ClaimsSet;

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

#[test]
fn many_names_are_as_unique_as_few() {
    let object = |names: &mut dyn Iterator<Item = usize>| {
        let members: Vec<String> = names.map(|name| format!("\"m{name}\":{{\"m{name}\":[]}}")).collect();
        format!("{{{}}}", members.join(","))
    };
    for count in [2, FEW_NAMES, FEW_NAMES + 1, 1000] {
        let unique = object(&mut (0..count));
        assert_eq!(parse_object(unique.as_bytes()).unwrap().len(), count);
        let repeated = object(&mut (0..count).chain([count / 2]));
        assert_eq!(parse_object(repeated.as_bytes()), Err(NotStrictObject), "{count}");
    }
}

/// JSON as anybody may write it: names that repeat, escapes, nesting, numbers of every kind.
fn any_json() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[a-c]{0,2}", Just("\\u0061".to_owned()), Just("\\\"\\n\u{e9}".to_owned())];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        text.clone().prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let member = (text.clone(), inner.clone()).prop_map(|(name, value)| format!(" \"{name}\" : {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(", "))),
        ]
    })
}

/// What the plainest way reads that serde has: a map for every object, in which no name is put twice.
fn model(json: &str) -> Option<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = Model { depth: 0 }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Model {
    depth: usize,
}

impl Model {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth < MAX_DEPTH {
            true => Ok(Self { depth: self.depth + 1 }),
            false => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Model {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Model {
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

proptest! {
    #[test]
    fn what_is_kept_is_what_the_plainest_way_reads(json in any_json()) {
        let kept = ClaimsSet::parse(json.as_bytes()).map(|claims| claims.to_map());
        prop_assert_eq!(kept.ok(), model(&json));
    }
}
