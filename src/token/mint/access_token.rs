//! What an access token says before it is signed (RFC 9068 §2.2).
//!
//! P3 is a matter of this one constructor: one audience, which is a resource of ours; only scopes that it declares; an end no
//! later than that of what the token came from. All fields are private and nothing changes them.
//!
//! A token without scopes has no `scope` at all: the empty text is no scope (RFC 6749 §3.3), and a gateway takes an absent
//! one for the empty set. Such a token still names its client, which is what makes it an access token.
//!
//! Deliberately absent: `nbf`, `cnf`, `may_act`, a second audience, and who may have which token.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Actor, GrantId, MintedToken, NotMinted, SigningKeys, UserClaims};
use crate::clock::Timestamp;
use crate::config::Resource;
use crate::oauth::{ClientRef, ResourceIndicator, Scope, SigningAlgorithm, Subject};

/// What a token will say, apart from its audience.
#[derive(Clone, Copy, Debug)]
pub struct NewAccessToken<'a> {
    /// `iss`: our own issuer, exactly as its metadata has it.
    pub issuer: &'a str,
    /// Whom it is about.
    pub subject: TokenSubject<'a>,
    /// The client that asked for it.
    pub client: ClientRef<'a>,
    /// What it allows at its audience; possibly nothing.
    pub scopes: &'a [Scope],
    /// The present.
    pub now: Timestamp,
    /// How long it lives at most.
    pub lifetime: Duration,
    /// What it comes from.
    pub source: Source,
    /// How the user logged in, where one did.
    pub login: Option<Login<'a>>,
    /// Who acts for the subject, if not the subject itself.
    pub actor: Option<&'a Actor>,
    /// What this audience is told about the user.
    pub user_claims: &'a UserClaims,
}

/// Whom a token is about (RFC 9068 §2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenSubject<'a> {
    /// The client itself, where no user is involved: `sub` is `client_id`.
    Client,
    /// Somebody whom an issuer vouches for, printed `<issuer name>|<value>`. What one of our own tokens says is printed
    /// already, and comes without an issuer.
    Named(Subject<'a>),
}

/// What a token comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Nothing with an end: the grant begins with this token, or lasts until it is revoked.
    Grant(GrantId),
    /// Something that ends, as another token or a refresh family; what is made from it ends no later.
    Ending {
        /// The grant at the root, which is kept.
        root: GrantId,
        /// When it ends.
        ends: Timestamp,
    },
}

/// How a user logged in; fixed then, and copied ever after (RFC 9068 §2.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Login<'a> {
    /// `auth_time`, where it is known.
    pub time: Option<Timestamp>,
    /// `acr`, where it is known.
    pub acr: Option<&'a str>,
    /// `amr`; possibly nothing.
    pub amr: &'a [String],
}

/// One access token, for one audience, before it is signed. Only [`AccessToken::new`] makes one, and nothing copies it.
#[derive(Debug)]
pub struct AccessToken {
    root: GrantId,
    claims: Claims,
}

/// The claims, in the order in which they are written.
#[derive(Debug, Serialize)]
struct Claims {
    iss: Box<str>,
    sub: Box<str>,
    #[serde(serialize_with = "as_text")]
    aud: ResourceIndicator,
    client_id: Box<str>,
    iat: u64,
    exp: u64,
    jti: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<Box<str>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: Box<[String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
    /// None of these has a name from above: [`UserClaims`] holds that.
    #[serde(flatten)]
    user: UserClaims,
}

impl AccessToken {
    /// Says what a token for `audience` will say.
    ///
    /// # Errors
    ///
    /// [`NotMinted`] if it would be no good, or good for more than its audience or its source allows.
    pub fn new(audience: &Resource, new: &NewAccessToken<'_>) -> Result<Self, NotMinted> {
        if audience.public {
            return Err(NotMinted::PublicAudience);
        }
        let client_id = new.client.to_string();
        if new.client.id.is_empty() || new.client.issuer.is_none() && client_id.contains('|') {
            return Err(NotMinted::ClientId);
        }
        let sub = match new.subject {
            TokenSubject::Client => client_id.clone(),
            TokenSubject::Named(subject) if subject.value.is_empty() => return Err(NotMinted::Subject),
            TokenSubject::Named(subject) => subject.to_string(),
        };
        let (root, end) = match new.source {
            Source::Grant(root) => (root, None),
            Source::Ending { root, ends } => (root, Some(ends.0)),
        };
        let full = new.now.0.saturating_add(new.lifetime.as_secs());
        let exp = end.map_or(full, |end| end.min(full));
        if exp <= new.now.0 {
            return Err(NotMinted::Ended);
        }
        let claims = Claims {
            iss: new.issuer.into(),
            sub: sub.into(),
            aud: audience.key.clone(),
            client_id: client_id.into(),
            iat: new.now.0,
            exp,
            jti: root.new_jti().map_err(|_| NotMinted::Randomness)?.into(),
            scope: scope(audience, new.scopes)?,
            auth_time: new.login.and_then(|login| login.time).map(|time| time.0),
            acr: new.login.and_then(|login| login.acr).map(Into::into),
            amr: new.login.map_or(Box::default(), |login| login.amr.into()),
            act: new.actor.cloned(),
            user: new.user_claims.clone(),
        };
        Ok(Self { root, claims })
    }

    /// Signs it with the key that signs with `algorithm` now. That ends it: a `jti` is of one token.
    ///
    /// # Errors
    ///
    /// [`NotMinted::NoKey`] if none does, or [`NotMinted::Signature`].
    pub fn sign(self, keys: &SigningKeys, algorithm: SigningAlgorithm) -> Result<MintedToken, NotMinted> {
        let key = keys.key(algorithm).ok_or(NotMinted::NoKey(algorithm))?;
        /// What the claims of most tokens fit in.
        const ROOM: usize = 1 << 10;
        let mut claims = Vec::with_capacity(ROOM);
        serde_json::to_writer(&mut claims, &self.claims).expect("values under names that are text are always JSON");
        MintedToken::new(self, &claims, key)
    }

    /// The one resource that it is for.
    pub fn audience(&self) -> &ResourceIndicator {
        &self.claims.aud
    }

    /// `sub`, as it is printed.
    pub fn subject(&self) -> &str {
        &self.claims.sub
    }

    /// `client_id`, as it is printed.
    pub fn client_id(&self) -> &str {
        &self.claims.client_id
    }

    /// `scope`; nothing where it allows nothing beyond being let in.
    pub fn scope(&self) -> Option<&str> {
        self.claims.scope.as_deref()
    }

    /// `jti`.
    pub fn jti(&self) -> &str {
        &self.claims.jti
    }

    /// The grant at its root.
    pub fn root(&self) -> GrantId {
        self.root
    }

    /// `iat`.
    pub fn issued(&self) -> Timestamp {
        Timestamp(self.claims.iat)
    }

    /// `exp`.
    pub fn expires(&self) -> Timestamp {
        Timestamp(self.claims.exp)
    }
}

/// The scopes as one text, each once; all of them are the audience's own.
fn scope(audience: &Resource, scopes: &[Scope]) -> Result<Option<Box<str>>, NotMinted> {
    let mut words: Vec<&str> = Vec::with_capacity(scopes.len());
    for scope in scopes {
        if !audience.scopes.iter().any(|(declared, _)| declared.covers(scope.as_str())) {
            return Err(NotMinted::ForeignScope(scope.clone()));
        }
        if !words.contains(&scope.as_str()) {
            words.push(scope.as_str());
        }
    }
    Ok((!words.is_empty()).then(|| words.join(" ").into()))
}

fn as_text<S: Serializer>(indicator: &ResourceIndicator, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(indicator.as_str())
}
