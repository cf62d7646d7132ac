//! What a token endpoint answers when it refuses (RFC 6749 §5.2, RFC 8707 §2): one closed list.
//!
//! Deliberately absent: anything of the request. The description of a code is the same for everybody, so that a target
//! which does not exist and one which is somebody else's cannot be told apart.

use http::StatusCode;

/// The `error` of a refusing answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum OAuthError {
    /// A parameter is missing, repeated or malformed, or the subject of an exchange cannot be used (RFC 8693 §2.2.2).
    InvalidRequest,
    /// The client did not prove who it is.
    InvalidClient,
    /// The code or the refresh token is not good.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// No such grant is offered here.
    UnsupportedGrantType,
    /// A scope is malformed or cannot be had there, or none is left.
    InvalidScope,
    /// The resource is malformed, unknown, not this client's, or not exactly one (RFC 8707 §2).
    InvalidTarget,
}

impl OAuthError {
    /// Every code.
    pub const ALL: [Self; 7] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::InvalidTarget,
    ];

    /// The code as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
        }
    }

    /// The status of the answer: 401 for a client that is not authenticated, 400 for everything else.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget => StatusCode::BAD_REQUEST,
        }
    }

    /// What anybody may know about it: characters that `error_description` may hold (RFC 6749 §5.2).
    pub fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest => "the request is malformed, or a token in it cannot be used",
            Self::InvalidClient => "the client is not authenticated",
            Self::InvalidGrant => "the grant is not valid, or is another client's",
            Self::UnauthorizedClient => "the client may not use this grant",
            Self::UnsupportedGrantType => "this grant is not offered here",
            Self::InvalidScope => "a scope is malformed or cannot be had for this resource, or none is left",
            Self::InvalidTarget => "name exactly one resource, by its URI, for which this client may have a token",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unauthenticated_client_gets_401() {
        for error in OAuthError::ALL {
            let expected = if error == OAuthError::InvalidClient { 401 } else { 400 };
            assert_eq!(error.status().as_u16(), expected, "{}", error.as_str());
        }
    }

    #[test]
    fn a_description_holds_what_the_standard_allows() {
        for error in OAuthError::ALL {
            let legal = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(error.description().bytes().all(legal), "{}", error.as_str());
        }
    }
}
