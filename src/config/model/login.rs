//! How users log in to our own issuer: at an OpenID provider among the trusted issuers, or, for demos and tests, by a list.

use std::fmt;

use serde_json::{Map, Value};

use super::IssuerId;
use crate::oauth::{IssuerName, Scope};
use crate::secret::Secret;

/// How users log in; at least one way.
#[derive(Clone, Debug, PartialEq)]
pub struct UserLogin {
    /// OpenID providers, in the order in which a user is shown them; no two are one trusted issuer.
    pub openid: Vec<OpenIdLogin>,
    /// Users with a password here, for demos and tests.
    pub users: Vec<LocalUser>,
}

/// A login at an OpenID provider, at which we are a client.
///
/// The same person is the same subject there and here: his name is read where the trusted issuer's `claims.subject` says, and
/// what its `claims.carry` lists is known of him.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenIdLogin {
    /// The provider: one of `trusted_issuers`, found by discovery.
    pub issuer: IssuerId,
    /// What the button says.
    pub title: String,
    /// Our `client_id` there.
    pub client_id: String,
    /// How we prove who we are there.
    pub authentication: LoginAuthentication,
    /// The scopes that we ask for; `openid` is among them.
    pub scopes: Vec<Scope>,
    /// Whether claims that are not in the ID token are asked for at the provider's UserInfo endpoint.
    pub userinfo: bool,
}

/// How we prove to a provider that we are its client.
#[derive(Clone, Debug, PartialEq)]
pub enum LoginAuthentication {
    /// By a secret, in the way that the provider supports.
    Secret(Secret),
    /// By a signature with this private key (`private_key_jwt`): PEM, and the `kid` that the provider knows it by.
    Key {
        /// The private key, as PEM.
        pem: Secret,
        /// Its name there, if it has one.
        kid: Option<String>,
    },
    /// Not at all: we are a public client there, and PKCE is the proof.
    None,
}

/// A user with a password here.
#[derive(Clone, PartialEq)]
pub struct LocalUser {
    /// The name, which is the subject's value, too: printed `local|<name>`.
    pub name: String,
    /// The password's hash: argon2id, in the PHC form.
    pub password: Secret,
    /// What is known of the user, as a provider's claims would say it.
    pub claims: Map<String, Value>,
}

impl UserLogin {
    /// The prefix of local users' subjects; no trusted issuer has this name beside them.
    pub const LOCAL: &str = "local";

    /// That prefix as a name.
    pub fn local() -> IssuerName {
        IssuerName::parse(Self::LOCAL).expect("this is a name")
    }

    /// The login at this provider.
    pub fn at(&self, issuer: IssuerId) -> Option<&OpenIdLogin> {
        self.openid.iter().find(|login| login.issuer == issuer)
    }

    /// The local user of this name.
    pub fn user(&self, name: &str) -> Option<&LocalUser> {
        self.users.iter().find(|user| user.name == name)
    }
}

/// Without what is known of the user.
impl fmt::Debug for LocalUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LocalUser").field("name", &self.name).finish_non_exhaustive()
    }
}
