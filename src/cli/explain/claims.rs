//! What a token says, for people: proven, or marked as not.
//!
//! An unproven token is read leniently, because the person on call wants to know what somebody sent. Nothing is ever
//! decided by what is read here, every text is made printable, and neither token nor signature is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::output::printable;
use crate::clock::Timestamp;
use crate::config::{ClaimNames, Config, ResourceId, TrustedIssuer};
use crate::guard::Gate;
use crate::token::{GenuineToken, text_at, words_at};

/// What a token says.
#[derive(Debug, Default, Serialize)]
pub(super) struct TokenFacts {
    /// Whether a signature proved it.
    pub(super) proven: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<String>,
    pub(super) audiences: Vec<String>,
    /// Of a proven token those that count at the resource; of another one whatever it says.
    pub(super) scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<u64>,
    /// The header of an unproven token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<HeaderFacts>,
}

/// What an unproven token's header says.
#[derive(Debug, Serialize)]
pub(super) struct HeaderFacts {
    pub(super) algorithm: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) media_type: Option<String>,
    /// Microsoft Graph's mark: nobody else can verify such a token.
    pub(super) has_nonce: bool,
}

/// The most list members that are shown.
const MOST_MEMBERS: usize = 20;

impl TokenFacts {
    /// What a signature proved.
    pub(super) fn proven(gate: &Gate, token: &GenuineToken, resource: Option<ResourceId>) -> Self {
        let issuer = &gate.keyrings()[token.issuer().0].issuer().name;
        let scopes = resource.map_or_else(Vec::new, |resource| gate.granted_scopes(resource, token));
        Self {
            proven: true,
            issuer: Some(printable(&format!("{issuer}  {}", token.iss()))),
            subject: gate.subject(resource, token).map(|subject| printable(&subject)),
            client: gate.client(resource, token).map(|client| printable(&client)),
            audiences: shown(token.audiences()),
            scopes: shown(scopes.iter().map(String::as_str)),
            expires: Some(token.expires().0),
            header: None,
        }
    }

    /// What an unproven token says; nothing if it cannot be read at all.
    pub(super) fn unproven(config: &Config, compact: &str) -> Option<Self> {
        let mut segments = compact.split('.');
        let header = object(segments.next()?)?;
        // The second segment of an encrypted token is no JSON: then there is a header and nothing else.
        let claims = segments.next().and_then(object).unwrap_or_default();
        let usual = ClaimNames::default();
        let names = issuer_of(config, &claims).map_or(&usual, |issuer| &issuer.claims);
        let text = |paths| text_at(&claims, paths).ok().flatten().map(|text| printable(&text));
        let words = words_at(&claims, &names.scope).ok().flatten().unwrap_or_default();
        Some(Self {
            proven: false,
            issuer: member(&claims, "iss"),
            subject: text(&names.subject),
            client: text(&names.client),
            audiences: match claims.get("aud") {
                Some(Value::String(name)) => shown([name.as_str()]),
                Some(Value::Array(names)) => shown(names.iter().filter_map(Value::as_str)),
                _ => Vec::new(),
            },
            scopes: shown(words.iter()),
            expires: claims.get("exp").and_then(|exp| exp.as_u64().or(exp.as_f64().map(|exp| exp as u64))),
            header: Some(HeaderFacts {
                algorithm: member(&header, "alg"),
                key_id: member(&header, "kid"),
                media_type: member(&header, "typ"),
                has_nonce: header.contains_key("nonce"),
            }),
        })
    }

    /// The lines to print: what it is, and what the token says there.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut lines: Vec<(&'static str, Option<String>)> = Vec::new();
        if let Some(header) = &self.header {
            lines.push(("algorithm", header.algorithm.clone()));
            lines.push(("key", header.key_id.clone()));
            lines.push(("type", header.media_type.clone()));
        }
        let listed = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(" ") };
        lines.push(("issuer", self.issuer.clone()));
        lines.push(("subject", self.subject.clone()));
        lines.push(("client", self.client.clone()));
        lines.push(("audience", Some(listed(&self.audiences))));
        let aside = if self.proven { "  (as they count here)" } else { "" };
        lines.push(("scopes", Some(format!("{}{aside}", listed(&self.scopes)))));
        lines.push(("expires", self.expires.map(|expires| relative(expires, now))));
        lines.into_iter().filter_map(|(what, text)| Some((what, text?))).collect()
    }
}

/// The trusted issuer that the claims name.
pub(super) fn issuer_of<'c>(config: &'c Config, claims: &Map<String, Value>) -> Option<&'c TrustedIssuer> {
    let iss = claims.get("iss")?.as_str()?;
    config.trusted_issuers.iter().find(|issuer| issuer.issuers.iter().any(|known| known == iss))
}

/// A time as seen from now, in its two largest units.
pub(super) fn relative(time: u64, now: Timestamp) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = time.abs_diff(now.0);
    let mut parts = Vec::new();
    for (length, unit) in UNITS {
        if (rest >= length || length == 1 && parts.is_empty()) && parts.len() < 2 {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    let span = parts.join(" ");
    if time >= now.0 { format!("in {span}") } else { format!("{span} ago") }
}

fn object(segment: &str) -> Option<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(segment.trim_end_matches('=')).ok()?;
    match serde_json::from_slice(&json).ok()? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn member(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().map(printable)
}

fn shown<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    texts.into_iter().take(MOST_MEMBERS).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_two_largest_units() {
        let told = |time| relative(time, Timestamp(1_000_000));
        assert_eq!(told(1_000_000), "in 0s");
        assert_eq!(told(1_003_580), "in 59m 40s");
        assert_eq!(told(1_003_600), "in 1h");
        assert_eq!(told(1_090_061), "in 1d 1h");
        assert_eq!(told(999_958), "42s ago");
    }

    #[test]
    fn what_is_no_token_says_nothing() {
        for text in ["", "a", "a.b.c", "..", "e30", "\u{e4}.\u{f6}"] {
            let object = object(text.split('.').next().unwrap());
            assert!(object.is_none_or(|members| members.is_empty()), "{text}");
        }
    }
}
