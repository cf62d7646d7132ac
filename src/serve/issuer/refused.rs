//! What a caller is told that gets nothing (RFC 6749 §5.2), and what the operator is told of it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::Call;
use super::throttle::Failure;
use crate::issuer::{AuthorizationFault, ClientFault, Endpoint, NotAsked, PageFault, Refusal};
use crate::oauth::{OAuthError, Rejection};
use crate::secret::NoRandomness;
use crate::store::StoreError;
use crate::token::mint::NotMinted;

/// After how many seconds it may be worth to ask again what cannot be answered now.
pub(super) const LATER: u64 = 5;
/// The same where tokens are had. A rotation may have happened of which nobody was told, and the spent token gives its
/// successor for [`GRACE_SECONDS`](crate::store::GRACE_SECONDS) only, of which a store may have used up four.
const SOON: u64 = 1;

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
    /// What a user granted is not to be had for what was shown.
    #[error("{0}")]
    Grant(#[from] NoGrant),
    /// What is kept of a grant cannot be read, which is no fault of its client's.
    #[error("what is kept of the grant cannot be read")]
    Unreadable,
    /// What was pushed could not be asked of a user.
    #[error("{0}")]
    NotAsked(NotAsked),
    /// A pushed request that stands for another one (RFC 9126 §2.1).
    #[error("a pushed request has a request_uri")]
    RequestUriPushed,
    /// A pushed request that no browser could carry through a login.
    #[error("the pushed request is too large for an address")]
    PushedTooLong,
    /// The token is another client's.
    #[error("the token belongs to another client")]
    NotTheirs,
    /// Too many failures before.
    #[error("too many proofs of who asks have failed")]
    Throttled {
        /// How long to wait.
        seconds: u64,
    },
    /// Too many requests were pushed without a proof.
    #[error("too many requests are pushed from this address for clients that prove nothing")]
    PushedTooOften {
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

/// Why a code or a refresh token brings nothing. A client is told `invalid_grant`, and no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NoGrant {
    /// There is none, or none any more.
    #[error("the code is unknown, or has ended")]
    CodeUnknown,
    /// It was used before, by the same client with the same proof: what it gave has ended.
    #[error("the code was used before, and what it gave has ended")]
    CodeReused,
    /// There is none, or none any more.
    #[error("the refresh token is unknown, or has ended")]
    RefreshUnknown,
    /// It was spent before, and not just now: its family has ended.
    #[error("the refresh token was spent before, and its family has ended")]
    RefreshReused,
    /// Its end has come.
    #[error("the user's grant has ended")]
    Ended,
    /// The user does not agree any more.
    #[error("the user has withdrawn his consent")]
    Withdrawn,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<NoRandomness> for Refused {
    fn from(none: NoRandomness) -> Self {
        Self::Unavailable(none.to_string())
    }
}

impl Refused {
    /// The code; nothing where it is not the request that is at fault.
    pub(super) fn error(&self) -> Option<OAuthError> {
        match self {
            Self::NoForm
            | Self::Query
            | Self::NoToken
            | Self::Token(_)
            | Self::RequestUriPushed
            | Self::PushedTooLong => Some(OAuthError::InvalidRequest),
            Self::Grant(_) => Some(OAuthError::InvalidGrant),
            // Who asks is proven; what is wrong is in the request. What an authorization endpoint has a code of its own for
            // is in `code`.
            Self::NotAsked(_) => Some(OAuthError::InvalidRequest),
            Self::Request(refusal) => Some(refusal.error()),
            Self::Client(fault) => Some(fault.error()),
            Self::NotTheirs => Some(OAuthError::InvalidGrant),
            Self::NotMinted(fault) => match fault {
                NotMinted::Ended | NotMinted::Subject | NotMinted::Actors => Some(OAuthError::InvalidRequest),
                NotMinted::PublicAudience | NotMinted::ForeignScope(_) => Some(OAuthError::InvalidTarget),
                NotMinted::ClientId => Some(OAuthError::UnauthorizedClient),
                NotMinted::Randomness | NotMinted::NoKey(_) | NotMinted::Signature => None,
            },
            Self::Unreadable
            | Self::Throttled { .. }
            | Self::PushedTooOften { .. }
            | Self::Unavailable(_)
            | Self::TooSlow
            | Self::NoIssuer => None,
        }
    }

    /// The code as it is sent.
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::NotAsked(NotAsked::Client { fault, .. }) => Some(fault.error().as_str()),
            other => other.error().map(OAuthError::as_str),
        }
    }

    /// Its label among the metrics.
    pub(super) fn label(&self) -> &'static str {
        match (self.code(), self) {
            (Some(code), _) => code,
            (None, Self::Throttled { .. } | Self::PushedTooOften { .. }) => "rate_limited",
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
            Self::RequestUriPushed => "a pushed request cannot have a request_uri",
            Self::PushedTooLong => "the request is too large",
            Self::NotAsked(fault) => description(fault),
            Self::Throttled { .. } => "too many failures to authenticate; wait, and try again",
            Self::PushedTooOften { .. } => "too many requests; wait, and try again",
            Self::NoIssuer => "nothing is served at this path",
            other => other.error().map_or("this cannot be answered now; try again later", OAuthError::description),
        }
    }

    /// What to send.
    pub(super) fn answer(&self, call: &Call) -> Response {
        let error = self.error();
        let (status, retry_after) = match (error, self) {
            (Some(error), _) => (error.status(), None),
            (None, Self::Throttled { seconds } | Self::PushedTooOften { seconds }) => {
                (StatusCode::TOO_MANY_REQUESTS, Some(*seconds))
            }
            (None, Self::NoIssuer) => (StatusCode::NOT_FOUND, None),
            (None, _) => {
                let wait = if call.endpoint == Endpoint::Token { SOON } else { LATER };
                (StatusCode::SERVICE_UNAVAILABLE, Some(wait))
            }
        };
        let mut body = json!({ "error_description": self.description(), "request_id": call.request_id });
        if let Some(code) = self.code() {
            body["error"] = code.into();
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

/// What a client that pushed a request may know: where its form is at fault, what is wrong with it; else no more than the
/// code says.
fn description(fault: &NotAsked) -> &'static str {
    match fault {
        NotAsked::Page(PageFault::ClientMissing | PageFault::ClientUnknown) => {
            "client_id must name who is authenticated"
        }
        NotAsked::Page(PageFault::RedirectUriMissing | PageFault::RedirectUriUnknown) => {
            "the redirect_uri is not one that is registered"
        }
        NotAsked::Client {
            fault: AuthorizationFault::ChallengeMissing | AuthorizationFault::ChallengeMethod, ..
        } => "PKCE is needed: a code_challenge with the code_challenge_method S256",
        NotAsked::Client { fault: AuthorizationFault::Refused(refusal), .. } => refusal.description(),
        NotAsked::Page(_) | NotAsked::Client { .. } => "the authorization request cannot be granted as it is",
    }
}
