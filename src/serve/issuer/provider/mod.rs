//! Login at an OpenID provider, at which we are a client (OpenID Connect Core §3.1).

use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::browser::pages::{Leads, Problem, page};
use super::{Call, Desk};
use crate::issuer::Transaction;
use crate::oauth::IssuerName;

/// Sends the user to a provider, to come back to `/login/callback`.
pub(super) async fn begin(
    _desk: &Desk,
    call: &Call,
    _headers: &HeaderMap,
    _transaction_text: &str,
    _transaction: &Transaction,
    _provider: &IssuerName,
) -> Response {
    let problem = Problem {
        title: "This login is out of reach",
        text: "Try again later.",
        error: None,
        request_id: &call.request_id,
    };
    page(StatusCode::SERVICE_UNAVAILABLE, &problem, &Leads::Home)
}
