//! What a caller is told that gets nothing (RFC 6749 §5.2), and what the operator is told of it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::Call;
use super::throttle::Failure;
use crate::issuer::{ClientFault, Refusal};
use crate::oauth::{OAuthError, Rejection};
use crate::token::mint::NotMinted;

/// After how many seconds it may be worth to ask again what cannot be answered now.
const LATER: u64 = 5;

/// Why a caller gets nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The body is announced as something else.
    #[error("the content type is not application/x-www-form-urlencoded")]
    NoForm,
    /// Parameters stand where logs and histories keep them.
    #[error("a parameter stands in the query")]
    Query,
    /// `token` is missing.
    #[error("the token parameter is missing")]
    NoToken,
    /// The request, or the grant.
    #[error("{0}")]
    Request(#[from] Refusal),
    /// The client.
    #[error("{0}")]
    Client(#[from] ClientFault),
    /// The subject or the actor of an exchange.
    #[error("a token of the exchange is refused: {}", .0.detail)]
    Token(Rejection),
    /// The token could not be put together.
    #[error("{0}")]
    NotMinted(#[from] NotMinted),
    /// The token is another client's.
    #[error("the token belongs to another client")]
    NotTheirs,
    /// Too many failures before.
    #[error("too many proofs of who asks have failed")]
    Throttled {
        /// How long to wait.
        seconds: u64,
    },
    /// Something that is needed does not work now.
    #[error("{0}")]
    Unavailable(String),
    /// The keys of somebody else, or the store, let us wait.
    #[error("the answer took too long")]
    TooSlow,
    /// There is no issuer any more.
    #[error("there is no issuer in this configuration")]
    NoIssuer,
}

impl Refused {
    /// The code; nothing where it is not the request that is at fault.
    pub(super) fn error(&self) -> Option<OAuthError> {
        match self {
            Self::NoForm | Self::Query | Self::NoToken | Self::Token(_) => Some(OAuthError::InvalidRequest),
            Self::Request(refusal) => Some(refusal.error()),
            Self::Client(fault) => Some(fault.error()),
            Self::NotTheirs => Some(OAuthError::InvalidGrant),
            Self::NotMinted(fault) => match fault {
                NotMinted::Ended | NotMinted::Subject | NotMinted::Actors => Some(OAuthError::InvalidRequest),
                NotMinted::PublicAudience | NotMinted::ForeignScope(_) => Some(OAuthError::InvalidTarget),
                NotMinted::ClientId => Some(OAuthError::UnauthorizedClient),
                NotMinted::Randomness | NotMinted::NoKey(_) | NotMinted::Signature => None,
            },
            Self::Throttled { .. } | Self::Unavailable(_) | Self::TooSlow | Self::NoIssuer => None,
        }
    }

    /// Its label among the metrics.
    pub(super) fn label(&self) -> &'static str {
        match (self.error(), self) {
            (Some(error), _) => error.as_str(),
            (None, Self::Throttled { .. }) => "rate_limited",
            (None, _) => "unavailable",
        }
    }

    /// How somebody failed to prove who asks; nothing where it is not that.
    pub(super) fn failed_proof(&self) -> Option<Failure> {
        match self {
            Self::Client(ClientFault::WrongSecret) => Some(Failure::Guess),
            Self::Client(fault) if fault.error() == OAuthError::InvalidClient => Some(Failure::Other),
            _ => None,
        }
    }

    fn description(&self) -> &'static str {
        match self {
            Self::NoForm => "send the parameters as application/x-www-form-urlencoded",
            Self::Query => "send every parameter in the body, none in the query",
            Self::NoToken => "a required parameter is missing",
            Self::Request(refusal) => refusal.description(),
            Self::Throttled { .. } => "too many failures to authenticate; wait, and try again",
            Self::NoIssuer => "nothing is served at this path",
            other => other.error().map_or("this cannot be answered now; try again later", OAuthError::description),
        }
    }

    /// What to send.
    pub(super) fn answer(&self, call: &Call) -> Response {
        let error = self.error();
        let (status, retry_after) = match (error, self) {
            (Some(error), _) => (error.status(), None),
            (None, Self::Throttled { seconds }) => (StatusCode::TOO_MANY_REQUESTS, Some(*seconds)),
            (None, Self::NoIssuer) => (StatusCode::NOT_FOUND, None),
            (None, _) => (StatusCode::SERVICE_UNAVAILABLE, Some(LATER)),
        };
        let mut body = json!({ "error_description": self.description(), "request_id": call.request_id });
        if let Some(error) = error {
            body["error"] = error.as_str().into();
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let realm = call.snapshot.config.issuer.as_ref().map_or("", |server| &server.issuer);
            let challenge = HeaderValue::from_str(&format!("Basic realm=\"{realm}\", charset=\"UTF-8\""));
            headers.insert(WWW_AUTHENTICATE, challenge.unwrap_or(HeaderValue::from_static("Basic realm=\"issuer\"")));
        }
        response
    }
}
