//! Why a user is not asked: what is told on a page, and what is told to the client.
//!
//! `Display` is for whoever operates the server. A page shows the code and the sentence of a [`PageFault`]; a client gets
//! the code of an [`AuthorizationFault`] alone, so that unknown and forbidden look the same.

use super::ReturnAddress;
use crate::issuer::Refusal;
use crate::oauth::{AuthorizationError, OAuthError};

/// Why a user is not asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAsked {
    /// There is nobody who could be told but whoever sits at the browser: a page with status 400, and no redirect.
    #[error("{0}")]
    Page(PageFault),
    /// The client is told.
    #[error("{fault}")]
    Client {
        /// Where.
        to: ReturnAddress,
        /// What is wrong.
        fault: AuthorizationFault,
    },
}

/// What is wrong before client and redirect URI can be trusted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum PageFault {
    /// A bad escape, or not UTF-8.
    #[error("the request is not well-formed")]
    Malformed,
    /// Beyond its bound.
    #[error("the request is too large")]
    TooLarge,
    /// Nobody says who asks.
    #[error("there is no client_id")]
    ClientMissing,
    /// There is no such client, or it is switched off.
    #[error("the client is unknown or disabled")]
    ClientUnknown,
    /// Client or redirect URI came twice.
    #[error("client_id or redirect_uri came more than once")]
    ParameterRepeated,
    /// The client has several places for answers, or none.
    #[error("there is no redirect_uri, and the client has not exactly one")]
    RedirectUriMissing,
    /// The redirect URI is none of the client's.
    #[error("the redirect_uri is not registered for the client")]
    RedirectUriUnknown,
    /// The answer is to come in a way that it does not come in.
    #[error("the response_mode is not `query`")]
    ResponseModeUnsupported,
}

impl PageFault {
    /// The code that the page shows.
    pub fn error(self) -> OAuthError {
        match self {
            Self::ClientMissing | Self::ClientUnknown => OAuthError::InvalidClient,
            Self::Malformed
            | Self::TooLarge
            | Self::ParameterRepeated
            | Self::RedirectUriMissing
            | Self::RedirectUriUnknown
            | Self::ResponseModeUnsupported => OAuthError::InvalidRequest,
        }
    }
}

impl From<PageFault> for NotAsked {
    fn from(fault: PageFault) -> Self {
        Self::Page(fault)
    }
}

/// What is wrong with a request whose client and redirect URI are good.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum AuthorizationFault {
    /// A parameter came twice.
    #[error("a parameter other than resource came more than once")]
    ParameterRepeated,
    /// Some parameters stood in the query of a `POST`.
    #[error("the parameters stand in the query as well as in the body")]
    ParametersSplit,
    /// A request object.
    #[error("`request` is not supported")]
    RequestObject,
    /// A reference to a request object.
    #[error("`request_uri` is not supported")]
    RequestUri,
    /// A request that was to be pushed beforehand.
    #[error("the client has `require_pushed_authorization_requests`, and the request was not pushed")]
    NotPushed,
    /// Authorization details.
    #[error("`authorization_details` is not supported")]
    AuthorizationDetails,
    /// Nobody says what is to come back.
    #[error("there is no response_type")]
    ResponseTypeMissing,
    /// Something else than a code.
    #[error("the response_type is not `code`")]
    ResponseTypeUnsupported,
    /// The client has not got this grant.
    #[error("the client's `grants` do not list authorization_code")]
    GrantNotAllowed,
    /// No PKCE.
    #[error("there is no code_challenge")]
    ChallengeMissing,
    /// PKCE that proves nothing.
    #[error("the code_challenge_method is not `S256`")]
    ChallengeMethod,
    /// PKCE that nobody could answer.
    #[error("the code_challenge is no SHA-256 in base64url")]
    ChallengeMalformed,
    /// The user is to be asked and not to be asked.
    #[error("`prompt` says `none` and something else")]
    PromptContradicts,
    /// No number of seconds.
    #[error("`max_age` is no number of seconds")]
    MaxAgeMalformed,
    /// A resource gets none of the scopes that are asked for, though it declares some.
    #[error("a resource is named at which none of the scopes can be had")]
    TargetWithoutScope,
    /// A scope that can be had at no resource that is named.
    #[error("a scope is asked for that can be had at none of the resources")]
    ScopeOfNone,
    /// What rules every grant.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl AuthorizationFault {
    /// The code that the client gets.
    pub fn error(self) -> AuthorizationError {
        match self {
            Self::ParameterRepeated
            | Self::ParametersSplit
            | Self::ResponseTypeMissing
            | Self::ChallengeMissing
            | Self::ChallengeMethod
            | Self::ChallengeMalformed
            | Self::NotPushed
            | Self::PromptContradicts
            | Self::MaxAgeMalformed => AuthorizationError::InvalidRequest,
            Self::RequestObject => AuthorizationError::RequestNotSupported,
            Self::RequestUri => AuthorizationError::RequestUriNotSupported,
            Self::AuthorizationDetails => AuthorizationError::InvalidAuthorizationDetails,
            Self::ResponseTypeUnsupported => AuthorizationError::UnsupportedResponseType,
            Self::GrantNotAllowed => AuthorizationError::UnauthorizedClient,
            Self::TargetWithoutScope => AuthorizationError::InvalidTarget,
            Self::ScopeOfNone => AuthorizationError::InvalidScope,
            Self::Refused(refusal) => match refusal.error() {
                OAuthError::InvalidTarget => AuthorizationError::InvalidTarget,
                OAuthError::InvalidScope => AuthorizationError::InvalidScope,
                OAuthError::UnauthorizedClient | OAuthError::InvalidClient => AuthorizationError::UnauthorizedClient,
                OAuthError::InvalidRequest | OAuthError::InvalidGrant | OAuthError::UnsupportedGrantType => {
                    AuthorizationError::InvalidRequest
                }
            },
        }
    }
}
