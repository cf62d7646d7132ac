//! What a user meets in a browser: from an authorization request over login and consent to a code, and the page of what was
//! granted.
//!
//! [`cookies`] are the two that his browser keeps: who has logged in there, and that it is this browser. [`kept`] are sessions
//! in the store and transactions in his hands; [`pages`] is all that is drawn. A [`visit`] is one request; [`authorize`] says
//! how it goes on, by way of [`login`] and [`consent`] to [`granting`], or to the reason why it does not ([`halted`]).
//! [`grants`] shows what came of all that. What may be asked and granted is decided in [`crate::issuer`].
//!
//! Deliberately absent: scripts, and CORS. Nothing here is for another site's pages to read.

mod authorize;
mod calendar;
mod consent;
mod consent_page;
pub(super) mod cookies;
mod granting;
mod grants;
mod halted;
mod held;
pub(super) mod kept;
mod login;
pub(super) mod pages;
mod passwords;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use axum::{Extension, Router};
use http::Method;
use tokio::time::timeout;

use self::halted::{Halted, not_allowed};
pub(super) use self::halted::{redirect, superseded};
pub(super) use self::passwords::Passwords;
use self::visit::Visit;
use super::{Call, Desk};
use crate::issuer::Endpoint;

/// How long a page may take, the store included.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every page of ours.
pub(super) fn router() -> Router<Desk> {
    let page: fn() -> MethodRouter<Desk> = || any(answer);
    Router::new()
        .route(Endpoint::Authorization.path(), page())
        .route(Endpoint::Login.path(), page())
        .route(Endpoint::Consent.path(), page())
        .route(Endpoint::Grants.path(), page())
        .route(Endpoint::Logout.path(), page())
}

async fn answer(State(desk): State<Desk>, Extension(call): Extension<Arc<Call>>, method: Method) -> Response {
    let work = async {
        let visit = Visit::new(&desk, &call, &call.headers)?;
        answered(&visit, &method).await
    };
    let too_slow = || Err(Halted::Unavailable("the answer took too long".to_owned()));
    let answered = timeout(PATIENCE, work).await.unwrap_or_else(|_| too_slow());
    answered.unwrap_or_else(|halted| {
        // What another configuration would have refused, this one may not; what does not work has tried something.
        let counts = matches!(halted, Halted::Unavailable(_) | Halted::StillAllowed(_))
            || desk.gateway.current.is(&call.snapshot);
        if counts { halted } else { Halted::Superseded }.answer(&call)
    })
}

async fn answered(visit: &Visit<'_>, method: &Method) -> Result<Response, Halted> {
    match (visit.call.endpoint, method) {
        (Endpoint::Authorization, &Method::GET) => authorize::begin(visit).await,
        (Endpoint::Authorization, &Method::POST) => authorize::begin_by_form(visit).await,
        (Endpoint::Login, &Method::GET) => login::choose(visit).await,
        (Endpoint::Login, &Method::POST) => login::enter(visit).await,
        (Endpoint::Consent, &Method::GET) => consent::come(visit).await,
        (Endpoint::Consent, &Method::POST) => consent::answered(visit).await,
        (Endpoint::Grants, &Method::GET) => grants::list(visit).await,
        (Endpoint::Grants, &Method::POST) => grants::withdraw(visit).await,
        (Endpoint::Logout, &Method::POST) => grants::log_out(visit).await,
        (Endpoint::Logout, _) => Ok(not_allowed("POST")),
        _ => Ok(not_allowed("GET, HEAD, POST")),
    }
}
