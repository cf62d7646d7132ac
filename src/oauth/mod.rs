//! The vocabulary of OAuth, as values: no I/O, no policy, no configuration.
//!
//! Every name here is the standards' name. What is parsed once is a type from then on.

mod algorithm;
mod authorization_error;
mod claim_names;
mod error;
mod indicator;
pub mod issuer_paths;
mod party;
mod pkce;
mod reason;
mod redirect_uri;
mod rejection;
mod scope;

pub use algorithm::{Algorithm, NotForSigning, SigningAlgorithm, UnknownAlgorithm};
pub use authorization_error::AuthorizationError;
pub use claim_names::{PROTOCOL_CLAIMS, is_protocol_claim};
pub use error::OAuthError;
pub use indicator::{InvalidIndicator, ResourceIndicator};
pub use party::{ClientRef, InvalidIssuerName, IssuerName, Subject};
pub use pkce::{CodeChallenge, CodeVerifier, InvalidChallenge, InvalidVerifier};
pub use reason::Reason;
pub use redirect_uri::{InvalidRedirectUri, RedirectUri};
pub use rejection::Rejection;
pub use scope::{FOR_USERS, InvalidScope, Scope, ScopePattern};
