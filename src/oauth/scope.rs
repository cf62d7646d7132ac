//! Scopes as whole words (RFC 6749 §3.3), and scopes that hold one value.
//!
//! `transaction:{id}` is a *pattern*: it stands for `transaction:7`, `transaction:8` and so on. A token carries scopes,
//! never patterns.

use std::fmt;

/// Scopes that ask for a user or a refresh token (OpenID Connect Core §3.1.2.1, §11), which no client gets for itself.
pub const FOR_USERS: [&str; 2] = ["openid", "offline_access"];

/// One scope: printable ASCII without space, quote and backslash; compared byte for byte.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Scope(Box<str>);

/// Which rule of RFC 6749 §3.3 (or of ours, for patterns) a text breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidScope {
    /// Nothing between two spaces is not a scope.
    #[error("a scope is at least one character")]
    Empty,
    /// A space, a quote, a backslash, a control or a non-ASCII character.
    #[error("a scope holds printable ASCII without space, `\"` and `\\` (RFC 6749 section 3.3)")]
    Character,
    /// A brace where no single `{name}` is.
    #[error("a scope holds at most one `{{name}}`, of letters, digits and `_`")]
    Parameter,
}

impl Scope {
    /// Reads one scope.
    ///
    /// # Errors
    ///
    /// [`InvalidScope::Empty`] or [`InvalidScope::Character`].
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The scope as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A scope as a resource declares it: a plain one, or one with a single `{name}` in it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ScopePattern {
    text: Box<str>,
    /// Byte offsets of `{` and of the byte behind `}`.
    hole: Option<(usize, usize)>,
}

impl ScopePattern {
    /// Reads a declared scope.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        check(text)?;
        let hole = match (text.find('{'), text.find('}')) {
            (None, None) => None,
            (Some(open), Some(close)) if open + 1 < close => Some((open, close + 1)),
            _ => return Err(InvalidScope::Parameter),
        };
        if let Some((open, end)) = hole {
            let name = &text[open + 1..end - 1];
            let rest = text[..open].bytes().chain(text[end..].bytes());
            let well_named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !well_named || rest.into_iter().any(|byte| byte == b'{' || byte == b'}') {
                return Err(InvalidScope::Parameter);
            }
        }
        Ok(Self { text: text.into(), hole })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name between the braces, if the pattern holds a value.
    pub fn parameter(&self) -> Option<&str> {
        self.hole.map(|(open, end)| &self.text[open + 1..end - 1])
    }

    /// The text before and behind the braces; the whole text and nothing for a plain scope.
    pub fn affixes(&self) -> (&str, &str) {
        match self.hole {
            Some((open, end)) => (&self.text[..open], &self.text[end..]),
            None => (&self.text, ""),
        }
    }

    /// Whether `scope` is this scope, or one of those that the pattern stands for.
    ///
    /// The value between prefix and suffix is at least one unreserved character (RFC 3986 §2.3).
    pub fn covers(&self, scope: &str) -> bool {
        self.value_in(scope).is_some() || (self.hole.is_none() && scope == &*self.text)
    }

    /// The value that `scope` holds where the pattern has its braces.
    pub fn value_in<'s>(&self, scope: &'s str) -> Option<&'s str> {
        let (open, end) = self.hole?;
        let value = scope.strip_prefix(&self.text[..open])?.strip_suffix(&self.text[end..])?;
        is_scope_value(value).then_some(value)
    }

    /// Whether `scope` is this pattern with exactly `value` in it.
    pub fn is_filled_with(&self, value: &str, scope: &str) -> bool {
        self.value_in(scope) == Some(value)
    }
}

impl fmt::Display for ScopePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A value that a parameterized scope may hold: unreserved characters (RFC 3986 §2.3), at least one.
fn is_scope_value(value: &str) -> bool {
    !value.is_empty()
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

fn check(text: &str) -> Result<(), InvalidScope> {
    if text.is_empty() {
        return Err(InvalidScope::Empty);
    }
    let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    text.bytes().all(legal).then_some(()).ok_or(InvalidScope::Character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_one_printable_word() {
        assert!(Scope::parse("orders.read").is_ok());
        assert_eq!(Scope::parse(""), Err(InvalidScope::Empty));
        for text in ["a b", "a\"", "a\\", "a\u{e9}", "a\n", "\t"] {
            assert_eq!(Scope::parse(text), Err(InvalidScope::Character), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_stands_for_and_nothing_else() {
        let pattern = ScopePattern::parse("transaction:{id}").unwrap();
        assert_eq!(pattern.parameter(), Some("id"));
        assert!(pattern.covers("transaction:7"));
        assert!(pattern.is_filled_with("7", "transaction:7"));
        for other in ["transaction:", "transaction:7/8", "transaction:{id}", "transactions:7", "x", "transaction:7%38"]
        {
            assert!(!pattern.covers(other), "{other}");
        }
        let suffixed = ScopePattern::parse("a:{x}:write").unwrap();
        assert!(suffixed.covers("a:9:write"));
        assert!(!suffixed.covers("a:write"));
    }

    #[test]
    fn a_plain_scope_covers_itself() {
        let plain = ScopePattern::parse("read").unwrap();
        assert!(plain.covers("read") && !plain.covers("reads") && !plain.covers("Read"));
    }

    #[test]
    fn stray_braces_are_refused() {
        for text in ["a{", "a}", "a{}", "{a}{b}", "}{", "a{b c}", "a{b-c}"] {
            assert!(ScopePattern::parse(text).is_err(), "{text}");
        }
    }
}
