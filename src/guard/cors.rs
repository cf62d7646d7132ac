//! Which web pages may call a resource, and how that is told to a browser (Fetch standard).
//!
//! A preflight is answered here and never forwarded, because it carries no token. Deliberately absent:
//! `Access-Control-Allow-Credentials`. Tokens travel in `Authorization`, which needs none, and cookies are not the
//! gateway's business.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Answer, RequestView};
use crate::config::{Cors, CorsOrigins};

/// The CORS fields of one answer; none where the page may not read it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CorsHeaders {
    allow_origin: Option<HeaderValue>,
    varies: bool,
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

impl CorsHeaders {
    /// What `cors` says to the page that sent the request.
    pub(super) fn of(cors: Option<&Cors>, headers: &HeaderMap) -> Self {
        let Some(cors) = cors else {
            return Self::default();
        };
        let Some(origin) = headers.get(ORIGIN) else {
            return Self { allow_origin: None, varies: true };
        };
        match &cors.origins {
            CorsOrigins::Any => Self { allow_origin: Some(HeaderValue::from_static("*")), varies: false },
            CorsOrigins::Listed(listed) => {
                let allowed = listed.iter().any(|known| known.as_bytes() == origin.as_bytes());
                Self { allow_origin: allowed.then(|| origin.clone()), varies: true }
            }
        }
    }

    /// Every origin, for documents that anyone may read.
    pub(super) fn anyone() -> Self {
        Self { allow_origin: Some(HeaderValue::from_static("*")), varies: false }
    }

    /// The fields to put into an answer of the upstream, in place of its own.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let origin = self.allow_origin.clone().map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        let vary = self.varies.then(|| (VARY, HeaderValue::from_static("Origin")));
        origin.into_iter().chain(vary)
    }

    /// Whether this resource has a CORS policy at all, so that the upstream's own fields give way.
    pub fn governs(&self) -> bool {
        self.varies || self.allow_origin.is_some()
    }

    /// Adds the fields of a refusal, whose challenge the page may read.
    pub(super) fn write_refusal(&self, headers: &mut HeaderMap) {
        for (name, value) in self.fields() {
            headers.insert(name, value);
        }
        if self.allow_origin.is_some() {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate"));
        }
    }
}

/// Whether a request is a genuine preflight: a plain `OPTIONS` is not, and needs a token like any other.
pub(super) fn is_preflight(request: &RequestView<'_>) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight.
pub(super) fn answer_preflight(cors: &CorsHeaders, headers: &HeaderMap) -> Answer {
    let mut answer = HeaderMap::new();
    answer.extend(cors.fields());
    if cors.allow_origin.is_some() {
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        // What the page wants to send is the API's business; `Authorization` is ours, and no `*` ever stands for it.
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|wanted| is_name_list(wanted));
        let allowed = wanted.cloned().unwrap_or(HeaderValue::from_static("Authorization, Content-Type"));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    Answer { status: StatusCode::NO_CONTENT, headers: answer, body: bytes::Bytes::new() }
}

fn is_name_list(value: &HeaderValue) -> bool {
    let names = value.as_bytes().split(|byte| *byte == b',');
    names.into_iter().all(|name| HeaderName::from_bytes(name.trim_ascii()).is_ok())
}
