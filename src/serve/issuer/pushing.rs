//! Where a client leaves beforehand what it will ask a user for (RFC 9126 §2).
//!
//! It is judged here as it will be at the authorization endpoint, where it is judged again, so that the client hears at once
//! what is wrong. What proves who asks is not kept.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::given;
use super::pushed::{self, SECONDS};
use super::refused::Refused;
use crate::clock::Timestamp;
use crate::config::Client;
use crate::issuer::{AuthorizationRequest, Form, PageFault, asked};
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// A request that is good, of this client.
pub(super) struct Pushing {
    request: AuthorizationRequest,
    client: String,
}

/// Judges a request that a client pushes.
///
/// # Errors
///
/// [`Refused`] says what is wrong with it.
pub(super) fn decide(snapshot: &Snapshot, client: &Client, form: &Form<'_>, body: &Secret) -> Result<Pushing, Refused> {
    let (policy, issuing) = given::issuer(snapshot)?;
    if form.one("request_uri").is_some() {
        return Err(Refused::RequestUriPushed);
    }
    // Its proof may have two readings, and a request has one client.
    if form.one("client_id").is_some_and(|id| id != client.id) {
        return Err(Refused::NotAsked(PageFault::ClientUnknown.into()));
    }
    let request = AuthorizationRequest::of_form(b"", body.expose()).map_err(|fault| Refused::NotAsked(fault.into()))?;
    let request = request.without_credentials();
    asked(&policy, &request).map_err(Refused::NotAsked)?;
    if pushed::is_too_long(issuing, &request, Timestamp::now()) {
        return Err(Refused::PushedTooLong);
    }
    Ok(Pushing { request, client: client.id.clone() })
}

impl Pushing {
    /// Keeps it, and tells where.
    ///
    /// # Errors
    ///
    /// [`Refused::Unavailable`] if it cannot be kept.
    pub(super) async fn commit(self, snapshot: &Snapshot) -> Result<Response, Refused> {
        let (_, issuing) = given::issuer(snapshot)?;
        let until = Timestamp(Timestamp::now().0.saturating_add(SECONDS));
        let kept = pushed::keep(issuing, &self.request, &self.client, until).await;
        let request_uri = kept.map_err(|error| Refused::Unavailable(error.to_string()))?;
        Ok((StatusCode::CREATED, Json(json!({ "request_uri": request_uri, "expires_in": SECONDS }))).into_response())
    }
}
