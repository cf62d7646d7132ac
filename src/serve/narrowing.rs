//! The token that an upstream gets in place of the one that came in (`forward: narrowed`): minted here, for this resource
//! alone, and kept for its life.
//!
//! What it may say is decided by [`narrow`]; here it is signed, and found again for the next request with the same token.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::minting::{self, Issued};
use crate::clock::Timestamp;
use crate::config::ResourceId;
use crate::guard::Permit;
use crate::issuer::{Refusal, TokenFacts, narrow};
use crate::oauth::{Reason, Rejection};
use crate::secret::WipedText;
use crate::snapshot::Snapshot;
use crate::telemetry::Metrics;
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::mint::{MintedToken, NotMinted};
use crate::token::{ClaimValue, TokenDigest};

/// How long before its end a token is replaced, in seconds, where a later one can be had: an API must have time to use it.
const MARGIN: u64 = 30;

/// Narrowed tokens, by what they were made from. Bounded by bytes.
pub struct NarrowedTokens(Cache<Origin, Arc<Narrowed>, ByWeight>);

/// The request for whose sake a token is narrowed, as audit names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) peer: IpAddr,
    pub(super) request_id: &'a str,
}

/// What a narrowed token was made from: a token, for a resource of one configuration.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Origin {
    presented: TokenDigest,
    resource: ResourceId,
    generation: u64,
}

/// A token as it is sent.
struct Narrowed {
    credential: HeaderValue,
    /// From then on another one is minted.
    until: Timestamp,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Origin, Arc<Narrowed>> for ByWeight {
    fn weight(&self, _: &Origin, narrowed: &Arc<Narrowed>) -> u64 {
        (narrowed.credential.len() + size_of::<Narrowed>() + size_of::<Origin>()) as u64
    }
}

impl NarrowedTokens {
    /// Holds about so many bytes at most.
    pub fn new(bytes: usize) -> Self {
        /// About what a token takes.
        const TYPICAL_ENTRY: usize = 1024;
        Self(Cache::with_weighter(bytes / TYPICAL_ENTRY, bytes as u64, ByWeight))
    }

    /// Holds about so many bytes at most from now on.
    pub fn resize(&self, bytes: usize) {
        self.0.set_capacity(bytes as u64);
    }

    /// The credential for a request that is permitted: kept from an earlier request, or minted now.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if nothing may be minted from the token, or nothing can be: nothing is forwarded then.
    pub(super) fn credential(
        &self,
        snapshot: &Snapshot,
        permit: &Permit,
        metrics: &Metrics,
        asker: Asker<'_>,
        now: Timestamp,
    ) -> Result<HeaderValue, Rejection> {
        let verified = permit.verified().ok_or_else(|| internal("nothing was verified that could be narrowed"))?;
        let (presented, resource) = (*verified.digest(), permit.resource());
        let origin = Origin { presented, resource, generation: snapshot.generation };
        if let Some(known) = self.0.get(&origin).filter(|known| now < known.until) {
            return Ok(known.credential.clone());
        }
        let minted = mint(snapshot, permit, metrics, asker, now)?;
        let credential = credential(&minted)?;
        let ends = minted.access_token().expires();
        let source_ends = verified.genuine().expires();
        // What ends with its source cannot be had any longer; everything else is replaced in time.
        let margin = if ends >= source_ends { 0 } else { MARGIN.min(minted.expires_in().as_secs() / 4) };
        let until = Timestamp(ends.0.saturating_sub(margin));
        self.0.insert(origin, Arc::new(Narrowed { credential: credential.clone(), until }));
        Ok(credential)
    }
}

impl fmt::Debug for NarrowedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NarrowedTokens").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

fn mint(
    snapshot: &Snapshot,
    permit: &Permit,
    metrics: &Metrics,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<MintedToken, Rejection> {
    let none = || internal("a token is to be narrowed, and there is no issuer");
    let (policy, issuing) = snapshot.policy().zip(snapshot.issuing.as_ref()).ok_or_else(none)?;
    let token = permit.token().ok_or_else(none)?;
    let facts = TokenFacts::of(&policy, token, permit.resource()).map_err(refused)?;
    let grant = narrow(&policy, permit.resource(), &facts).map_err(refused)?;
    let minted = minting::mint(&policy, &grant, &issuing.keys.load(), now).map_err(not_minted)?;
    let parent_jti = token.claims().get("jti").and_then(ClaimValue::as_str);
    let line = AuditLine { parent_jti, ..AuditLine::new(Deed::TokenIssued, asker.request_id, asker.peer) };
    Issued { minted: &minted, grant: "narrowing" }.record(line, snapshot, metrics);
    Ok(minted)
}

fn credential(minted: &MintedToken) -> Result<HeaderValue, Rejection> {
    let text = WipedText::from(["Bearer ", minted.expose()].concat());
    let mut credential = HeaderValue::from_str(&text).map_err(|_| internal("a minted token is no header value"))?;
    credential.set_sensitive(true);
    Ok(credential)
}

/// A token that the gate lets in, and from which nothing can be minted.
fn refused(refusal: Refusal) -> Rejection {
    match refusal {
        Refusal::TokenIncomplete => {
            let detail = "the upstream gets narrowed tokens, and none can be minted from one without a client, \
                          with an unreadable `act`, or of ours without a root";
            Rejection::new(Reason::ClaimMissing, detail)
        }
        Refusal::SubjectAmbiguous => {
            Rejection::new(Reason::ClaimInvalid, "the plain subject reads like another issuer's, or like a client's")
        }
        Refusal::TokenBound => Rejection::new(Reason::ProofMissing, "the token is bound to a key"),
        _ => internal("the narrowing was refused where the gate let the token in"),
    }
}

fn not_minted(why: NotMinted) -> Rejection {
    match why {
        NotMinted::Ended => Rejection::new(Reason::TokenExpired, "the token ends before a narrowed one could begin"),
        _ => {
            tracing::error!(error = %why, "no narrowed token can be minted");
            internal("no narrowed token can be minted")
        }
    }
}

fn internal(detail: &'static str) -> Rejection {
    Rejection::new(Reason::Internal, detail)
}
