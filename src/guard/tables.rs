//! Which resource a request belongs to, and which one an audience names: what depends on all resources together.

use super::InvalidGate;
use crate::config::{Config, Resource, ResourceId};
use crate::oauth::ResourceIndicator;
use crate::route::{HostPattern, HostTable};
use crate::token::AudienceTable;

/// The port of a matched host that names none, whatever the key's: the configuration writes every other one out.
const HTTPS_PORT: u16 = 443;

/// From host and path, and from `aud`, to a resource.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) routes: HostTable<ResourceId>,
    /// Where each metadata document lies.
    pub(super) documents: HostTable<ResourceId>,
    /// Where our own issuer is.
    pub(super) issuer: HostTable<()>,
    pub(super) audiences: AudienceTable,
}

impl Tables {
    /// Collects what a configuration says.
    ///
    /// # Errors
    ///
    /// [`InvalidGate`] if two resources could not be told apart.
    pub(super) fn new(config: &Config) -> Result<Self, InvalidGate> {
        let mut routes = HostTable::default();
        for (second, resource) in by_id(config) {
            for host in &resource.matches.hosts {
                routes
                    .insert(host, HTTPS_PORT, &resource.matches.path, second)
                    .map_err(|clash| InvalidGate::SameRequests { first: clash.0, second })?;
            }
        }
        Ok(Self {
            routes,
            documents: documents(config),
            issuer: issuer(config),
            audiences: AudienceTable::new(config)?,
        })
    }

    /// Whether two configurations have equal tables: the same resources in the same places, with the same hosts, paths and
    /// audiences. Must look at whatever [`Self::new`] looks at.
    pub(super) fn are_equal(one: &Config, other: &Config) -> bool {
        let is_same = |one: &Resource, other: &Resource| {
            let entries = one.issuers.iter().zip(&other.issuers);
            one.key == other.key
                && one.matches == other.matches
                && one.public == other.public
                && one.issuers.len() == other.issuers.len()
                && entries
                    .into_iter()
                    .all(|(one, other)| one.issuer == other.issuer && one.audiences == other.audiences)
        };
        let issuer = |config: &Config| config.issuer.as_ref().map(|issuer| issuer.url.clone());
        one.trusted_issuers == other.trusted_issuers
            && issuer(one) == issuer(other)
            && one.resources.len() == other.resources.len()
            && one.resources.iter().zip(&other.resources).all(|(one, other)| is_same(one, other))
    }
}

fn issuer(config: &Config) -> HostTable<()> {
    let mut table = HostTable::default();
    let url = config.issuer.as_ref().map(|issuer| &issuer.url);
    if let Some((url, host)) = url.and_then(|url| Some((url, url.host_str()?))) {
        let at = HostPattern { host: host.to_owned(), port: url.port_or_known_default() };
        table.insert(&at, HTTPS_PORT, url.path().trim_end_matches('/'), ()).expect("nothing else is in the table");
    }
    table
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
