//! The companion authorization server: its clients, and which token each of them may have (the matrix).
//!
//! What a client may have at a resource is said here and nowhere else; what the resource itself owns is said at the
//! resource.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{
    ClaimNames, ClaimPath, Database, IssuerId, JwksLocation, KeySource, ResourceId, SubjectForm, TokenProfile,
    TrustedIssuer, UserLogin,
};
use crate::oauth::{IssuerName, RedirectUri, ScopePattern, SigningAlgorithm};
use crate::secret::Secret;

/// The companion authorization server.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationServer {
    /// Its `iss`, byte for byte: the URL as it was written.
    pub issuer: String,
    /// The same as a location: its endpoints lie below it, at this authority and path.
    pub url: Url,
    /// How long an access token lives, where its resource says nothing else.
    pub access_token_lifetime: Duration,
    /// How long a code can be redeemed.
    pub code_lifetime: Duration,
    /// How long a grant of a user lasts, counted from its beginning: no refresh token and no access token outlives it.
    pub refresh_token_lifetime: Duration,
    /// How long a user who has logged in stays so in his browser.
    pub session_lifetime: Duration,
    /// How users log in; nothing where none can.
    pub login: Option<UserLogin>,
    /// The most actors that one token may name.
    pub exchange_depth: usize,
    /// Whether whoever operates it may make tokens for any subject, without a login (`narrowgate token`).
    pub development_tokens: bool,
    /// What its tokens are signed with.
    pub signing: Signing,
    /// Who may ask for tokens.
    pub clients: Vec<Client>,
}

/// What tokens are signed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Signing {
    /// The algorithm of tokens for resources that ask for none.
    pub algorithm: SigningAlgorithm,
    /// Where the keys come from.
    pub keys: KeyOrigin,
    /// What everything in the store is sealed under that must not be read there; nothing for a key of its own in a file
    /// beside the store.
    pub encryption: Option<Secret>,
}

/// Where our own signing keys come from.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyOrigin {
    /// The operator makes them, and rotates them by changing this list. Of each algorithm the first key signs and the
    /// others are published only.
    Files(Vec<KeyFile>),
    /// We make them, rotate them, and keep them in the store.
    Store {
        /// How long one key signs.
        rotate_every: Duration,
    },
}

/// A private key in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// Its content: PEM.
    pub pem: Secret,
}

/// Where state is kept that must outlive the process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StoreLocation {
    /// In memory, where signing keys come from files and nobody names a store: what was revoked is forgotten at a restart.
    Memory,
    /// An embedded database in this file, for one process at a time.
    File(PathBuf),
    /// A PostgreSQL database, for as many nodes as there are.
    Postgres(Box<Database>),
}

/// As people are told of it, without what is secret.
impl fmt::Display for StoreLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory"),
            Self::File(path) => path.display().fmt(formatter),
            Self::Postgres(database) => formatter.write_str(&database.shown),
        }
    }
}

/// Who may ask for tokens, and for which.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its `client_id`; no two clients share one, and none holds `|`.
    pub id: String,
    /// Its name for people; its id where nobody says.
    pub name: Option<String>,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// How it proves who it is.
    pub authentication: ClientAuthentication,
    /// The only place where a secret of its counts; nothing for both.
    pub secret_method: Option<SecretMethod>,
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
    /// Where answers to its authorization requests may go; the first is no better than the others.
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether users are asked before it gets anything of theirs.
    pub consent: Consent,
    /// Whether its authorization requests count only if they were pushed (RFC 9126 §6).
    pub require_pushed_authorization_requests: bool,
    /// Whether it is shut out for now.
    pub disabled: bool,
}

/// Whether users are asked before a client gets anything of theirs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Consent {
    /// They are.
    #[default]
    Ask,
    /// They are not: whoever operates this server answers for the client.
    Never,
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

/// Where a client puts its secret (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecretMethod {
    /// Into the header.
    Basic,
    /// Into the form.
    Post,
}

/// The longest that an access token of our own may live, whatever the configuration.
pub const LONGEST_ACCESS_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// The label of our own issuer, which no trusted one may have.
const OWN: &str = "own";

impl AuthorizationServer {
    /// How long a code can be redeemed, where nobody says (`lifetimes.code`).
    pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

    /// How long a user's grant lasts, where nobody says (`lifetimes.refresh_token`).
    pub const REFRESH_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

    /// How long a login lasts in a browser, where nobody says (`lifetimes.session`).
    pub const SESSION_LIFETIME: Duration = Duration::from_secs(8 * 3600);

    /// Our own issuer as the gate sees it: tokens of RFC 9068, whose subjects and clients are printed as they are.
    pub fn as_trusted_issuer(&self) -> TrustedIssuer {
        let member = |name: &str| vec![ClaimPath { text: name.to_owned(), steps: vec![name.to_owned()] }];
        TrustedIssuer {
            name: IssuerName::parse(OWN).expect("this is a name"),
            issuers: vec![self.issuer.clone()],
            keys: KeySource::Own,
            fetch_token: None,
            algorithms: SigningAlgorithm::ALL.iter().map(|algorithm| algorithm.algorithm()).collect(),
            claims: ClaimNames {
                scope: member("scope"),
                client: member("client_id"),
                subject: member("sub"),
                carry: Vec::new(),
            },
            token_type: TokenProfile::AtJwt,
            allow_nonce: false,
            exchange_audiences: Vec::new(),
            ignore_audiences: Vec::new(),
            require: Vec::new(),
            subjects: SubjectForm::Plain,
            refresh: Duration::from_secs(600),
            refetch_after: Duration::from_secs(30),
            max_stale: Duration::from_secs(24 * 3600),
        }
    }

    /// The client with this id.
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }
}

impl Client {
    /// What people call it.
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Whether a secret of its counts there.
    pub fn allows(&self, method: SecretMethod) -> bool {
        self.secret_method.is_none_or(|only| only == method)
    }

    /// Whether it can keep a secret, so that whoever proves to be it is it (RFC 6749 §2.1).
    pub fn is_confidential(&self) -> bool {
        match self.authentication {
            ClientAuthentication::Secrets(_) | ClientAuthentication::Keys(_) => true,
            ClientAuthentication::None => false,
        }
    }
}

impl SecretMethod {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Basic, Self::Post];

    /// Its registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

impl GrantType {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::TokenExchange];

    /// Whether it gives what a user has granted, so that there is none where no user can log in.
    pub fn is_of_users(self) -> bool {
        match self {
            Self::AuthorizationCode | Self::RefreshToken => true,
            Self::ClientCredentials | Self::TokenExchange => false,
        }
    }

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
