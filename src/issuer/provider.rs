//! Login at an OpenID provider, at which we are a client (OpenID Connect Core §3.1): what is asked there, and what of the
//! answer is believed.
//!
//! [`metadata`] says where the provider answers, [`demand`] what a client's request asks of the login, [`attempt`] is what is
//! kept while the user is away, [`response`] what he brings back. [`id_token`] is proven with the provider's keys and nothing
//! else; only that makes a [`ProvenLogin`], and only from that comes an [`identity`].
//!
//! Deliberately absent: the code's way to the token endpoint, and every other token of the provider. Those are asked for, used
//! up and dropped where the I/O is.

mod attempt;
mod demand;
mod id_token;
mod identity;
mod metadata;
mod response;
#[cfg(test)]
mod tests;

pub use attempt::{LoginAttempt, UnreadableAttempt};
pub use demand::LoginDemand;
pub use id_token::{ExpectedIdToken, IdToken, IdTokenFault, ProvenLogin, UserInfoFault};
pub use identity::{Identity, IdentityFault};
pub use metadata::{InvalidProvider, ProviderMetadata};
pub use response::{Answer, ProviderResponse, ResponseFault};
