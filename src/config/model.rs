//! The configuration as it is meant: every value checked, every name resolved, every default filled in.
//!
//! These are plain values with public fields; whoever holds a [`Config`] holds one that passed every check of the
//! loader, which is the only place that makes one outside tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::oauth::Scope;
use crate::secret::Secret;

mod authorization_server;
mod database;
mod issuer;
mod listener;
mod login;
mod plain_subjects;
mod resource;
mod upstream;

pub use authorization_server::{
    AuthorizationServer, Client, ClientAuthentication, Consent, EdgeScope, GrantType, KeyFile, KeyOrigin,
    LONGEST_ACCESS_TOKEN, SecretMethod, Signing, StoreLocation,
};
pub use database::{Database, DatabaseEncryption};
pub use issuer::{
    ClaimNames, ClaimPath, JwksLocation, KeySource, Requirement, SubjectForm, TokenProfile, TrustedIssuer,
};
pub use listener::{Certificate, ClientProtocol, Listener, Purpose, Tls, TlsVersion};
pub use login::{LocalUser, LoginAuthentication, OpenIdLogin, UserLogin};
pub use plain_subjects::PlainSubjects;
pub use resource::{
    AllowedClient, BroadTokens, Cors, CorsOrigins, Demand, Forward, IdentityHeader, IdentitySource, Match, OnRemoval,
    Resource, ResourceIssuer, Rule, Unmatched, UserClaim,
};
pub use upstream::{Ejection, HealthCheck, Retry, Upstream, UpstreamProtocol, UpstreamTls};

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where requests come in; at least one.
    pub listeners: Vec<Listener>,
    /// Where operators look in.
    pub admin: Option<Admin>,
    /// Whose tokens may be accepted; an [`IssuerId`] is a place in this list.
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// What is served; a [`ResourceId`] is a place in this list, in the order of the file.
    pub resources: Vec<Resource>,
    /// Our own issuer; nothing where only the gate runs.
    pub issuer: Option<AuthorizationServer>,
    /// Where our own issuer keeps its state; nothing where only the gate runs.
    pub store: Option<StoreLocation>,
    /// Descriptions of scopes that several resources share.
    pub scopes: BTreeMap<Scope, String>,
    /// Peers whose `X-Forwarded-*` fields count.
    pub trusted_proxies: Vec<Network>,
    /// Certificates that are trusted towards issuers and upstreams, beside the platform's: PEM.
    pub trusted_cas: Option<Arc<[u8]>>,
    /// How much is logged, and how.
    pub log: Log,
    /// Bounds on what anybody may send, hold or take.
    pub limits: Limits,
}

impl Config {
    /// The place of our own issuer, if there is one.
    pub fn own_issuer(&self) -> Option<IssuerId> {
        self.issuer.as_ref().map(|_| IssuerId(self.trusted_issuers.len()))
    }
}

/// An issuer, by its place in [`Config::trusted_issuers`]; our own one has the place behind them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IssuerId(pub usize);

/// A resource, by its place in [`Config::resources`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ResourceId(pub usize);

/// The admin listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// The address; port 0 asks the system for one.
    pub address: SocketAddr,
    /// What opens `/config` and everything that changes state; must be there unless the address is loopback.
    pub token: Option<Secret>,
    /// Names by which the listener may be called, beside IP literals and `localhost`.
    pub hosts: Vec<String>,
}

/// A range of addresses in CIDR notation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in this range; an IPv4 address inside IPv6 counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32u32.saturating_sub(self.prefix.into());
                u32::from(network).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128u32.saturating_sub(self.prefix.into());
                u128::from(network).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// How much is logged, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// A level (`info`) or a filter (`narrowgate=debug,warn`).
    pub level: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// Readable on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Bounds on what anybody may send, hold or take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest header section, in bytes.
    pub header_bytes: usize,
    /// The most header fields.
    pub headers: usize,
    /// The longest request body, in bytes.
    pub body_bytes: u64,
    /// The longest access token, in bytes.
    pub token_bytes: usize,
    /// The memory for verified tokens, in bytes.
    pub token_cache_bytes: usize,
    /// The most open connections.
    pub connections: usize,
    /// The most open connections of one peer.
    pub connections_per_address: usize,
    /// How long a header section may take to arrive.
    pub header_timeout: Duration,
    /// How long a client may be silent inside a body.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long an upstream connection may take to open.
    pub connect_timeout: Duration,
    /// How long an upstream may be silent.
    pub read_timeout: Duration,
    /// How long a tunnel may live.
    pub tunnel_age: Duration,
    /// The longest lifetime of a token, from `iat` to `exp` (or from now, without `iat`).
    pub token_lifetime: Duration,
    /// How long requests under way may take once the program is asked to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 << 10,
            headers: 100,
            body_bytes: 1 << 30,
            token_bytes: 8 << 10,
            token_cache_bytes: 32 << 20,
            connections: 10_000,
            connections_per_address: 1_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            tunnel_age: Duration::from_secs(3600),
            token_lifetime: Duration::from_secs(24 * 3600),
            drain: Duration::from_secs(25),
        }
    }
}
