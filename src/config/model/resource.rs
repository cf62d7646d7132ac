//! What is served: a resource's requests, its upstream, its rules, and who may vouch there.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderName;

use super::{ClaimNames, ClaimPath, IssuerId, Requirement, Upstream};
use crate::oauth::{ResourceIndicator, Scope, ScopePattern, SigningAlgorithm};
use crate::route::{HostPattern, PathPattern};

/// A protected resource, or a public one.
#[derive(Clone, Debug, PartialEq)]
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
    /// How what is under way ends once the resource is removed from the configuration.
    pub on_removal: OnRemoval,
    /// The longest request body, in bytes; `limits.body_bytes` if nobody says.
    pub body_bytes: u64,
    /// User claims that a token minted for this resource carries.
    pub user_claims: Vec<UserClaim>,
    /// What must be known of a user before a token of his is minted for this resource, all of it; nothing for everybody.
    /// Clients for themselves have no user, and what is narrowed was let in already.
    pub access: Vec<Requirement>,
    /// The algorithm of tokens minted for this resource.
    pub signing_algorithm: Option<SigningAlgorithm>,
    /// How long a token minted for this resource lives.
    pub access_token_lifetime: Option<Duration>,
}

/// A claim of the user that a token minted for a resource carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserClaim {
    /// The claim's name; never one that a protocol gives a meaning.
    pub name: String,
    /// The scopes that must all be granted for it; with none, every token carries it.
    pub scopes: Vec<ScopePattern>,
}

/// Which requests belong to a resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Match {
    /// Authorities; at least one.
    pub hosts: Vec<HostPattern>,
    /// The path prefix, by whole segments: empty for the root, `/v1`, or `/v1/` for what lies below it only.
    pub path: String,
}

/// A demand on the requests that it matches.
#[derive(Clone, Debug, PartialEq)]
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

/// How requests, streams and tunnels of a resource end that a reload has removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnRemoval {
    /// By themselves, within `limits.tunnel_age`.
    Drain,
    /// At once.
    Close,
}

/// What one issuer's tokens are worth at one resource.
#[derive(Clone, Debug, PartialEq)]
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
    /// It is accepted, and the upstream gets one that is minted for this resource alone.
    Narrow,
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
    /// A token of our own issuer, minted from the one that came in, for this resource alone.
    Narrowed,
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
