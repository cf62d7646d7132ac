//! Which web pages may ask for tokens: those at the origin of a public client's redirect URI, which a browser sends a code to
//! (Fetch standard; RFC 9700 §2.6).
//!
//! Deliberately absent: `Access-Control-Allow-Credentials`, as no cookie counts here; `*`; and every endpoint that a page
//! does not ask by a script. A client that keeps a secret is no page.

use axum::Extension;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::Call;
use crate::config::{AuthorizationServer, Client, GrantType};

/// Answers preflights, and lets the page read what its request is told.
pub(super) async fn for_pages(Extension(call): Extension<Call>, request: Request, next: Next) -> Response {
    let server = call.snapshot.config.issuer.as_ref();
    let origin = allowed_origin(server, request.headers());
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, is_preflight) {
        (Some(_), true) => preflight(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
    }
    response
}

fn preflight() -> Response {
    const FIELDS: [(http::HeaderName, HeaderValue); 3] = [
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST")),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type")),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ];
    (StatusCode::NO_CONTENT, FIELDS).into_response()
}

/// The one origin that a request names, if a page there is a client of ours.
fn allowed_origin(server: Option<&AuthorizationServer>, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut named = headers.get_all(ORIGIN).iter();
    let origin = named.next().filter(|_| named.next().is_none())?;
    let is_page = |client: &Client| {
        let is_open = !client.disabled && !client.is_confidential();
        is_open && client.grants.contains(&GrantType::AuthorizationCode)
    };
    let mut pages = server?.clients.iter().filter(|client| is_page(client)).flat_map(|client| &client.redirect_uris);
    let is_theirs = pages.any(|uri| uri.origin().is_some_and(|known| known.as_bytes() == origin.as_bytes()));
    is_theirs.then(|| origin.clone())
}
