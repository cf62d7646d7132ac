//! Why nobody is logged in, and who is told: the client where it can be its matter, or else whoever sits at the browser.
//!
//! What is wrong with a provider's answer is told on a page that repeats nothing of it (RFC 9207 §2.4): such an answer may be
//! anybody's. What the provider says in good faith, and what it cannot do now, goes back to the client.

use axum::response::Response;
use http::StatusCode;
use http::header::RETRY_AFTER;

use super::way::Way;
use crate::fetch::{FetchError, FetchFault, InvalidTrust};
use crate::issuer::{IdTokenFault, IdentityFault, NotAsked, PageFault, ResponseFault, UserInfoFault};
use crate::oauth::AuthorizationError;
use crate::secret::Secret;
use crate::serve::issuer::browser::kept::NotKept;
use crate::serve::issuer::browser::pages::{Leads, Problem, page};
use crate::serve::issuer::browser::redirect;
use crate::serve::issuer::refused::LATER;
use crate::serve::issuer::{Call, Told};
use crate::store::StoreError;
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::mint::SigningKeyFault;

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub(in crate::serve::issuer) enum NotLoggedIn {
    /// Too many logins were begun from this address.
    #[error("too many logins were begun from one address")]
    Throttled {
        /// How long to wait.
        seconds: u64,
    },
    /// The provider is none at which users log in.
    #[error("there is no login at this provider")]
    NoProvider,
    /// What the login is for is not to be had any more.
    #[error("what the login is for is refused now: {0}")]
    NotAsked(Box<NotAsked>),
    /// The answer counts for nothing.
    #[error("{0}")]
    Response(#[from] ResponseFault),
    /// No login under way has this state: it never was, has ended, or was finished.
    #[error("the state is unknown, used, or too old")]
    UnknownState,
    /// It was begun in another browser.
    #[error("the login was begun in another browser")]
    OtherBrowser,
    /// What it is for has ended by now.
    #[error("the login took too long")]
    Late,
    /// The provider says no, or cannot.
    #[error("the provider answered with an error, told as `{0}`")]
    Provider(AuthorizationError),
    /// The provider does not take our code.
    #[error("the code cannot be redeemed: {0}")]
    Redemption(FetchError),
    /// Its answer to the code is none.
    #[error("the answer of the token endpoint has no ID token, or is no JSON object")]
    NoIdToken,
    /// The ID token.
    #[error("{0}")]
    IdToken(#[from] IdTokenFault),
    /// UserInfo.
    #[error("{0}")]
    UserInfo(#[from] UserInfoFault),
    /// There is no way to UserInfo.
    #[error("`userinfo` is on, but the provider has no such endpoint, or gave no access token")]
    NoUserInfo,
    /// UserInfo was not given.
    #[error("the UserInfo endpoint gives nothing: {0}")]
    UserInfoRefused(FetchError),
    /// Who it is cannot be told.
    #[error("{0}")]
    Identity(#[from] IdentityFault),
    /// The login is older than the client takes, or nobody says how old.
    #[error("the provider's `auth_time` is missing, or too old for what the client asks")]
    NotFresh,
    /// The provider's documents, endpoints or keys cannot be had.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the provider, or the store, took too long")]
    TooSlow,
    /// Another configuration has another idea of this provider.
    #[error("the configuration of the provider changed meanwhile")]
    Changed,
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The session cannot be kept.
    #[error("{0}")]
    NotKept(#[from] NotKept),
    /// The key by which we prove who we are.
    #[error("the client key cannot sign: {0}")]
    ClientKey(#[from] SigningKeyFault),
    /// Nothing can be fetched at all.
    #[error("{0}")]
    Trust(#[from] InvalidTrust),
    /// Something does not work here.
    #[error("{0}")]
    Broken(&'static str),
}

/// What a fetch that failed means, if it is not that the other side is away.
pub(super) fn away_or(error: FetchError, refused: impl FnOnce(FetchError) -> NotLoggedIn) -> NotLoggedIn {
    match error.fault {
        FetchFault::Connection | FetchFault::Timeout | FetchFault::Interrupted | FetchFault::Status(429 | 500..) => {
            NotLoggedIn::Unreachable(error.to_string())
        }
        FetchFault::Status(_)
        | FetchFault::Refused(_)
        | FetchFault::Redirect(_)
        | FetchFault::TooLong
        | FetchFault::Credential => refused(error),
    }
}

/// What is told, and by whom it is read.
enum Blame {
    /// The client, if one asks; else a page.
    Client(AuthorizationError),
    /// A page alone.
    Page,
}

impl NotLoggedIn {
    fn blame(&self) -> Blame {
        match self {
            Self::Provider(error) => Blame::Client(*error),
            Self::NotFresh => Blame::Client(AuthorizationError::UnmetAuthenticationRequirements),
            Self::Unreachable(_) | Self::TooSlow | Self::Changed => {
                Blame::Client(AuthorizationError::TemporarilyUnavailable)
            }
            // The client could do nothing but ask again.
            Self::Store(_) | Self::NotKept(NotKept::Store(_)) => Blame::Page,
            Self::NotKept(_) | Self::ClientKey(_) | Self::Trust(_) | Self::Broken(_) => {
                Blame::Client(AuthorizationError::ServerError)
            }
            Self::Throttled { .. }
            | Self::NoProvider
            | Self::NotAsked(_)
            | Self::Response(_)
            | Self::UnknownState
            | Self::OtherBrowser
            | Self::Late
            | Self::Redemption(_)
            | Self::NoIdToken
            | Self::IdToken(_)
            | Self::UserInfo(_)
            | Self::NoUserInfo
            | Self::UserInfoRefused(_)
            | Self::Identity(_) => Blame::Page,
        }
    }

    /// What to send, once it is written down. `way` is what the login was for, as far as that is known.
    pub(super) fn answer(&self, call: &Call, way: Option<&Way>) -> Response {
        let reason = self.to_string();
        let deed = if matches!(self, Self::Throttled { .. }) { Deed::Throttled } else { Deed::LoginFailed };
        let client = way.and_then(|way| way.client.as_deref());
        AuditLine { client, reason: Some(&reason), ..AuditLine::new(deed, &call.request_id, call.peer) }.write();
        let to = way.and_then(|way| way.to.as_ref());
        let mut response = match (self, self.blame(), to) {
            (Self::NotAsked(fault), ..) => match &**fault {
                NotAsked::Client { to, fault } => redirect(&Secret::new(to.with_error(fault.error()))),
                NotAsked::Page(fault) => self.page(call, Some(*fault)),
            },
            (_, Blame::Client(error), Some(to)) => redirect(&Secret::new(to.with_error(error))),
            _ => self.page(call, None),
        };
        response.extensions_mut().insert(Told(reason));
        response
    }

    fn page(&self, call: &Call, fault: Option<PageFault>) -> Response {
        let (status, title, text) = match self {
            Self::Throttled { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "Too many logins", "Wait a moment, and try again.")
            }
            Self::Store(_) | Self::NotKept(NotKept::Store(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "This cannot be done right now", "Try again in a moment.")
            }
            Self::Provider(AuthorizationError::AccessDenied) => {
                (StatusCode::FORBIDDEN, "You are not logged in", "The login was cancelled, or is not allowed.")
            }
            _ => match self.blame() {
                Blame::Client(AuthorizationError::TemporarilyUnavailable) => {
                    (StatusCode::SERVICE_UNAVAILABLE, "This login is out of reach", "Try again later.")
                }
                Blame::Client(AuthorizationError::ServerError) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "This login does not work", "Tell whoever runs this service.")
                }
                Blame::Client(_) | Blame::Page => (
                    StatusCode::BAD_REQUEST,
                    "The login failed",
                    "Go back to where you came from, and begin again. A login ends in the browser in which it began.",
                ),
            },
        };
        let error = fault.map(|fault| fault.error().as_str());
        let problem = Problem { title, text, error, request_id: &call.request_id };
        let mut response = page(status, &problem, &Leads::Home);
        let seconds = match self {
            Self::Throttled { seconds } => Some(*seconds),
            Self::Store(_) | Self::NotKept(NotKept::Store(_)) => Some(LATER),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
