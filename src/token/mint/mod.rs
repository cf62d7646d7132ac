//! The access tokens of our own issuer: what they say, and the keys that sign them (RFC 9068).
//!
//! [`AccessToken::new`] is the only way to say something and [`AccessToken::sign`] the only thing that a [`SigningKey`]
//! does, so what holds for one holds for every token that leaves: one audience, only scopes that it owns, an end no later
//! than that of what it came from. Who may have which token is the matter of the grants, which know no key.
//!
//! Beside them a [`ClientKey`] signs who we are, where we are a client ourselves: another type, with keys of its own.
//! Deliberately absent: a store, tasks, and any other JWT.

mod access_token;
mod actor;
mod client_key;
mod grant_id;
mod key_ring;
mod minted;
mod private_key;
mod public_jwk;
mod signing_key;
mod signing_keyring;
mod signing_keys;
mod user_claims;

pub use access_token::{AccessToken, Login, NewAccessToken, Source, TokenSubject};
pub use actor::{Actor, InvalidActor};
pub use client_key::{ClientKey, NotSigned};
pub use grant_id::{GrantId, InvalidGrantId};
pub use key_ring::{InvalidKeyRing, KeyPolicy, KeyRing, KeyRingFault, KeyState, LEAD, ListedKey};
pub use minted::{MintedToken, NotMinted};
pub use private_key::{KeyKind, SigningKeyFault};
pub use public_jwk::{JwkSet, PublicJwk};
pub use signing_key::SigningKey;
pub use signing_keyring::SigningKeyring;
pub use signing_keys::{SigningKeys, SigningKeysFault};
pub use user_claims::{InvalidUserClaim, UserClaims};

#[cfg(test)]
mod tests;
