//! Reading claims where the configuration says they are, with the JSON type they must have.
//!
//! A claim of the wrong type is never "absent": that is how an expiry written as a string once let tokens live for ever
//! (CVE-2026-25537).

use serde_json::{Map, Value};

use crate::config::{ClaimPath, Requirement};

/// A claim is there, but has no form that it may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClaimForm;

/// Words in a claim: scopes, roles, permissions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Words(Box<[Box<str>]>);

/// The value at `path`; a pointer's steps go through objects only.
pub fn claim<'c>(claims: &'c Map<String, Value>, path: &ClaimPath) -> Option<&'c Value> {
    let (first, rest) = path.steps.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, step| value.as_object()?.get(step))
}

/// Whether the claims have one that is required, with one of its values; of an array, one member is enough.
pub fn has(claims: &Map<String, Value>, requirement: &Requirement) -> bool {
    let is_allowed = |value: &Value| match value {
        Value::String(text) => requirement.values.iter().any(|allowed| allowed == text),
        Value::Number(_) | Value::Bool(_) => requirement.values.contains(&value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    match claim(claims, &requirement.claim) {
        None => false,
        Some(Value::Array(members)) => members.iter().any(is_allowed),
        Some(value) => is_allowed(value),
    }
}

/// The text at the first of `paths` that is present; a number counts as its digits, because some providers write
/// their subjects so.
///
/// # Errors
///
/// [`ClaimForm`] if what is there is neither, or is empty.
pub fn text_at(claims: &Map<String, Value>, paths: &[ClaimPath]) -> Result<Option<Box<str>>, ClaimForm> {
    match paths.iter().find_map(|path| claim(claims, path)) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str().into())),
        Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string().into())),
        Some(_) => Err(ClaimForm),
    }
}

/// The words at the first of `paths` that is present: those of a string, the members of an array of strings, or the
/// member names of an object. Nothing is present: nothing is returned, which is not the same as no words.
///
/// # Errors
///
/// [`ClaimForm`] for everything else.
pub fn words_at(claims: &Map<String, Value>, paths: &[ClaimPath]) -> Result<Option<Words>, ClaimForm> {
    let words = match paths.iter().find_map(|path| claim(claims, path)) {
        None => return Ok(None),
        Some(Value::String(text)) => text.split(' ').filter(|word| !word.is_empty()).map(Into::into).collect(),
        Some(Value::Array(members)) => {
            members.iter().map(|member| member.as_str().map(Into::into).ok_or(ClaimForm)).collect::<Result<_, _>>()?
        }
        Some(Value::Object(members)) => members.keys().map(|name| name.as_str().into()).collect(),
        Some(_) => return Err(ClaimForm),
    };
    Ok(Some(Words(words)))
}

impl Words {
    /// The words, in the token's order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|word| &**word)
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// About how much memory the words take, in bytes.
    pub fn weight(&self) -> usize {
        self.0.iter().map(|word| word.len() + size_of::<Box<str>>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(steps: &[&str]) -> ClaimPath {
        ClaimPath { text: steps.join("/"), steps: steps.iter().map(ToString::to_string).collect() }
    }

    fn words(claims: Value, paths: &[&[&str]]) -> Result<Option<Vec<String>>, ClaimForm> {
        let paths: Vec<_> = paths.iter().map(|steps| path(steps)).collect();
        let found = words_at(claims.as_object().unwrap(), &paths)?;
        Ok(found.map(|words| words.iter().map(str::to_owned).collect()))
    }

    #[test]
    fn scopes_come_in_three_forms() {
        let expected = Ok(Some(vec!["read".to_owned(), "write".to_owned()]));
        assert_eq!(words(json!({"scope": "read  write "}), &[&["scope"]]), expected);
        assert_eq!(words(json!({"scp": ["read", "write"]}), &[&["scope"], &["scp"]]), expected);
        assert_eq!(words(json!({"a": {"b": {"read": 1, "write": {}}}}), &[&["a", "b"]]), expected);
    }

    #[test]
    fn the_first_present_claim_counts_and_absent_is_not_empty() {
        assert_eq!(words(json!({"scope": "", "scp": "read"}), &[&["scope"], &["scp"]]), Ok(Some(vec![])));
        assert_eq!(words(json!({}), &[&["scope"]]), Ok(None));
    }

    #[test]
    fn a_wrong_type_is_a_fault_not_an_absence() {
        for value in [json!(null), json!(7), json!(true), json!(["read", 7]), json!([["read"]])] {
            assert_eq!(
                words(json!({"scope": value, "scp": "read"}), &[&["scope"], &["scp"]]),
                Err(ClaimForm),
                "{value}"
            );
        }
        for value in [json!(null), json!(""), json!([]), json!({}), json!(-1), json!(1.5)] {
            assert_eq!(
                text_at(json!({"sub": value}).as_object().unwrap(), &[path(&["sub"])]),
                Err(ClaimForm),
                "{value}"
            );
        }
    }
}
