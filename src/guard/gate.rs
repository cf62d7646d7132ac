//! Everything that deciding needs, compiled from one configuration and never changed.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::cors::CorsHeaders;
use super::decide::refuse;
use super::demands::GrantedScopes;
use super::denial::Denial;
use super::owned::OwnedHeaders;
use super::permit::Permit;
use super::resource::{GuardedResource, IssuerEntry};
use super::tables::Tables;
use crate::config::{Config, IssuerId, Network, PlainSubjects, Resource, ResourceId, SubjectForm};
use crate::oauth::{ClientRef, Rejection, Subject};
use crate::token::{
    AudienceTable, GenuineToken, Keyring, OwnIssuer, Presented, Refused, SharedAudience, TokenCache, TrustedKeys,
    Voucher, prove_asked_about,
};

/// The gate of one configuration.
#[derive(Debug)]
pub struct Gate {
    pub(super) tables: Arc<Tables>,
    pub(super) trusted: TrustedKeys,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) resources: Vec<Arc<GuardedResource>>,
    owned: OwnedHeaders,
    plain_subjects: Option<PlainSubjects>,
}

/// Why no gate can be made of a configuration. The loader finds both with their places; a configuration that was made
/// by hand is refused here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidGate {
    /// One name would stand for two resources.
    #[error(transparent)]
    SharedAudience(#[from] SharedAudience),
    /// Two resources claim the same requests.
    #[error("two resources claim the same requests")]
    SameRequests {
        /// The resource that claimed them first.
        first: ResourceId,
        /// The one that claims them too.
        second: ResourceId,
    },
}

/// A gate, and the configuration that it was compiled from.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its gate.
    pub gate: &'a Gate,
}

impl Gate {
    /// Compiles a configuration; `keyrings` are those of its trusted issuers, in their order, and `own` is there if it has
    /// an issuer.
    ///
    /// # Errors
    ///
    /// [`InvalidGate`] if two resources could not be told apart.
    pub fn new(config: &Config, keyrings: Vec<Arc<Keyring>>, own: Option<OwnIssuer>) -> Result<Self, InvalidGate> {
        Self::after(None, config, keyrings, own)
    }

    /// The same, where every part that would be equal is taken from an earlier gate.
    ///
    /// # Errors
    ///
    /// [`InvalidGate`] if two resources could not be told apart.
    pub fn after(
        earlier: Option<Earlier<'_>>,
        config: &Config,
        keyrings: Vec<Arc<Keyring>>,
        own: Option<OwnIssuer>,
    ) -> Result<Self, InvalidGate> {
        let tables = match earlier {
            Some(Earlier { config: before, gate }) if Tables::are_equal(before, config) => Arc::clone(&gate.tables),
            _ => Arc::new(Tables::new(config)?),
        };
        let identity = config.resources.iter().flat_map(|resource| &resource.identity_headers);
        let max_lifetime = config.limits.token_lifetime.as_secs();
        Ok(Self {
            tables,
            trusted: TrustedKeys::new(keyrings, own, config.limits.token_bytes, max_lifetime),
            trusted_proxies: config.trusted_proxies.clone(),
            owned: OwnedHeaders::new(identity.map(|header| &header.name)),
            plain_subjects: PlainSubjects::of(config),
            resources: resources(earlier, config),
        })
    }

    /// Whether a header field of this name is removed from every forwarded request and its trailers.
    pub fn strips(&self, name: &HeaderName) -> bool {
        self.owned.owns(name.as_str())
    }

    /// Whether the peer's `X-Forwarded-*` fields count.
    pub fn trusts_proxy(&self, peer: std::net::IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// Every name of every resource.
    pub fn audiences(&self) -> &AudienceTable {
        &self.tables.audiences
    }

    /// Proves a token that is to be exchanged for one of `target`, by the gate's own steps, without leeway at its end. Whether it
    /// leads there is the grant's to say.
    ///
    /// # Errors
    ///
    /// [`Refused`], as at a request to the target, but for the audience.
    pub fn prove_for_exchange(
        &self,
        target: ResourceId,
        presented: &Presented<'_>,
        tokens: &TokenCache,
    ) -> Result<Arc<GenuineToken>, Refused> {
        let target = self.resource(target);
        let voucher = |issuer| target.entry(issuer).map(|entry| Voucher { claims: entry.claims.as_ref() });
        prove_asked_about(presented, &self.trusted, tokens, voucher)
    }

    /// Proves a token of our own issuer, whatever it is for: to say whether it is active, or to take it back.
    ///
    /// # Errors
    ///
    /// [`Refused`] for every token that is not ours, not genuine, out of its time or revoked.
    pub fn prove_own(&self, presented: &Presented<'_>, tokens: &TokenCache) -> Result<Arc<GenuineToken>, Refused> {
        let own = self.trusted.own();
        let voucher = |issuer| (Some(issuer) == own).then_some(Voucher { claims: None });
        prove_asked_about(presented, &self.trusted, tokens, voucher)
    }

    /// The keyrings of the trusted issuers, in their order, and of our own behind them.
    pub fn keyrings(&self) -> &[Arc<Keyring>] {
        self.trusted.keyrings()
    }

    /// The subject of a genuine token as it is printed, with its issuer; the resource may say where its issuer keeps it.
    pub fn subject(&self, resource: Option<ResourceId>, token: &GenuineToken) -> Option<String> {
        self.with_subject(resource, token, |subject| subject.to_string())
    }

    /// The same for whoever prints it himself.
    pub(super) fn with_subject<T>(
        &self,
        resource: Option<ResourceId>,
        token: &GenuineToken,
        print: impl FnOnce(Subject<'_>) -> T,
    ) -> Option<T> {
        let trusted = self.trusted.keyring(token.issuer()).issuer();
        let issuer = match trusted.subjects {
            SubjectForm::Qualified => Some(&trusted.name),
            SubjectForm::Plain => None,
        };
        let value = match self.entry(resource, token) {
            Some(entry) => entry.subject(token),
            None => token.subject().map(Cow::Borrowed),
        };
        Some(print(Subject { issuer, value: &value? }))
    }

    /// Whether a token's subject, as it is printed, would read like somebody else's.
    pub(super) fn is_ambiguous<'t>(
        &self,
        subject: impl FnOnce() -> Option<Cow<'t, str>>,
        token: &GenuineToken,
    ) -> bool {
        let Some(plain) = &self.plain_subjects else {
            return false;
        };
        subject().is_some_and(|subject| plain.reads_like_another(token.issuer(), &subject))
    }

    /// The client of a genuine token as it is printed, with its issuer; the resource may say where its issuer keeps it.
    pub fn client(&self, resource: Option<ResourceId>, token: &GenuineToken) -> Option<String> {
        self.with_client(resource, token, |client| client.to_string())
    }

    /// The same for whoever prints it himself.
    pub(super) fn with_client<T>(
        &self,
        resource: Option<ResourceId>,
        token: &GenuineToken,
        print: impl FnOnce(ClientRef<'_>) -> T,
    ) -> Option<T> {
        let is_own = self.trusted.own() == Some(token.issuer());
        let issuer = Some(&self.trusted.keyring(token.issuer()).issuer().name).filter(|_| !is_own);
        let id = match self.entry(resource, token) {
            Some(entry) => entry.client(token),
            None => token.client().map(Cow::Borrowed),
        };
        Some(print(ClientRef { issuer, id: &id? }))
    }

    /// The scopes of a genuine token that count at a resource: as the resource calls them, and only those it declares.
    pub fn granted_scopes(&self, resource: ResourceId, token: &GenuineToken) -> Vec<String> {
        let resource = self.resource(resource);
        let entry = resource.entry(token.issuer());
        entry.map_or_else(Vec::new, |entry| GrantedScopes::of(token, entry).declared_by(resource))
    }

    /// The refusal of a request that was permitted, where its token turns out to be no good for what its upstream is to get.
    pub fn deny_after_all(&self, permit: &Permit, rejection: Rejection) -> Denial {
        let resource = permit.resource();
        let challenge = Some(self.resource(resource).challenge.clone());
        let genuine = permit.verified().map(|verified| Arc::clone(verified.genuine()));
        let denial = Denial { challenge, genuine, ..refuse(rejection, Some(resource)) };
        denial.with_cors(permit.cors().clone())
    }

    /// The challenge without an error, which stands in for the one that an upstream sent with its own 401 or 403.
    pub fn challenge(&self, resource: ResourceId) -> HeaderValue {
        self.resource(resource).challenge.challenge(None, &[])
    }

    /// What a page at this origin may read of the resource's answers.
    pub fn cors(&self, resource: ResourceId, headers: &http::HeaderMap) -> CorsHeaders {
        CorsHeaders::of(self.resource(resource).cors.as_ref(), headers)
    }

    fn entry(&self, resource: Option<ResourceId>, token: &GenuineToken) -> Option<&IssuerEntry> {
        self.resource(resource?).entry(token.issuer())
    }

    pub(super) fn resource(&self, resource: ResourceId) -> &GuardedResource {
        &self.resources[resource.0]
    }
}

/// What our own clients are called, here and at other issuers.
fn client_names(config: &Config) -> impl Iterator<Item = (&str, &BTreeMap<IssuerId, String>)> {
    let clients = config.issuer.iter().flat_map(|issuer| &issuer.clients);
    clients.map(|client| (client.id.as_str(), &client.known_as))
}

/// The compiled resources, those that did not change as they were.
fn resources(earlier: Option<Earlier<'_>>, config: &Config) -> Vec<Arc<GuardedResource>> {
    // What a resource compiles to depends on itself, on its issuers, and on what our clients are called there.
    let earlier = earlier.filter(|earlier| {
        let before = earlier.config;
        before.trusted_issuers == config.trusted_issuers
            && before.own_issuer() == config.own_issuer()
            && before.issuer.as_ref().map(|issuer| &issuer.issuer)
                == config.issuer.as_ref().map(|issuer| &issuer.issuer)
            && client_names(before).eq(client_names(config))
    });
    let before: Vec<(&Resource, &Arc<GuardedResource>)> =
        earlier.map_or_else(Vec::new, |earlier| earlier.config.resources.iter().zip(&earlier.gate.resources).collect());
    // Resources mostly stay where they are, and then nothing has to be looked up.
    let elsewhere: LazyCell<HashMap<&str, usize>, _> =
        LazyCell::new(|| before.iter().enumerate().map(|(at, (resource, _))| (resource.key.as_str(), at)).collect());
    let compile = |(at, resource): (usize, &Resource)| {
        let here = before.get(at).filter(|(before, _)| before.key == resource.key);
        let known = here.or_else(|| before.get(*elsewhere.get(resource.key.as_str())?));
        match known {
            Some((before, compiled)) if *before == resource => Arc::clone(compiled),
            _ => Arc::new(GuardedResource::new(config, resource)),
        }
    };
    config.resources.iter().enumerate().map(compile).collect()
}
