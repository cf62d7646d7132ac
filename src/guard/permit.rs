//! The proof that a request may be forwarded (P2). The fields are private and the guard is the only one to fill them, so
//! that forgetting the check does not compile.

use std::fmt;
use std::ops::Deref;

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::identity::{Printed, printed_as};
use super::{CorsHeaders, Gate};
use crate::clock::Timestamp;
use crate::config::{Forward, ResourceId};
use crate::token::{GenuineToken, VerifiedToken};

/// A request that may be forwarded: on what ground, where to, and as what.
#[derive(Debug)]
pub struct Permit {
    pub(super) ground: Ground,
    pub(super) resource: ResourceId,
    pub(super) target: UpstreamTarget,
    pub(super) forward: Forward,
    pub(super) cors: CorsHeaders,
}

/// Why a request may be forwarded.
#[derive(Debug)]
pub enum Ground {
    /// The operator made this path public.
    Public,
    /// A token was verified for this very resource, and has every scope that the request needs.
    Proven(VerifiedToken),
}

/// What is sent to the upstream as request target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpstreamTarget {
    /// The target as it was received, byte for byte.
    AsReceived,
    /// The same path behind the upstream's own, or without the resource's prefix, where the configuration says so.
    Rewritten(RewrittenTarget),
}

/// A target of our own making; one of usual length needs no memory of its own.
#[derive(Clone, Eq, PartialEq)]
pub struct RewrittenTarget(SmallVec<[u8; 120]>);

impl Permit {
    /// Why the request may be forwarded.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Whose upstream it goes to.
    pub fn resource(&self) -> ResourceId {
        self.resource
    }

    /// What is sent as request target.
    pub fn target(&self) -> &UpstreamTarget {
        &self.target
    }

    /// What the upstream gets as credential: nothing, the one that came in, or one that whoever holds this permit mints.
    pub fn forward(&self) -> Forward {
        self.forward
    }

    /// Whether the upstream gets the credential that came in.
    pub fn keeps_credential(&self) -> bool {
        self.forward == Forward::Token
    }

    /// What the token that was verified may be narrowed to; nothing on public ground.
    pub fn verified(&self) -> Option<&VerifiedToken> {
        match &self.ground {
            Ground::Public => None,
            Ground::Proven(verified) => Some(verified),
        }
    }

    /// What the answer tells the page that asked.
    pub fn cors(&self) -> &CorsHeaders {
        &self.cors
    }

    /// The token, if one was verified.
    pub fn token(&self) -> Option<&GenuineToken> {
        self.verified().map(|verified| &**verified.genuine())
    }

    /// When the ground ends: a tunnel that the request opens ends with it.
    pub fn expires(&self) -> Option<Timestamp> {
        self.token().map(GenuineToken::expires)
    }

    /// The headers that tell the upstream who calls; none on public ground. A claim that is missing gives no header.
    pub fn identity_headers<'p>(&'p self, gate: &'p Gate) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'p {
        let value = |text: Printed| HeaderValue::from_bytes(&text).ok();
        self.printed_identity(gate).filter_map(move |(name, text)| Some((name.clone(), value(text)?)))
    }

    /// The same as text, for whoever needs no header values.
    pub(crate) fn printed_identity<'p>(
        &'p self,
        gate: &'p Gate,
    ) -> impl Iterator<Item = (&'p HeaderName, Printed)> + 'p {
        let id = self.resource;
        self.token().into_iter().flat_map(move |token| {
            let written = gate.resource(id).identity_headers.iter();
            written.filter_map(move |header| Some((&header.name, printed_as(&header.source, token, gate, id)?)))
        })
    }
}

impl UpstreamTarget {
    /// `path` behind `base`, without `prefix_length` bytes at its front, and with its query.
    pub(super) fn new(path: &str, query: Option<&str>, base: &str, prefix_length: usize) -> Self {
        if base.is_empty() && prefix_length == 0 {
            return Self::AsReceived;
        }
        let rest = &path[prefix_length..];
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let (mark, query) = query.map_or(("", ""), |query| ("?", query));
        let mut target = RewrittenTarget::from("");
        for piece in [base, slash, rest, mark, query] {
            target.0.extend_from_slice(piece.as_bytes());
        }
        Self::Rewritten(target)
    }
}

impl From<&str> for RewrittenTarget {
    fn from(text: &str) -> Self {
        Self(SmallVec::from_slice(text.as_bytes()))
    }
}

impl Deref for RewrittenTarget {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it was put together from texts")
    }
}

impl fmt::Debug for RewrittenTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_what_was_matched() {
        assert_eq!(UpstreamTarget::new("/v1/a", Some("x=1"), "", 0), UpstreamTarget::AsReceived);
        let rewritten = |path, query, base, prefix| match UpstreamTarget::new(path, query, base, prefix) {
            UpstreamTarget::Rewritten(target) => target.to_string(),
            UpstreamTarget::AsReceived => panic!("{path} was not rewritten"),
        };
        assert_eq!(rewritten("/v1/a", Some("x=%2f"), "", 3), "/a?x=%2f");
        assert_eq!(rewritten("/v1", None, "", 3), "/");
        assert_eq!(rewritten("/v1", Some(""), "", 3), "/?");
        assert_eq!(rewritten("/v1/a", None, "/base", 0), "/base/v1/a");
        assert_eq!(rewritten("/v1", None, "/base", 3), "/base/");
    }
}
