//! The one credential of a request: `Authorization: Bearer` (RFC 6750 §2.1), once, and nowhere else.
//!
//! Deliberately absent: tokens in a form body or in the query (RFC 9700 §4.3.2). One in the query is not ignored but
//! refused, because the API behind the gateway might still honour it.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::oauth::{Reason, Rejection};

/// What credential a request carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Credential<'a> {
    /// One bearer token. Whether it has the grammar of one is asked by [`check_grammar`], as soon as it turns out that
    /// nobody has proven it: a token that was proven has.
    Bearer(&'a str),
    /// None, or one of a scheme that is not served here.
    Missing,
}

/// Refuses a token in the query, whatever else the request carries.
pub(super) fn refuse_query_token(query: Option<&str>, headers: &HeaderMap) -> Result<(), Rejection> {
    let has_token =
        query.is_some_and(|query| query.as_bytes().split(|byte| matches!(byte, b'&' | b';')).any(is_token_parameter));
    if !has_token {
        return Ok(());
    }
    match headers.contains_key(AUTHORIZATION) {
        false => Err(Rejection::new(
            Reason::CredentialMalformed,
            "a token was sent in the query; send it in `Authorization`",
        )),
        true => {
            Err(Rejection::new(Reason::CredentialRepeated, "a token was sent in the query and one in `Authorization`"))
        }
    }
}

impl<'a> Credential<'a> {
    /// Finds the credential.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Self, Rejection> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let Some(field) = fields.next() else {
            return Ok(Self::Missing);
        };
        if fields.next().is_some() {
            return Err(Rejection::new(Reason::CredentialRepeated, "more than one `Authorization` was sent"));
        }
        if let Some(token) = behind_bearer(field.as_bytes()) {
            return match std::str::from_utf8(token) {
                Ok(token) if !token.is_empty() => Ok(Self::Bearer(token)),
                Ok(_) => Err(malformed(NOT_ONE_TOKEN)),
                Err(_) => Err(malformed(NOT_ASCII)),
            };
        }
        let text = field.to_str().map_err(|_| malformed(NOT_ASCII))?;
        let scheme = text.split(' ').next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("Bearer") {
            return Err(malformed(NOT_ONE_TOKEN));
        }
        match scheme.is_empty() || !scheme.bytes().all(is_token_character) {
            true => Err(malformed("`Authorization` does not begin with a scheme")),
            false => Ok(Self::Missing),
        }
    }
}

/// Refuses what follows `Bearer` unless it is one token by its grammar.
pub(super) fn check_grammar(token: &str) -> Result<(), Rejection> {
    // `HeaderValue` calls neither a control character nor DEL text, and both go with what is not ASCII.
    match (is_b64token(token), token.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e))) {
        (true, _) => Ok(()),
        (false, true) => Err(malformed(NOT_ONE_TOKEN)),
        (false, false) => Err(malformed(NOT_ASCII)),
    }
}

const NOT_ASCII: &str = "`Authorization` is not ASCII";
const NOT_ONE_TOKEN: &str = "`Bearer` is not followed by exactly one token";

fn malformed(detail: &'static str) -> Rejection {
    Rejection::new(Reason::CredentialMalformed, detail)
}

/// What follows `Bearer` and at least one space.
fn behind_bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = field.split_at_checked("Bearer ".len())?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| &rest[spaces..])
}

/// Whether a pair of the query is called `access_token`, in any spelling that an API may take for it: escaped, in other
/// case, with blanks before it, with `.` or a blank for `_`, as an array (PHP reads all of these).
fn is_token_parameter(pair: &[u8]) -> bool {
    // Hardly any name begins with what that one could begin with.
    if !matches!(pair.first(), Some(b'a' | b'A' | b'%' | b'+' | b' ')) {
        return false;
    }
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or(pair);
    let mut at = 0;
    let decoded = std::iter::from_fn(|| {
        let byte = *name.get(at)?;
        let escape = (byte == b'%').then(|| name.get(at + 1..at + 3)).flatten();
        let value = escape.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        at += if value.is_some() { 3 } else { 1 };
        Some(value.unwrap_or(byte))
    });
    let folded = decoded.map(|byte| match byte {
        b'+' => b' ',
        _ => byte.to_ascii_lowercase(),
    });
    let name = folded.skip_while(|byte| *byte == b' ').take_while(|byte| *byte != b'[');
    name.map(|byte| if matches!(byte, b'.' | b' ') { b'_' } else { byte }).eq(b"access_token".iter().copied())
}

/// RFC 6750 §2.1: `b64token`.
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !body.is_empty() && body.bytes().all(legal)
}

/// RFC 9110 §5.6.2: `tchar`.
fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
    }

    fn outcome(values: &[&str]) -> Result<Option<String>, Reason> {
        match Credential::of(&headers(values)) {
            Ok(Credential::Bearer(token)) => match check_grammar(token) {
                Ok(()) => Ok(Some(token.to_owned())),
                Err(rejection) => Err(rejection.reason),
            },
            Ok(Credential::Missing) => Ok(None),
            Err(rejection) => Err(rejection.reason),
        }
    }

    #[test]
    fn one_bearer_token_in_any_case_of_its_scheme() {
        for value in ["Bearer a.b.c", "bEaReR a.b.c", "bearer  a.b.c"] {
            assert_eq!(outcome(&[value]), Ok(Some("a.b.c".into())), "{value}");
        }
    }

    #[test]
    fn nothing_and_other_schemes_are_missing() {
        assert_eq!(outcome(&[]), Ok(None));
        assert_eq!(outcome(&["Basic YTpi"]), Ok(None));
        assert_eq!(outcome(&["DPoP a.b.c"]), Ok(None));
    }

    #[test]
    fn grammar_errors_are_malformed_and_two_are_repeated() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a, Bearer b",
            "Bearer \u{e9}",
            "Bearer a\tb",
            "",
            " Bearer a",
            "Bearer =",
        ] {
            assert_eq!(outcome(&[value]), Err(Reason::CredentialMalformed), "{value:?}");
        }
        assert_eq!(outcome(&["Bearer a.b.c", "Bearer a.b.c"]), Err(Reason::CredentialRepeated));
        assert_eq!(outcome(&["Basic x", "Bearer a.b.c"]), Err(Reason::CredentialRepeated));
    }

    #[test]
    fn a_token_in_the_query_is_refused_in_every_spelling() {
        let none = HeaderMap::new();
        for query in [
            "access_token=x",
            "a=b&access_token=x",
            "access%5Ftoken=x",
            "access_token",
            "a;access_token=x",
            "Access_Token=x",
            "access_token[]=x",
            "access_token%5B0%5D=x",
            "access.token=x",
            "access%20token=x",
            "%20+access_token=x",
        ] {
            let refusal = refuse_query_token(Some(query), &none).unwrap_err();
            assert_eq!(refusal.reason, Reason::CredentialMalformed, "{query}");
        }
        let refusal = refuse_query_token(Some("access_token=x"), &headers(&["Bearer a.b.c"])).unwrap_err();
        assert_eq!(refusal.reason, Reason::CredentialRepeated);
        for query in ["token=x", "x=access_token", "my_access_token=x", ""] {
            assert_eq!(refuse_query_token(Some(query), &none), Ok(()), "{query}");
        }
    }
}
