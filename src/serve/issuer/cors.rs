//! Which web pages may ask for tokens: those at the origin of a public client's redirect URI, which a browser sends a code to
//! (Fetch standard; RFC 9700 §2.6).
//!
//! Deliberately absent: `Access-Control-Allow-Credentials`, as no cookie counts here; `*`; and every endpoint that a page
//! does not ask by a script. A client that keeps a secret is no page.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::Call;
use crate::config::{Client, GrantType};
use crate::issuer::Endpoint;

/// The answer to a page's question whether it may ask, if it may; nothing for every other request.
pub(super) fn preflight(call: &Call, method: &Method) -> Option<Response> {
    const FIELDS: [(http::HeaderName, HeaderValue); 3] = [
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST")),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type")),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ];
    let is_for_pages = matches!(call.endpoint, Endpoint::Token | Endpoint::Revocation);
    let is_preflight = method == Method::OPTIONS && call.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    (is_for_pages && is_preflight && allowed_origin(call).is_some())
        .then(|| (StatusCode::NO_CONTENT, FIELDS).into_response())
}

/// Lets the page read what its request is told.
pub(super) fn for_pages(call: &Call, headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed_origin(call) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
    }
}

/// The one origin that a request names, if a page there is a client of ours.
fn allowed_origin(call: &Call) -> Option<HeaderValue> {
    let server = call.snapshot.config.issuer.as_ref();
    let mut named = call.headers.get_all(ORIGIN).iter();
    let origin = named.next().filter(|_| named.next().is_none())?;
    let is_page = |client: &Client| {
        let is_open = !client.disabled && !client.is_confidential();
        is_open && client.grants.contains(&GrantType::AuthorizationCode)
    };
    let mut pages = server?.clients.iter().filter(|client| is_page(client)).flat_map(|client| &client.redirect_uris);
    let is_theirs = pages.any(|uri| uri.origin().is_some_and(|known| known.as_bytes() == origin.as_bytes()));
    is_theirs.then(|| origin.clone())
}
