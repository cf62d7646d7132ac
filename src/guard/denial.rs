//! How a refusal is told: status, challenge (RFC 6750 §3, RFC 9728 §5.1) and a JSON body.
//!
//! Everything in it comes from the configuration or from a fixed list. Nothing of the request is echoed.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::CorsHeaders;
use crate::config::ResourceId;
use crate::oauth::{Reason, Rejection};
use crate::token::GenuineToken;

/// A complete answer, ready to be sent.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields, without framing.
    pub headers: HeaderMap,
    /// The body; not sent in answer to `HEAD`.
    pub body: Bytes,
}

/// A request that is not forwarded, and all that the answer and the record need.
#[derive(Clone, Debug)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// The resource that was asked, if one was found.
    pub resource: Option<ResourceId>,
    /// What exactly is wrong, for the operator; from a fixed list.
    pub detail: &'static str,
    /// The token that was refused, if it is genuine.
    pub genuine: Option<Arc<GenuineToken>>,
    /// The resource that the token was minted for, if that is the matter.
    pub presented_for: Option<ResourceId>,
    pub(super) challenge: Option<Arc<ChallengeFacts>>,
    pub(super) scopes: Vec<String>,
    pub(super) allow: Option<HeaderValue>,
    pub(super) cors: CorsHeaders,
}

/// What a challenge says about its resource.
#[derive(Debug)]
pub(super) struct ChallengeFacts {
    pub(super) resource: String,
    pub(super) metadata_url: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    error_description: &'a str,
    reason: &'a str,
    request_id: &'a str,
}

impl Denial {
    /// A refusal without anything that only the guard knows; the edge makes these for framing, limits and upstreams.
    pub fn new(reason: Reason, resource: Option<ResourceId>) -> Self {
        Self {
            reason,
            resource,
            detail: "",
            genuine: None,
            presented_for: None,
            challenge: None,
            scopes: Vec::new(),
            allow: None,
            cors: CorsHeaders::default(),
        }
    }

    /// Every scope that the request needs, if it got as far as that.
    pub fn needed_scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The same refusal, readable by the pages that `cors` lets in.
    pub fn with_cors(self, cors: CorsHeaders) -> Self {
        Self { cors, ..self }
    }

    /// What to send.
    pub fn answer(&self, request_id: &str) -> Answer {
        let description = self.description();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge_field(&description) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = &self.allow {
            headers.insert(ALLOW, allow.clone());
        }
        if self.reason.status() == StatusCode::SERVICE_UNAVAILABLE || self.reason == Reason::RateLimited {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        self.cors.write_refusal(&mut headers);
        let body = Body {
            error: body_error(self.reason),
            error_description: &description,
            reason: self.reason.as_str(),
            request_id,
        };
        let body = serde_json::to_vec(&body).map(Bytes::from).expect("strings are always JSON");
        Answer { status: self.reason.status(), headers, body }
    }

    /// `error_description`: what is wrong and what to do about it, without quotes and backslashes (RFC 6750 §3).
    fn description(&self) -> String {
        let mut text = self.reason.to_string();
        let resource = self.challenge.as_deref().map(|facts| facts.resource.as_str());
        let audience = matches!(
            self.reason,
            Reason::AudienceMissing | Reason::AudienceMismatch | Reason::AudienceTooBroad | Reason::CredentialMissing
        );
        if let (true, Some(resource)) = (audience, resource) {
            // Writing into a string cannot fail.
            let _ = write!(text, "; ask for one with resource={resource}");
        }
        if self.reason == Reason::ScopeInsufficient {
            let _ = write!(text, "; it needs {}", self.scopes.join(" "));
        }
        text
    }

    /// `WWW-Authenticate`, for refusals that another token, or a token sent rightly, would turn into an answer.
    fn challenge_field(&self, description: &str) -> Option<HeaderValue> {
        let facts = self.challenge.as_deref()?;
        let error = self.reason.oauth_error();
        if error.is_none() && self.reason != Reason::CredentialMissing {
            return None;
        }
        let error = error.map(|error| (error, description));
        Some(facts.challenge(error, &self.scopes))
    }
}

impl ChallengeFacts {
    /// A Bearer challenge; without `error` where no token was sent (RFC 6750 §3).
    pub(super) fn challenge(&self, error: Option<(&str, &str)>, scopes: &[String]) -> HeaderValue {
        let mut text = format!("Bearer realm=\"{}\"", self.resource);
        if let Some((error, description)) = error {
            let _ = write!(text, ", error=\"{error}\", error_description=\"{description}\"");
        }
        if !scopes.is_empty() {
            let _ = write!(text, ", scope=\"{}\"", scopes.join(" "));
        }
        if let Some(url) = &self.metadata_url {
            let _ = write!(text, ", resource_metadata=\"{url}\"");
        }
        HeaderValue::from_str(&text).expect("indicators, scopes and fixed texts are printable ASCII without quotes")
    }
}

impl From<Rejection> for Denial {
    /// A refusal before any resource was found.
    fn from(Rejection { reason, detail }: Rejection) -> Self {
        Self { detail, ..Self::new(reason, None) }
    }
}

/// The `error` of a body: the OAuth code where there is one, our own word elsewhere, nothing where no token was sent.
fn body_error(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::CredentialMissing => None,
        Reason::KeysUnavailable => Some("temporarily_unavailable"),
        _ => Some(reason.oauth_error().unwrap_or_else(|| reason.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(reason: Reason) -> Denial {
        let facts = ChallengeFacts {
            resource: "https://api1.example.com".into(),
            metadata_url: Some("https://api1.example.com/.well-known/oauth-protected-resource".into()),
        };
        Denial {
            challenge: Some(Arc::new(facts)),
            scopes: vec!["read".into()],
            ..Denial::new(reason, Some(ResourceId(0)))
        }
    }

    fn challenge(reason: Reason) -> Option<String> {
        let answer = denial(reason).answer("r1");
        answer.headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_missing_token_is_challenged_without_an_error() {
        assert_eq!(
            challenge(Reason::CredentialMissing).unwrap(),
            "Bearer realm=\"https://api1.example.com\", scope=\"read\", \
             resource_metadata=\"https://api1.example.com/.well-known/oauth-protected-resource\""
        );
        let body = denial(Reason::CredentialMissing).answer("r1").body;
        assert!(!std::str::from_utf8(&body).unwrap().contains("\"error\""));
    }

    #[test]
    fn a_wrong_audience_tells_what_to_ask_for() {
        let challenge = challenge(Reason::AudienceMismatch).unwrap();
        assert!(challenge.contains("error=\"invalid_token\""));
        assert!(challenge.contains("resource=https://api1.example.com\""));
    }

    #[test]
    fn only_what_a_token_can_mend_is_challenged() {
        for reason in Reason::ALL {
            let mendable = reason == Reason::CredentialMissing || reason.oauth_error().is_some();
            assert_eq!(challenge(reason).is_some(), mendable, "{reason:?}");
        }
    }

    #[test]
    fn every_description_fits_its_quotes() {
        for reason in Reason::ALL {
            let description = denial(reason).description();
            let legal = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(description.bytes().all(legal), "{description}");
        }
    }
}
