//! The pages: drawn here, without a script, from templates that escape whatever they are given.
//!
//! None can be framed, none loads anything, and none says where it came from (RFC 9700 §4.2.4, §4.16). A form may lead to our own
//! pages, and from there to wherever its client lives, which is why [`Leads`] is part of each.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

/// All style there is; it stands in every page, and the policy of each names its digest.
pub(super) const STYLE: &str = include_str!("../../../../templates/style.css");

/// The digest of [`STYLE`], as a policy names it.
static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, STYLE.as_bytes()))));

/// A page that says why nothing comes of a request.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub(in crate::serve::issuer) struct Problem<'a> {
    /// What is wrong, as a heading.
    pub(in crate::serve::issuer) title: &'a str,
    /// What happened, and what the user can do.
    pub(in crate::serve::issuer) text: &'a str,
    /// The code that a client's developer knows, if there is one.
    pub(in crate::serve::issuer) error: Option<&'a str>,
    /// By which an operator finds the line in the log.
    pub(in crate::serve::issuer) request_id: &'a str,
}

/// Where the forms of a page may lead. Browsers hold every redirect behind a form to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::serve::issuer) enum Leads {
    /// To our own pages alone.
    Home,
    /// Also away, to any `https` place, and to this source of a content security policy (a loopback origin, a program's
    /// own scheme) where that is none.
    Away(Option<String>),
}

/// A page, with all that protects it.
pub(in crate::serve::issuer) fn page(status: StatusCode, page: &impl Template, leads: &Leads) -> Response {
    let Ok(html) = page.render() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, [(CACHE_CONTROL, "no-store")]).into_response();
    };
    let form_action = match leads {
        Leads::Home => "'self'".to_owned(),
        Leads::Away(None) => "'self' https:".to_owned(),
        Leads::Away(Some(source)) => format!("'self' https: {source}"),
    };
    let policy = format!(
        "default-src 'none'; style-src {}; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'",
        *STYLE_SOURCE
    );
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; form-action 'none'; frame-ancestors 'none'"));
    let always: [(HeaderName, HeaderValue); 6] = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, always, html).into_response()
}
