//! Reading claims where the configuration says they are, with the JSON type they must have.
//!
//! A claim of the wrong type is never "absent": that is how an expiry written as a string once let tokens live for ever
//! (CVE-2026-25537).

use std::borrow::Cow;

use super::{ClaimArray, ClaimObject, ClaimValue};
use crate::config::{ClaimPath, Requirement};

/// A claim is there, but has no form that it may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClaimForm;

/// Words in a claim: scopes, roles, permissions. They stay where they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'c>(Written<'c>);

/// How the words are written.
#[derive(Clone, Copy, Debug, Default)]
enum Written<'c> {
    #[default]
    Nowhere,
    /// With blanks between them.
    Text(&'c str),
    /// As strings of their own.
    Array(ClaimArray<'c>),
    /// As the names of members.
    Object(ClaimObject<'c>),
}

/// The value at `path`; a pointer's steps go through objects only.
pub fn claim<'c>(claims: impl Into<ClaimObject<'c>>, path: &ClaimPath) -> Option<ClaimValue<'c>> {
    let (first, rest) = path.steps.split_first()?;
    rest.iter().try_fold(claims.into().get(first)?, |value, step| value.as_object()?.get(step))
}

/// Whether the claims have one that is required, with one of its values; of an array, one member is enough.
pub fn has<'c>(claims: impl Into<ClaimObject<'c>>, requirement: &Requirement) -> bool {
    let is_allowed = |value: ClaimValue<'_>| requirement.values.iter().any(|allowed| value.reads(allowed));
    match claim(claims, &requirement.claim) {
        None => false,
        Some(ClaimValue::Array(members)) => members.iter().any(is_allowed),
        Some(value) => is_allowed(value),
    }
}

/// The text at the first of `paths` that is present; a number counts as its digits, because some providers write
/// their subjects so.
///
/// # Errors
///
/// [`ClaimForm`] if what is there is neither, or is empty.
pub fn text_at<'c>(claims: impl Into<ClaimObject<'c>>, paths: &[ClaimPath]) -> Result<Option<Cow<'c, str>>, ClaimForm> {
    let claims = claims.into();
    paths.iter().find_map(|path| claim(claims, path)).map(text_of).transpose()
}

/// The text that a claim is.
///
/// # Errors
///
/// [`ClaimForm`], as [`text_at`].
pub(super) fn text_of(value: ClaimValue<'_>) -> Result<Cow<'_, str>, ClaimForm> {
    match value {
        ClaimValue::Text(text) if !text.is_empty() => Ok(text.into()),
        ClaimValue::Unsigned(number) => Ok(number.to_string().into()),
        _ => Err(ClaimForm),
    }
}

/// The words at the first of `paths` that is present: those of a string, the members of an array of strings, or the
/// member names of an object. Nothing is present: nothing is returned, which is not the same as no words.
///
/// # Errors
///
/// [`ClaimForm`] for everything else.
pub fn words_at<'c>(claims: impl Into<ClaimObject<'c>>, paths: &[ClaimPath]) -> Result<Option<Words<'c>>, ClaimForm> {
    let claims = claims.into();
    paths.iter().find_map(|path| claim(claims, path)).map(words_of).transpose()
}

/// The words that a claim holds.
///
/// # Errors
///
/// [`ClaimForm`], as [`words_at`].
pub(super) fn words_of(value: ClaimValue<'_>) -> Result<Words<'_>, ClaimForm> {
    match value {
        ClaimValue::Text(text) => Ok(Words(Written::Text(text))),
        ClaimValue::Array(members) if members.iter().all(|member| member.as_str().is_some()) => {
            Ok(Words(Written::Array(members)))
        }
        ClaimValue::Object(members) => Ok(Words(Written::Object(members))),
        _ => Err(ClaimForm),
    }
}

impl<'c> Words<'c> {
    /// The words, in the token's order.
    pub fn iter(self) -> impl Iterator<Item = &'c str> {
        let (text, array, object) = match self.0 {
            Written::Nowhere => (None, None, None),
            Written::Text(text) => (Some(words_in(text)), None, None),
            Written::Array(members) => (None, Some(members.iter().filter_map(ClaimValue::as_str)), None),
            Written::Object(members) => (None, None, Some(members.members().map(|(name, _)| name))),
        };
        let (text, array, object) = (text.into_iter(), array.into_iter(), object.into_iter());
        text.flatten().chain(array.flatten()).chain(object.flatten())
    }

    /// Whether any word fits; this is asked at every request, so it goes the shortest way.
    pub fn any(self, fits: impl FnMut(&'c str) -> bool) -> bool {
        match self.0 {
            Written::Text(text) => words_in(text).any(fits),
            Written::Nowhere | Written::Array(_) | Written::Object(_) => self.iter().any(fits),
        }
    }

    /// Whether there is no word.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

/// The words between blanks.
fn words_in(text: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let bytes = text.as_bytes();
        while *bytes.get(start)? == b' ' {
            start += 1;
        }
        let end = bytes[start..].iter().position(|byte| *byte == b' ').map_or(bytes.len(), |length| start + length);
        // Before and behind a blank a character begins.
        let word = text.get(start..end);
        start = end;
        word
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
