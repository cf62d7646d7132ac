//! Where the answer to an authorization request goes, and what it says there.
//!
//! Every answer is written by the same lines, so that none forgets `state` (RFC 6749 §4.1.2) or `iss` (RFC 9207 §2).
//! Descriptions are left out: the code says what the client may know.

use std::fmt;

use url::form_urlencoded;

use crate::oauth::AuthorizationError;
use crate::secret::Secret;

/// A redirect URI that was trusted, with what belongs into every answer that goes there.
#[derive(Clone, Eq, PartialEq)]
pub struct ReturnAddress {
    redirect_uri: String,
    state: Option<String>,
    issuer: String,
}

impl ReturnAddress {
    /// Only for a redirect URI that is the client's.
    pub(super) fn new(redirect_uri: String, state: Option<String>, issuer: &str) -> Self {
        Self { redirect_uri, state, issuer: issuer.to_owned() }
    }

    /// The redirect URI as the client sent it, to which the code is bound.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// `state`, if one was sent.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The `Location` that brings the client its code.
    pub fn with_code(&self, code: &Secret) -> Secret {
        Secret::new(self.with("code", &String::from_utf8_lossy(code.expose())))
    }

    /// The `Location` that tells the client why there is none.
    pub fn with_error(&self, error: AuthorizationError) -> String {
        self.with("error", error.as_str())
    }

    fn with(&self, name: &str, value: &str) -> String {
        let mut answer = form_urlencoded::Serializer::new(String::new());
        answer.append_pair(name, value);
        if let Some(state) = &self.state {
            answer.append_pair("state", state);
        }
        answer.append_pair("iss", &self.issuer);
        let joint = match self.redirect_uri.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        [&self.redirect_uri, joint, &answer.finish()].concat()
    }
}

/// Without `state`, by which the client knows its own request from a forged one.
impl fmt::Debug for ReturnAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ReturnAddress({})", self.redirect_uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://auth.example.com";

    fn at(redirect_uri: &str, state: Option<&str>) -> ReturnAddress {
        ReturnAddress::new(redirect_uri.to_owned(), state.map(str::to_owned), ISSUER)
    }

    fn pairs(location: &str) -> Vec<(String, String)> {
        let query = location.split_once('?').unwrap().1;
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    #[test]
    fn every_answer_says_who_answers() {
        let address = at("https://app.example.com/cb", Some("s"));
        let iss = "iss=https%3A%2F%2Fauth.example.com";
        let code = address.with_code(&Secret::new("c0de"));
        assert_eq!(code.expose(), format!("https://app.example.com/cb?code=c0de&state=s&{iss}").as_bytes());
        assert!(!format!("{code:?}").contains("c0de"));
        for error in AuthorizationError::ALL {
            let expected = format!("https://app.example.com/cb?error={error}&state=s&{iss}");
            assert_eq!(address.with_error(error), expected);
        }
        let without_state = at("https://app.example.com/cb", None).with_error(AuthorizationError::AccessDenied);
        assert_eq!(without_state, format!("https://app.example.com/cb?error=access_denied&{iss}"));
    }

    #[test]
    fn a_state_comes_back_as_it_went() {
        let long = "x".repeat(2 << 10);
        for state in ["a%2Bb+c d", "é\u{1f511}", "&code=evil#x\r\nSet-Cookie: a", &long] {
            let location = at("https://app.example.com/cb", Some(state)).with_error(AuthorizationError::InvalidScope);
            assert_eq!(pairs(&location)[1], ("state".to_owned(), state.to_owned()));
            assert!(location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        }
    }

    #[test]
    fn a_state_never_shows_itself() {
        assert!(!format!("{:?}", at("https://app.example.com/cb", Some("hunter2"))).contains("hunter2"));
    }

    #[test]
    fn a_query_of_the_clients_own_is_kept() {
        for (redirect_uri, start) in [
            ("https://app.example.com/cb?tenant=7", "https://app.example.com/cb?tenant=7&error="),
            ("https://app.example.com/cb?", "https://app.example.com/cb?error="),
            ("com.example.app:/cb", "com.example.app:/cb?error="),
        ] {
            assert!(at(redirect_uri, None).with_error(AuthorizationError::InvalidScope).starts_with(start));
        }
    }
}
