//! The configuration as it is meant: every value checked, every name resolved, every default filled in.
//!
//! These are plain values with public fields; whoever holds a [`Config`] holds one that passed every check of the
//! loader, which is the only place that makes one outside tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use url::Url;

use crate::oauth::{Algorithm, IssuerName, ResourceIndicator, Scope, ScopePattern};
use crate::route::{HostPattern, PathPattern};
use crate::secret::Secret;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where requests come in; at least one.
    pub listeners: Vec<Listener>,
    /// Where operators look in.
    pub admin: Option<Admin>,
    /// Whose tokens may be accepted; an [`IssuerId`] is a place in this list.
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// What is served; a [`ResourceId`] is a place in this list, in the order of the file.
    pub resources: Vec<Resource>,
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
    /// Every file whose content went into this value, the configuration first.
    pub files: Vec<PathBuf>,
}

/// An issuer, by its place in [`Config::trusted_issuers`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IssuerId(pub usize);

/// A resource, by its place in [`Config::resources`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ResourceId(pub usize);

/// An address where requests come in.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address; port 0 asks the system for one.
    pub address: SocketAddr,
    /// Certificates; plain HTTP without any.
    pub tls: Vec<Certificate>,
}

/// A certificate chain and its key, as they were read.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The chain's file.
    pub cert: PathBuf,
    /// The chain: PEM, the leaf first.
    pub cert_pem: Arc<[u8]>,
    /// The key: PEM.
    pub key_pem: Secret,
}

/// The admin listener.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address; port 0 asks the system for one.
    pub address: SocketAddr,
    /// What opens `/config` and everything that changes state; must be there unless the address is loopback.
    pub token: Option<Secret>,
    /// Names by which the listener may be called, beside IP literals and `localhost`.
    pub hosts: Vec<String>,
}

/// An issuer whose access tokens may be accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedIssuer {
    /// Its label, and the prefix of its subjects.
    pub name: IssuerName,
    /// The values of `iss` that are this issuer; at least one, compared byte for byte.
    pub issuers: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The credential for fetching them, where a cluster asks for one.
    pub fetch_token: Option<Secret>,
    /// The algorithms that its tokens may use.
    pub algorithms: Vec<Algorithm>,
    /// Where its tokens keep what this gateway reads.
    pub claims: ClaimNames,
    /// Whether every token must be an RFC 9068 one.
    pub token_type: TokenProfile,
    /// Whether a token with a `nonce` may be an access token.
    pub allow_nonce: bool,
    /// Audiences that mean "addressed to this gateway for exchange".
    pub exchange_audiences: Vec<String>,
    /// Further audiences that `broad_tokens: strict` overlooks.
    pub ignore_audiences: Vec<String>,
    /// Claims that every token must have.
    pub require: Vec<Requirement>,
    /// Whether its subjects are printed with its name.
    pub subjects: SubjectForm,
    /// How long a key set is used before it is read again; also the cap of its own `max-age`.
    pub refresh: Duration,
    /// The shortest time between two reads for an unknown `kid`.
    pub refetch_after: Duration,
    /// How long a key set serves on while the issuer cannot be reached.
    pub max_stale: Duration,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq)]
pub enum KeySource {
    /// The issuer's metadata: OpenID discovery first, then RFC 8414; the document's `issuer` must be `issuer` exactly.
    Discovery {
        /// The issuer whose well-known documents are asked.
        issuer: Url,
    },
    /// A metadata document at a place of its own.
    DiscoveryAt {
        /// The document.
        url: Url,
    },
    /// Key sets, named directly; their keys are put together.
    Jwks(Vec<JwksLocation>),
}

/// One key set.
#[derive(Clone, Debug, PartialEq)]
pub enum JwksLocation {
    /// Fetched and kept fresh.
    Url(Url),
    /// Read when the configuration is read.
    File {
        /// The file.
        path: PathBuf,
        /// Its content.
        json: Arc<[u8]>,
    },
}

/// What a token must be to be an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenProfile {
    /// `typ` is `at+jwt`, `JWT` or absent, and nothing marks another kind.
    Any,
    /// `typ` is `at+jwt`, with every claim that RFC 9068 §2.2 requires.
    AtJwt,
}

/// How an issuer's subjects are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubjectForm {
    /// `<issuer name>|<value>`.
    Qualified,
    /// The value alone; one issuer at most.
    Plain,
}

/// Where a token keeps what this gateway reads; of each list the first that is present counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimNames {
    /// The scopes: a string of words, an array of strings, or an object whose keys they are.
    pub scope: Vec<ClaimPath>,
    /// The client.
    pub client: Vec<ClaimPath>,
    /// The subject.
    pub subject: Vec<ClaimPath>,
    /// Foreign claims that may go into a token minted here.
    pub carry: Vec<ClaimPath>,
}

/// One claim: a member's name, or a JSON pointer (RFC 6901) if it begins with `/`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClaimPath {
    /// As it was written.
    pub text: String,
    /// The member names from the outermost inward, unescaped; at least one.
    pub steps: Vec<String>,
}

/// A claim that a token must have, with one of these values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    /// The claim.
    pub claim: ClaimPath,
    /// Its allowed values; a string, number or boolean is compared as JSON prints it, an array needs one member here.
    pub values: Vec<String>,
}

/// A protected resource, or a public one.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its identifier: routing, audience, metadata and minting all come from it.
    pub key: ResourceIndicator,
    /// Its name for people.
    pub name: Option<String>,
    /// Whether everything here is public: no metadata, never an audience.
    pub public: bool,
    /// Which requests are its own.
    pub matches: Match,
    /// Whether the resource's own path is removed before a request is forwarded.
    pub strip_prefix: bool,
    /// Where requests go.
    pub upstream: Upstream,
    /// The scopes it knows, with their descriptions.
    pub scopes: Vec<(ScopePattern, Option<String>)>,
    /// Scopes that every request needs.
    pub required_scopes: Vec<ScopePattern>,
    /// Further demands by path and method.
    pub rules: Vec<Rule>,
    /// What happens to a request that no rule matches.
    pub unmatched: Unmatched,
    /// Who may vouch here.
    pub issuers: Vec<ResourceIssuer>,
    /// Whether our own issuer's tokens are accepted.
    pub own_issuer: bool,
    /// What happens to a token that also names another resource.
    pub broad_tokens: BroadTokens,
    /// What the upstream gets as credential.
    pub forward: Forward,
    /// Headers that tell the upstream who calls.
    pub identity_headers: Vec<IdentityHeader>,
    /// Which web pages may call.
    pub cors: Option<Cors>,
    /// The only clients let in, if the API's owner says so.
    pub allowed_clients: Option<Vec<AllowedClient>>,
    /// Whether `;` may stand in a path.
    pub path_parameters: bool,
    /// Whether a WebSocket may be opened.
    pub websocket: bool,
    /// The longest request body, in bytes; `limits.body_bytes` if nobody says.
    pub body_bytes: u64,
    /// User claims that a token minted for this resource carries.
    pub user_claims: Vec<String>,
    /// The algorithm of tokens minted for this resource.
    pub signing_algorithm: Option<Algorithm>,
    /// How long a token minted for this resource lives.
    pub access_token_lifetime: Option<Duration>,
}

/// Which requests belong to a resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Match {
    /// Authorities; at least one.
    pub hosts: Vec<HostPattern>,
    /// The path prefix, by whole segments: empty for the root, `/v1`, or `/v1/` for what lies below it only.
    pub path: String,
}

/// Where a resource's requests go.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// `http` or `https` URLs without query and fragment; at least one. Their paths are equal.
    pub urls: Vec<Url>,
    /// The protocol spoken there.
    pub protocol: UpstreamProtocol,
    /// A path that answers 2xx while the upstream is healthy.
    pub health_check: Option<String>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the upstream may be silent.
    pub read_timeout: Duration,
}

/// The protocol towards an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge (h2c), as gRPC servers speak it.
    Http2,
}

/// A demand on the requests that it matches.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Relative to the resource; nothing for every path.
    pub path: Option<PathPattern>,
    /// Methods; nothing for every method. `GET` includes `HEAD`.
    pub methods: Option<Vec<http::Method>>,
    /// What is demanded.
    pub demand: Demand,
}

/// What a rule demands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Demand {
    /// These scopes (possibly none) on top of the others.
    Scopes(Vec<ScopePattern>),
    /// Nothing, not even a token, where this is the most specific path.
    Public {
        /// Whether a credential that the client sends all the same goes to the upstream.
        forward_token: bool,
    },
}

/// What happens to a request that no rule matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unmatched {
    /// The resource's token is enough.
    Allow,
    /// 404, or 405 where only the method differs.
    Refuse,
}

/// What one issuer's tokens are worth at one resource.
#[derive(Clone, Debug)]
pub struct ResourceIssuer {
    /// The issuer.
    pub issuer: IssuerId,
    /// The issuer's own names for this resource, beside the key.
    pub audiences: Vec<String>,
    /// Where its tokens keep things, if not as at the issuer.
    pub claims: Option<ClaimNames>,
    /// What its scopes are called here; unmapped names count for nothing.
    pub scope_map: Option<BTreeMap<String, Vec<Scope>>>,
    /// What an absent scope claim stands for.
    pub scopes_if_none: Vec<Scope>,
    /// Claims that a token must have here.
    pub require: Vec<Requirement>,
    /// Whether its tokens may be exchanged for this resource.
    pub exchange: bool,
}

/// What happens to a token whose `aud` also names another resource of this gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BroadTokens {
    /// It is refused.
    Reject,
    /// It is refused for any further audience at all but the issuer's `ignore_audiences`.
    Strict,
    /// It is accepted as it is: an exception to P1.
    Accept,
}

/// What the upstream gets as credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forward {
    /// Nothing.
    None,
    /// The token that came in.
    Token,
}

/// A header that tells the upstream something about the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentityHeader {
    /// The field's name.
    pub name: HeaderName,
    /// What goes into it.
    pub source: IdentitySource,
}

/// What an identity header tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IdentitySource {
    /// `sub`: the subject, with its issuer.
    Subject,
    /// `client_id`: the client, with its issuer if that is not ours.
    Client,
    /// `iss`: the issuer's URL.
    Issuer,
    /// `scope`: the scopes that count at this resource.
    Scope,
    /// Any other claim.
    Claim(ClaimPath),
}

/// Which web pages may call a resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cors {
    /// Origins, compared byte for byte; or `*`.
    pub origins: CorsOrigins,
}

/// Origins that may call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CorsOrigins {
    /// `*`: every origin, never with credentials.
    Any,
    /// These.
    Listed(Vec<String>),
}

/// A client that the owner of an API lets in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AllowedClient {
    /// A client of our own issuer.
    Own(String),
    /// A foreign client, written `corp|id`.
    Foreign(IssuerId, String),
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
