//! What an authorization endpoint tells the client when it refuses (RFC 6749 §4.1.2.1, RFC 8707 §2, OpenID Connect Core
//! §3.1.2.6): one closed list.
//!
//! Deliberately absent: `invalid_client`. Whoever is not known is told nothing where he says that he lives.

/// The `error` of an answer that goes back to the client.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum AuthorizationError {
    /// A parameter is missing, repeated or malformed.
    InvalidRequest,
    /// The client may not ask for a code.
    UnauthorizedClient,
    /// The user, or a rule, says no.
    AccessDenied,
    /// Something else than a code is asked for.
    UnsupportedResponseType,
    /// A scope is malformed or cannot be had, or none is left.
    InvalidScope,
    /// A resource is malformed, unknown or not this client's, or none can be told (RFC 8707 §2).
    InvalidTarget,
    /// There is no request object here (RFC 9101 §6).
    RequestNotSupported,
    /// Nor is one fetched.
    RequestUriNotSupported,
    /// No type of authorization details is known (RFC 9396 §5).
    InvalidAuthorizationDetails,
    /// Nobody is logged in, and nobody may be asked to.
    LoginRequired,
    /// Consent is missing, and nobody may be asked for it.
    ConsentRequired,
    /// Something else is to be asked, and nobody may be.
    InteractionRequired,
    /// It is not clear who is meant, and nobody may be asked.
    AccountSelectionRequired,
    /// The user cannot log in as strictly as is asked for (RFC 9470 §5).
    UnmetAuthenticationRequirements,
    /// What a login needs is out of reach for now.
    TemporarilyUnavailable,
    /// Something is broken here.
    ServerError,
}

impl AuthorizationError {
    /// Every code.
    pub const ALL: [Self; 16] = [
        Self::InvalidRequest,
        Self::UnauthorizedClient,
        Self::AccessDenied,
        Self::UnsupportedResponseType,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::RequestNotSupported,
        Self::RequestUriNotSupported,
        Self::InvalidAuthorizationDetails,
        Self::LoginRequired,
        Self::ConsentRequired,
        Self::InteractionRequired,
        Self::AccountSelectionRequired,
        Self::UnmetAuthenticationRequirements,
        Self::TemporarilyUnavailable,
        Self::ServerError,
    ];

    /// The code as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_another_word() {
        let words: BTreeSet<_> = AuthorizationError::ALL.iter().map(|error| error.as_str()).collect();
        assert_eq!(words.len(), AuthorizationError::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
}
