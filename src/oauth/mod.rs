//! The vocabulary of OAuth, as values: no I/O, no policy, no configuration.
//!
//! Every name here is the standards' name. What is parsed once is a type from then on.

mod algorithm;
mod error;
mod indicator;
mod party;
mod reason;
mod rejection;
mod scope;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use error::OAuthError;
pub use indicator::{InvalidIndicator, ResourceIndicator};
pub use party::{ClientRef, InvalidIssuerName, IssuerName, Subject};
pub use reason::Reason;
pub use rejection::Rejection;
pub use scope::{InvalidScope, Scope, ScopePattern};
