//! The metadata document of a protected resource (RFC 9728 §2, §3): made from the configuration, never from a request.

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::{Answer, CorsHeaders, Denial, RequestView, cors};
use crate::config::{Config, Resource};
use crate::oauth::Reason;

/// An answer that the gate gives itself: a metadata document, or the answer to a preflight.
#[derive(Clone, Debug)]
pub struct Document(Answer);

#[derive(Serialize)]
struct ProtectedResourceMetadata<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'a str; 1],
    resource_name: &'a str,
}

impl Document {
    /// Wraps an answer that needs no upstream.
    pub(super) fn new(answer: Answer) -> Self {
        Self(answer)
    }

    /// What to send.
    pub fn answer(self) -> Answer {
        self.0
    }
}

/// The document of one resource, as JSON.
pub(super) fn document(config: &Config, resource: &Resource) -> Bytes {
    let own = config.issuer.iter().filter(|_| resource.own_issuer).map(|issuer| issuer.issuer.as_str());
    let issuers = resource.issuers.iter().map(|entry| &config.trusted_issuers[entry.issuer.0]);
    let metadata = ProtectedResourceMetadata {
        resource: resource.key.as_str(),
        // Only URLs are issuer identifiers (RFC 8414 §2); an issuer without one cannot be asked for a token this way.
        // Our own comes first: it is the one that mints for this resource alone.
        authorization_servers: own
            .chain(issuers.flat_map(|issuer| issuer.issuers.iter().map(String::as_str)))
            .filter(|issuer| issuer.starts_with("https://") || issuer.starts_with("http://"))
            .collect(),
        scopes_supported: resource.scopes.iter().map(|(scope, _)| scope.as_str()).collect(),
        bearer_methods_supported: ["header"],
        resource_name: resource.name.as_deref().unwrap_or(resource.key.as_str()),
    };
    serde_json::to_vec(&metadata).map(Bytes::from).expect("strings and lists of strings are always JSON")
}

/// The answer to a request for a document: it asks for no token, and any page may read it.
///
/// # Errors
///
/// [`Reason::MethodNotAllowed`] for anything but `GET`, `HEAD` and a preflight.
pub(super) fn answer(request: &RequestView<'_>, document: &Bytes) -> Result<Answer, Denial> {
    if cors::is_preflight(request) {
        return Ok(cors::answer_preflight(&CorsHeaders::anyone(), request.headers));
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        let allow = Some(HeaderValue::from_static("GET, HEAD"));
        let detail = "a metadata document is read, and nothing else";
        let denial = Denial { allow, detail, ..Denial::new(Reason::MethodNotAllowed, None) };
        return Err(denial.with_cors(CorsHeaders::anyone()));
    }
    let mut headers = HeaderMap::new();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(Answer { status: StatusCode::OK, headers, body: document.clone() })
}
