//! Why a user gets no further, what he is shown of it, and what the operator is told.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, LOCATION, REFERRER_POLICY, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use super::kept::NotKept;
use super::pages::{Leads, Problem, page};
use crate::issuer::{Asked, PageFault, ReturnAddress};
use crate::oauth::AuthorizationError;
use crate::secret::Secret;
use crate::serve::issuer::refused::LATER;
use crate::serve::issuer::{Call, Superseded, Told};
use crate::store::StoreError;
use crate::telemetry::audit::{AuditLine, Deed};

/// Why a user gets no further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halted {
    /// Another configuration came; all is to be judged by that.
    #[error("another configuration came")]
    Superseded,
    /// A request whose client cannot be told.
    #[error("{0}")]
    Fault(PageFault),
    /// The client is told.
    #[error("{}", .0.reason)]
    Refused(Box<Refused>),
    /// There is no such pushed request, or none any more.
    #[error("the request_uri is unknown, has ended, was used, or is another client's")]
    RequestUri,
    /// What a user is on his way to cannot be told.
    #[error("the transaction is unknown, another browser's, or took too long")]
    Transaction,
    /// What a user is on his way to does not fit into an address.
    #[error("the request is too large for an address")]
    TooLong,
    /// A form of another site.
    #[error("the form came from another site")]
    Foreign,
    /// What came is no form of ours.
    #[error("what was sent is no form of this page")]
    Form,
    /// Nobody can log in that way.
    #[error("there is no such way to log in")]
    NoSuchLogin,
    /// Something that is needed does not work now.
    #[error("{0}")]
    Unavailable(String),
    /// What was to be taken back may stand, or a part of it.
    #[error("not all that a user takes back has ended: {0}")]
    StillAllowed(String),
    /// There is no issuer any more, or nobody can log in.
    #[error("there is no issuer in this configuration")]
    NoIssuer,
}

/// What a client is told instead of a code.
#[derive(Debug)]
pub(super) struct Refused {
    client: String,
    to: ReturnAddress,
    error: AuthorizationError,
    reason: String,
}

impl From<StoreError> for Halted {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<NotKept> for Halted {
    fn from(error: NotKept) -> Self {
        match error {
            NotKept::TooLong => Self::TooLong,
            NotKept::Store(_) | NotKept::Randomness => Self::Unavailable(error.to_string()),
        }
    }
}

impl Halted {
    /// What was asked for is not given, and its client is told.
    pub(super) fn declined(asked: &Asked, error: AuthorizationError, reason: impl Into<String>) -> Self {
        Self::refused(&asked.client, asked.to.clone(), error, reason)
    }

    /// A client is told.
    pub(super) fn refused(
        client: &str,
        to: ReturnAddress,
        error: AuthorizationError,
        reason: impl Into<String>,
    ) -> Self {
        Self::Refused(Box::new(Refused { client: client.to_owned(), to, error, reason: reason.into() }))
    }

    /// Writes it down, and answers.
    pub(super) fn answer(&self, call: &Call) -> Response {
        let reason = self.to_string();
        let client = match self {
            Self::Refused(refused) => Some(refused.client.as_str()),
            _ => None,
        };
        if client.is_some() || matches!(self, Self::Fault(_) | Self::RequestUri) {
            let line = AuditLine::new(Deed::AuthorizationRefused, &call.request_id, call.peer);
            AuditLine { client, reason: Some(&reason), ..line }.write();
        }
        let mut response = match self {
            Self::Superseded => superseded(),
            Self::Refused(refused) => redirect(&Secret::new(refused.to.with_error(refused.error))),
            other => other.shown(call),
        };
        response.extensions_mut().insert(Told(reason));
        response
    }

    fn shown(&self, call: &Call) -> Response {
        let (status, title, text, error) = match self {
            Self::Fault(fault) => {
                let error = fault.error().as_str();
                (StatusCode::BAD_REQUEST, "This request cannot be answered", said_of(*fault), Some(error))
            }
            Self::RequestUri => (
                StatusCode::BAD_REQUEST,
                "This request is not good any more",
                "It was used before, or took too long. Go back to the application, and begin again there.",
                Some("invalid_request_uri"),
            ),
            Self::Transaction => (
                StatusCode::BAD_REQUEST,
                "This page is not good any more",
                "It took too long, or was begun in another browser, or cookies are switched off. Go back to the \
                 application, and begin again there.",
                None,
            ),
            Self::TooLong => (
                StatusCode::BAD_REQUEST,
                "This request is too large",
                "The application asks for more than fits into an address. Tell whoever made it.",
                Some("invalid_request"),
            ),
            Self::Foreign => (
                StatusCode::FORBIDDEN,
                "This came from another site",
                "Only our own pages can ask for this, so nothing was done.",
                None,
            ),
            Self::Form => {
                (StatusCode::BAD_REQUEST, "This cannot be read", "Go back, and try again. Nothing was done.", None)
            }
            Self::NoSuchLogin => (
                StatusCode::BAD_REQUEST,
                "There is no such way to sign in",
                "Go back to the application, and begin again there.",
                None,
            ),
            Self::NoIssuer => (StatusCode::NOT_FOUND, "There is nothing here", "Nobody can sign in here.", None),
            Self::StillAllowed(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not everything is taken back yet",
                "Some of it is still allowed. Go back, and take it back once more in a moment.",
                None,
            ),
            Self::Superseded | Self::Refused(_) | Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This does not work right now",
                "It is not your fault. Try again in a moment.",
                None,
            ),
        };
        let mut response = page(status, &Problem { title, text, error, request_id: &call.request_id }, &Leads::Home);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, LATER.into());
        }
        response
    }
}

/// What an application's developer can do about it.
fn said_of(fault: PageFault) -> &'static str {
    match fault {
        PageFault::Malformed => "What the application asks for is not well-formed.",
        PageFault::TooLarge => "The application asks for more than can be read at once.",
        PageFault::ClientMissing => "It does not say which application asks (client_id).",
        PageFault::ClientUnknown => "The application that asks is not known here.",
        PageFault::ParameterRepeated => "It names the application, or where its answer goes, more than once.",
        PageFault::RedirectUriMissing => "It does not say where the answer goes (redirect_uri).",
        PageFault::RedirectUriUnknown => {
            "Its answer would go where this application is not known to live (redirect_uri), so you were not sent there."
        }
        PageFault::ResponseModeUnsupported => "The answer is to come in a way that is not offered (response_mode).",
    }
}

/// What makes the bridge ask again.
pub(in crate::serve::issuer) fn superseded() -> Response {
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.extensions_mut().insert(Superseded);
    response
}

/// Sends the browser elsewhere, by `GET` whatever it came with (RFC 9700 §4.12).
pub(in crate::serve::issuer) fn redirect(location: &Secret) -> Response {
    let Ok(mut location) = HeaderValue::from_bytes(location.expose()) else {
        return (StatusCode::INTERNAL_SERVER_ERROR, [(CACHE_CONTROL, "no-store")]).into_response();
    };
    location.set_sensitive(true);
    let always = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, always).into_response()
}

/// What whoever uses another method gets.
pub(super) fn not_allowed(allowed: &'static str) -> Response {
    let fields = [(ALLOW, allowed), (CACHE_CONTROL, "no-store")];
    (StatusCode::METHOD_NOT_ALLOWED, fields).into_response()
}
