//! The way out of every token that our own issuer mints, whoever asked for it: signed, written down, counted.
//!
//! A signature takes 20 to 600 µs, less than it costs to hand it to another thread and wait; it is made where the request is.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::config::ResourceId;
use crate::issuer::{Grant, Policy};
use crate::oauth::SigningAlgorithm;
use crate::snapshot::{Issuing, Snapshot};
use crate::telemetry::Metrics;
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::mint::{AccessToken, MintedToken, NotMinted};

/// A token that only has to be signed.
#[derive(Debug)]
pub(super) struct Unsigned {
    token: AccessToken,
    resource: ResourceId,
    algorithm: SigningAlgorithm,
}

/// What is written down of a token beside what it says itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occasion<'a> {
    /// The grant, as metrics and audit call it.
    pub(super) grant: &'static str,
    /// Who asked.
    pub(super) peer: IpAddr,
    /// The identifier that the request's own line carries too.
    pub(super) request_id: &'a str,
    /// `jti` of the token that it is made from.
    pub(super) parent_jti: Option<&'a str>,
}

impl Unsigned {
    /// What is granted, as a token of `now`.
    ///
    /// # Errors
    ///
    /// [`NotMinted`] if it would have ended already, or could not be read again.
    pub(super) fn new(
        policy: &Policy<'_>,
        issuing: &Issuing,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<Self, NotMinted> {
        let (token, resource) = (grant.access_token(policy, now)?, grant.resource());
        let algorithm = policy.signing_algorithm(resource);
        let algorithm = algorithm.unwrap_or_else(|| issuing.keys.load().default_algorithm());
        Ok(Self { token, resource, algorithm })
    }

    /// Mints it.
    ///
    /// # Errors
    ///
    /// [`NotMinted`] if no key signs it; then nothing is written down.
    pub(super) fn mint(
        self,
        snapshot: &Snapshot,
        issuing: &Issuing,
        metrics: &Metrics,
        occasion: &Occasion<'_>,
    ) -> Result<MintedToken, NotMinted> {
        let minted = self.token.sign(&issuing.keys.load(), self.algorithm)?;
        let said = minted.access_token();
        AuditLine {
            client: Some(said.client_id()),
            subject: Some(said.subject()),
            resource: Some(said.audience().as_str()),
            scopes: said.scope(),
            grant: Some(occasion.grant),
            jti: Some(said.jti()),
            parent_jti: occasion.parent_jti,
            expires: Some(said.expires().0),
            ..AuditLine::new(Deed::TokenIssued, occasion.request_id, occasion.peer)
        }
        .write();
        if let Some(pool) = snapshot.upstreams.get(self.resource.0) {
            metrics.token_issued(occasion.grant, pool.resource());
        }
        Ok(minted)
    }
}
