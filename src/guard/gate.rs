//! Everything that deciding needs, compiled from one configuration and never changed.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::cors::CorsHeaders;
use super::demands::GrantedScopes;
use super::owned::OwnedHeaders;
use super::resource::{GuardedResource, IssuerEntry};
use crate::config::{Config, Network, Resource, ResourceId, SubjectForm};
use crate::oauth::{ClientRef, ResourceIndicator, Subject};
use crate::route::{HostPattern, HostTable};
use crate::token::{AudienceTable, GenuineToken, Keyring, SharedAudience, TrustedKeys};

/// The gate of one configuration.
#[derive(Debug)]
pub struct Gate {
    pub(super) routes: HostTable<ResourceId>,
    pub(super) documents: HostTable<ResourceId>,
    pub(super) audiences: AudienceTable,
    pub(super) trusted: TrustedKeys,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) resources: Vec<GuardedResource>,
    owned: OwnedHeaders,
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

/// The port of a matched host that names none, whatever the key's: the configuration writes every other one out.
const HTTPS_PORT: u16 = 443;

impl Gate {
    /// Compiles a configuration; `keyrings` are those of its trusted issuers, in their order.
    ///
    /// # Errors
    ///
    /// [`InvalidGate`] if two resources could not be told apart.
    pub fn new(config: &Config, keyrings: Vec<Arc<Keyring>>) -> Result<Self, InvalidGate> {
        let mut routes = HostTable::default();
        for (second, resource) in by_id(config) {
            for host in &resource.matches.hosts {
                routes
                    .insert(host, HTTPS_PORT, &resource.matches.path, second)
                    .map_err(|clash| InvalidGate::SameRequests { first: clash.0, second })?;
            }
        }
        let identity = config.resources.iter().flat_map(|resource| &resource.identity_headers);
        let max_lifetime = config.limits.token_lifetime.as_secs();
        Ok(Self {
            routes,
            documents: documents(config),
            audiences: AudienceTable::new(config)?,
            trusted: TrustedKeys::new(keyrings, config.limits.token_bytes, max_lifetime),
            trusted_proxies: config.trusted_proxies.clone(),
            resources: config.resources.iter().map(|resource| GuardedResource::new(config, resource)).collect(),
            owned: OwnedHeaders::new(identity.map(|header| &header.name)),
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

    /// The keyrings of the trusted issuers, in their order.
    pub fn keyrings(&self) -> &[Arc<Keyring>] {
        self.trusted.keyrings()
    }

    /// The subject of a genuine token as it is printed, with its issuer; the resource may say where its issuer keeps it.
    pub fn subject(&self, resource: Option<ResourceId>, token: &GenuineToken) -> Option<String> {
        let trusted = self.trusted.keyring(token.issuer()).issuer();
        let issuer = match trusted.subjects {
            SubjectForm::Qualified => Some(&trusted.name),
            SubjectForm::Plain => None,
        };
        let value = match self.entry(resource, token) {
            Some(entry) => entry.subject(token),
            None => token.subject().map(Cow::Borrowed),
        };
        Some(Subject { issuer, value: &value? }.to_string())
    }

    /// The client of a genuine token as it is printed, with its issuer; the resource may say where its issuer keeps it.
    pub fn client(&self, resource: Option<ResourceId>, token: &GenuineToken) -> Option<String> {
        let issuer = Some(&self.trusted.keyring(token.issuer()).issuer().name);
        let id = match self.entry(resource, token) {
            Some(entry) => entry.client(token),
            None => token.client().map(Cow::Borrowed),
        };
        Some(ClientRef { issuer, id: &id? }.to_string())
    }

    /// The scopes of a genuine token that count at a resource: as the resource calls them, and only those it declares.
    pub fn granted_scopes(&self, resource: ResourceId, token: &GenuineToken) -> Vec<String> {
        let resource = self.resource(resource);
        let entry = resource.entry(token.issuer());
        entry.map_or_else(Vec::new, |entry| GrantedScopes::of(token, entry).declared_by(resource))
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

/// Where each metadata document lies: at the authority of its resource's key, where the challenge says that it is, and
/// at every other authority that the resource answers to, as far as no key is at home there.
fn documents(config: &Config) -> HostTable<ResourceId> {
    let mut documents = HostTable::default();
    let described = || by_id(config).filter(|(_, resource)| !resource.public);
    let mut insert = |host: &HostPattern, key: &ResourceIndicator, id| {
        if let Some(path) = key.metadata_path() {
            // Taken already: by the same resource, or by one whose key is at home here, which comes first.
            let _ = documents.insert(host, HTTPS_PORT, &path, id);
        }
    };
    for (id, resource) in described() {
        if let Some(host) = resource.key.host() {
            insert(&HostPattern { host: host.to_owned(), port: resource.key.port() }, &resource.key, id);
        }
    }
    for (id, resource) in described() {
        for host in &resource.matches.hosts {
            insert(host, &resource.key, id);
        }
    }
    documents
}

fn by_id(config: &Config) -> impl Iterator<Item = (ResourceId, &Resource)> {
    config.resources.iter().enumerate().map(|(at, resource)| (ResourceId(at), resource))
}
