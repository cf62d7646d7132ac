//! What everybody may read: the public keys, and what the issuer is and does.
//!
//! Both may be kept for 300 s: a next key is published for longer than that before it signs.

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::Call;
use crate::issuer;

const KEPT: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));

/// RFC 7517 §8.5.1.
const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(super) async fn keys(Extension(call): Extension<Arc<Call>>) -> Response {
    match &call.snapshot.issuing {
        Some(issuing) => document(JWK_SET, issuing.keys.load().jwk_set().as_bytes().to_vec()),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

pub(super) async fn metadata(Extension(call): Extension<Arc<Call>>) -> Response {
    match &call.snapshot.config.issuer {
        Some(server) => document(JSON, issuer::metadata(server)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn document(kind: HeaderValue, body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, kind), KEPT], body).into_response()
}
