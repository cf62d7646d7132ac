//! The parameters of an authorization request, as they came: decoded once, none of them believed.
//!
//! Unlike a [`Form`](crate::issuer::Form) it can be read although a parameter came twice: the client is to be told, and only
//! client and redirect URI say whether and where.

use std::collections::BTreeSet;
use std::fmt;

use url::form_urlencoded;

use super::{AuthorizationFault, PageFault};
use crate::issuer::Refusal;
use crate::issuer::form::decode;

/// The longest request, in bytes before decoding.
const MAX_LENGTH: usize = 32 << 10;

/// The most parameters.
const MAX_PARAMETERS: usize = 64;

/// The one parameter that may come again (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// What a client proves by who it is, where it pushes a request (RFC 6749 §2.3.1, RFC 7521 §4.2).
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The parameters of one request, those without a value left out (RFC 6749 §3.1).
#[derive(Clone)]
pub struct AuthorizationRequest {
    parameters: Vec<(String, String)>,
    /// Whether some stood in the query and some in the body.
    is_split: bool,
}

/// Under which name a request was pushed, and by whom, as far as a browser tells (RFC 9126 §4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PushedAs<'r> {
    /// The client that is said to have pushed it.
    pub client: &'r str,
    /// What it was told to call it.
    pub request_uri: &'r str,
}

/// How often a parameter came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Said<'r> {
    Nothing,
    Once(&'r str),
    Repeated,
}

impl AuthorizationRequest {
    /// Reads what came by `GET`: the query, without its `?`.
    ///
    /// # Errors
    ///
    /// [`PageFault::Malformed`] for a bad escape or what is not UTF-8, [`PageFault::TooLarge`].
    pub fn of_query(query: &[u8]) -> Result<Self, PageFault> {
        Self::of_form(query, b"")
    }

    /// Reads what came by `POST`: the query, which ought to be empty, and the body.
    ///
    /// # Errors
    ///
    /// Those of [`AuthorizationRequest::of_query`].
    pub fn of_form(query: &[u8], body: &[u8]) -> Result<Self, PageFault> {
        if query.len() + body.len() > MAX_LENGTH {
            return Err(PageFault::TooLarge);
        }
        let mut parameters = pairs(query)?;
        let in_query = parameters.len();
        parameters.extend(pairs(body)?);
        if parameters.len() > MAX_PARAMETERS {
            return Err(PageFault::TooLarge);
        }
        let is_split = in_query > 0 && in_query < parameters.len();
        Ok(Self { parameters, is_split })
    }

    /// The same as a form, for whoever keeps it until its user is there.
    pub fn to_form(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parameters).finish()
    }

    /// The client that it names, if it names one.
    pub fn client(&self) -> Option<&str> {
        match self.said("client_id") {
            Said::Once(client) => Some(client),
            Said::Nothing | Said::Repeated => None,
        }
    }

    /// The request that this one stands for, if it names one and its client, each once.
    pub fn pushed_as(&self) -> Option<PushedAs<'_>> {
        match (self.said("client_id"), self.said("request_uri")) {
            (Said::Once(client), Said::Once(request_uri)) => Some(PushedAs { client, request_uri }),
            _ => None,
        }
    }

    /// The same request, of a user who wants to be somebody else. What the client wants him to be asked he is asked as well.
    pub fn for_another_account(&self) -> Self {
        let others = self.parameters.iter().filter(|(name, _)| name != "prompt" && name != "login_hint").cloned();
        let asked = self.one("prompt").into_iter().flat_map(|words| words.split(' '));
        let words: BTreeSet<&str> = asked.filter(|word| !word.is_empty()).chain(["select_account"]).collect();
        let prompt = ("prompt".to_owned(), words.into_iter().collect::<Vec<_>>().join(" "));
        Self { parameters: others.chain([prompt]).collect(), is_split: self.is_split }
    }

    /// The same without what proves who asks, for whoever keeps it: that is nobody's to keep.
    #[must_use]
    pub fn without_credentials(mut self) -> Self {
        self.parameters.retain(|(name, _)| !CREDENTIALS.contains(&name.as_str()));
        self
    }

    /// What is said under a name.
    pub(super) fn said(&self, name: &str) -> Said<'_> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Said::Nothing,
            (Some(only), None) => Said::Once(only),
            (Some(_), Some(_)) => Said::Repeated,
        }
    }

    /// The value of a parameter, where [`AuthorizationRequest::check_form`] found none repeated.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter, in the order in which they were sent.
    pub(super) fn all<'r>(&'r self, name: &str) -> impl Iterator<Item = &'r str> {
        self.parameters.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether each parameter came once, and all of them in one place. What is unknown counts here like the rest.
    pub(super) fn check_form(&self) -> Result<(), AuthorizationFault> {
        let is_repeated = |name: &str| name != REPEATABLE && self.said(name) == Said::Repeated;
        if self.parameters.iter().any(|(name, _)| is_repeated(name)) {
            return Err(AuthorizationFault::ParameterRepeated);
        }
        if self.is_split {
            return Err(AuthorizationFault::ParametersSplit);
        }
        Ok(())
    }
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AuthorizationRequest({} parameters)", self.parameters.len())
    }
}

fn pairs(encoded: &[u8]) -> Result<Vec<(String, String)>, PageFault> {
    let mut pairs = Vec::new();
    for piece in encoded.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
        let equals = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
        let read = |encoded| decode(encoded).map(|text| text.to_owned()).map_err(|_: Refusal| PageFault::Malformed);
        let (name, value) = (read(&piece[..equals])?, read(piece.get(equals + 1..).unwrap_or_default())?);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_absent_and_no_repetition() {
        let request = AuthorizationRequest::of_query(b"scope=&scope=a+b%2B&state&&resource=x&resource=x&=y").unwrap();
        assert_eq!(request.said("scope"), Said::Once("a b+"));
        assert_eq!(request.said("state"), Said::Nothing);
        assert_eq!(request.said("resource"), Said::Repeated);
        assert_eq!(request.check_form(), Ok(()));
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for query in [&b"a=%"[..], b"a=%2", b"a=%2g", b"%zz=a", b"a=\xff", b"a=%ff"] {
            assert_eq!(AuthorizationRequest::of_query(query).unwrap_err(), PageFault::Malformed, "{query:?}");
            assert_eq!(AuthorizationRequest::of_form(b"", query).unwrap_err(), PageFault::Malformed, "{query:?}");
        }
    }

    #[test]
    fn count_and_length_are_bounded() {
        let of = |query: String| AuthorizationRequest::of_query(query.as_bytes()).map(|_| ());
        let many = |count: usize| (0..count).map(|at| format!("p{at}=1")).collect::<Vec<_>>().join("&");
        assert_eq!([of(many(MAX_PARAMETERS)), of(many(MAX_PARAMETERS + 1))], [Ok(()), Err(PageFault::TooLarge)]);
        let long = |length: usize| format!("a={}", "x".repeat(length - 2));
        assert_eq!([of(long(MAX_LENGTH)), of(long(MAX_LENGTH + 1))], [Ok(()), Err(PageFault::TooLarge)]);
        let halves = AuthorizationRequest::of_form(many(40).as_bytes(), many(40).as_bytes());
        assert_eq!(halves.unwrap_err(), PageFault::TooLarge);
    }

    #[test]
    fn a_proof_is_not_kept() {
        let form = b"client_id=a&client_secret=b&client_assertion=c&client_assertion_type=d&state=e";
        let request = AuthorizationRequest::of_form(b"", form).unwrap().without_credentials();
        assert_eq!(request.to_form(), "client_id=a&state=e");
    }

    #[test]
    fn never_shows_itself() {
        let request = AuthorizationRequest::of_query(b"state=hunter2&login_hint=hunter3").unwrap();
        assert!(!format!("{request:?}").contains("hunter"));
    }
}
