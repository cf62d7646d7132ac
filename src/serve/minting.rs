//! From a grant to a signed token, and what is told and written down of it.
//!
//! Whoever mints does it here: the endpoints of our issuer, the gate that narrows, and operators. Deliberately absent: who
//! may have which token, which was decided when there is a [`Grant`].

use serde::Serialize;

use crate::clock::Timestamp;
use crate::issuer::{Grant, Policy};
use crate::snapshot::Snapshot;
use crate::telemetry::Metrics;
use crate::telemetry::audit::AuditLine;
use crate::token::mint::{MintedToken, NotMinted, SigningKeys};

/// Signs what was granted, with what its resource asks for.
///
/// # Errors
///
/// [`NotMinted`] if it would have ended already, or no key signs so.
pub fn mint(policy: &Policy<'_>, grant: &Grant, keys: &SigningKeys, now: Timestamp) -> Result<MintedToken, NotMinted> {
    let algorithm = policy.signing_algorithm(grant.resource()).unwrap_or(keys.default_algorithm());
    grant.access_token(policy, now)?.sign(keys, algorithm)
}

/// A token response (RFC 6749 §5.1, RFC 8693 §2.2): what the token is, how long it lives, and what it opens. It has the token
/// in it, so it goes to whoever asked and nowhere else.
#[derive(Serialize)]
pub struct TokenResponse<'a> {
    access_token: &'a str,
    #[serde(flatten)]
    rest: Rest<'a>,
}

/// What stands beside the token.
#[derive(Serialize)]
struct Rest<'a> {
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    resource: [&'a str; 1],
    scope: &'a str,
    token_type: &'static str,
}

impl<'a> TokenResponse<'a> {
    /// The response that brings this token.
    pub fn of(minted: &'a MintedToken) -> Self {
        let said = minted.access_token();
        let rest = Rest {
            expires_in: minted.expires_in().as_secs(),
            issued_token_type: None,
            refresh_token: None,
            resource: [said.audience().as_str()],
            scope: said.scope().unwrap_or_default(),
            token_type: "Bearer",
        };
        Self { access_token: minted.expose(), rest }
    }

    /// With what an exchange calls the token that it brings.
    pub(super) fn with_issued_type(mut self, issued_token_type: Option<&'static str>) -> Self {
        self.rest.issued_token_type = issued_token_type;
        self
    }

    /// With the refresh token for the next one.
    pub(super) fn with_refresh_token(mut self, refresh_token: Option<&'a str>) -> Self {
        self.rest.refresh_token = refresh_token;
        self
    }

    /// Its JSON, in one buffer that does not grow. The token is put in as it is, as base64url and dots need no escape and
    /// most of the answer is the token.
    pub(super) fn to_json(&self) -> Vec<u8> {
        /// Names, marks and everything of a fixed length.
        const AROUND: usize = 256;
        let Rest { resource, scope, refresh_token, .. } = &self.rest;
        let texts = [self.access_token, scope, resource[0], refresh_token.unwrap_or_default()];
        let mut json = Vec::with_capacity(AROUND + texts.iter().map(|text| text.len()).sum::<usize>());
        json.extend_from_slice(br#"{"access_token":""#);
        json.extend_from_slice(self.access_token.as_bytes());
        json.push(b'"');
        let behind = json.len();
        serde_json::to_writer(&mut json, &self.rest).expect("texts and numbers under names are always JSON");
        // They are members of the same object.
        json[behind] = b',';
        json
    }
}

/// A token that was minted because somebody asked for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued<'a> {
    pub(super) minted: &'a MintedToken,
    /// The grant, from a closed list.
    pub(super) grant: &'static str,
}

impl Issued<'_> {
    /// Writes one event, and counts it.
    pub(super) fn record(&self, line: AuditLine<'_>, snapshot: &Snapshot, metrics: &Metrics) {
        let said = self.minted.access_token();
        AuditLine {
            grant: Some(self.grant),
            client: Some(said.client_id()),
            subject: Some(said.subject()),
            resource: Some(said.audience().as_str()),
            scopes: said.scope(),
            jti: Some(said.jti()),
            expires: Some(said.expires().0),
            ..line
        }
        .write();
        let resource = snapshot.resource(said.audience().as_str());
        if let Some(pool) = resource.and_then(|resource| snapshot.upstreams.get(resource.0)) {
            metrics.token_issued(self.grant, pool.resource());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_a_member_like_every_other() {
        let rest = Rest {
            expires_in: 300,
            issued_token_type: None,
            refresh_token: Some("r"),
            resource: [r#"urn:a"b"#],
            scope: r"a",
            token_type: "Bearer",
        };
        let response = TokenResponse { access_token: "e30.e30.x-_", rest };
        assert_eq!(response.to_json(), serde_json::to_vec(&response).unwrap());
        let response = response.with_refresh_token(None).with_issued_type(Some("urn:x"));
        assert_eq!(response.to_json(), serde_json::to_vec(&response).unwrap());
    }
}
