//! What a user brings back from a provider (RFC 6749 §4.1.2, RFC 9207 §2.4).
//!
//! Everything in it may come from anybody. The text of an error is never repeated: of its code, only the meaning is.

use crate::issuer::Form;
use crate::oauth::AuthorizationError;
use crate::secret::Secret;

/// The longest query that is read, in bytes.
const MAX_LENGTH: usize = 16 << 10;

/// An answer whose `state` says which question it is the answer to.
#[derive(Debug)]
pub struct ProviderResponse {
    /// Which login it is about.
    pub state: Secret,
    answer: Option<Answer>,
    iss: Option<String>,
}

/// What the provider says.
#[derive(Debug, Eq, PartialEq)]
pub enum Answer {
    /// The user has logged in.
    Code(Secret),
    /// He has not, and this is what his client may know of it.
    Error(AuthorizationError),
}

/// Why an answer counts for nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResponseFault {
    /// A bad escape, a repeated parameter, or too much of it.
    #[error("the provider's answer is not well-formed, or says something twice")]
    Malformed,
    /// It does not say which login it is about.
    #[error("the answer has no state")]
    NoState,
    /// It does not say who answers.
    #[error("the provider announces `iss`, and the answer has none")]
    IssuerMissing,
    /// Somebody else answers.
    #[error("the answer's `iss` is not the provider that was asked")]
    OtherIssuer,
    /// Neither a code nor an error, or both.
    #[error("the answer has neither a code nor an error, or both")]
    NoAnswer,
}

impl ProviderResponse {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// [`ResponseFault::Malformed`] or [`ResponseFault::NoState`].
    pub fn read(query: &[u8]) -> Result<Self, ResponseFault> {
        if query.len() > MAX_LENGTH {
            return Err(ResponseFault::Malformed);
        }
        let form = Form::parse(query, 0).map_err(|_| ResponseFault::Malformed)?;
        let state = form.one("state").ok_or(ResponseFault::NoState)?;
        let answer = match (form.one("code"), form.one("error")) {
            (Some(code), None) => Some(Answer::Code(Secret::new(code))),
            (None, Some(error)) => Some(Answer::Error(told(error))),
            _ => None,
        };
        Ok(Self { state: Secret::new(state), answer, iss: form.one("iss").map(str::to_owned) })
    }

    /// What the provider says, if it is the one that was asked: `issuer`, which sends `iss` along if `says_iss`.
    ///
    /// # Errors
    ///
    /// [`ResponseFault`] if it is not, or says nothing.
    pub fn from(self, issuer: &str, says_iss: bool) -> Result<Answer, ResponseFault> {
        match self.iss {
            Some(iss) if iss != issuer => return Err(ResponseFault::OtherIssuer),
            None if says_iss => return Err(ResponseFault::IssuerMissing),
            Some(_) | None => {}
        }
        self.answer.ok_or(ResponseFault::NoAnswer)
    }
}

/// What a client may know of a provider's error. What the user did is his no; what only we can have done is our fault.
fn told(error: &str) -> AuthorizationError {
    match error {
        "access_denied"
        | "login_required"
        | "consent_required"
        | "interaction_required"
        | "account_selection_required" => AuthorizationError::AccessDenied,
        "unmet_authentication_requirements" => AuthorizationError::UnmetAuthenticationRequirements,
        "temporarily_unavailable" | "server_error" => AuthorizationError::TemporarilyUnavailable,
        _ => AuthorizationError::ServerError,
    }
}
