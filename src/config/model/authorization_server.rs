//! The companion authorization server: its clients, and which token each of them may have (the matrix).
//!
//! Deliberately absent: a way to read these from a file. What a client may have at a resource is said here and nowhere
//! else; what the resource itself owns is said at the resource.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{IssuerId, JwksLocation, ResourceId};
use crate::oauth::ScopePattern;
use crate::secret::Secret;

/// The companion authorization server.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationServer {
    /// Its `iss`, byte for byte.
    pub issuer: String,
    /// How long an access token lives, where its resource says nothing else.
    pub access_token_lifetime: Duration,
    /// The most actors that one token may name.
    pub exchange_depth: usize,
    /// Who may ask for tokens; a [`ClientId`] is a place in this list.
    pub clients: Vec<Client>,
}

/// A client of our own issuer, by its place in [`AuthorizationServer::clients`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientId(pub usize);

/// Who may ask for tokens, and for which.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its `client_id`; no two clients share one, and none holds `|`.
    pub id: String,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// How it proves who it is.
    pub authentication: ClientAuthentication,
    /// The matrix: at which resource it may have which scopes.
    pub resources: BTreeMap<ResourceId, Vec<ScopePattern>>,
    /// The resource that is meant when none is named; one of the matrix.
    pub default_resource: Option<ResourceId>,
    /// The resource that this client *is*: tokens addressed there are addressed to it.
    pub serves: Option<ResourceId>,
    /// Where to tokens of others may be carried on, and what their scopes are worth there.
    pub exchange: BTreeMap<ResourceId, Vec<EdgeScope>>,
    /// Its client ids at other issuers, one at each; no two clients share one.
    pub known_as: BTreeMap<IssuerId, String>,
    /// Whether it is shut out for now.
    pub disabled: bool,
}

/// What one scope of a subject token is worth behind an edge of `exchange`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EdgeScope {
    /// The scope at the resource that the subject token was for.
    pub from: ScopePattern,
    /// The scopes at the target. One with a parameter takes the value of `from`, whose parameter has the same name.
    pub to: Vec<ScopePattern>,
}

/// A way to a token (RFC 6749 §4, RFC 8693).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum GrantType {
    /// A user's consent, brought as a code.
    AuthorizationCode,
    /// More tokens from an earlier consent.
    RefreshToken,
    /// The client's own rights.
    ClientCredentials,
    /// Another token, narrowed or carried on.
    TokenExchange,
}

/// How a client proves who it is.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientAuthentication {
    /// One of these secrets; at least one, the newest first.
    Secrets(Vec<Secret>),
    /// A signature by one of these keys (`private_key_jwt`); at least one place.
    Keys(Vec<JwksLocation>),
    /// Not at all: a public client.
    None,
}

impl Client {
    /// Whether it can keep a secret, so that whoever proves to be it is it (RFC 6749 §2.1).
    pub fn is_confidential(&self) -> bool {
        match self.authentication {
            ClientAuthentication::Secrets(_) | ClientAuthentication::Keys(_) => true,
            ClientAuthentication::None => false,
        }
    }
}

impl GrantType {
    /// The value of `grant_type` that asks for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
}
