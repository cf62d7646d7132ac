//! From a grant to a signed token, and what is told and written down of it.
//!
//! Whoever mints does it here: the endpoints of our issuer, the gate that narrows, and operators. Deliberately absent: who
//! may have which token, which was decided when there is a [`Grant`].

use serde_json::{Value, json};

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

/// The members of a token response: what it is, how long it lives, and what it opens (RFC 6749 §5.1).
pub fn answer(minted: &MintedToken) -> Value {
    let said = minted.access_token();
    json!({
        "access_token": minted.expose(),
        "token_type": "Bearer",
        "expires_in": minted.expires_in().as_secs(),
        "scope": said.scope().unwrap_or_default(),
        "resource": [said.audience().as_str()],
    })
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
