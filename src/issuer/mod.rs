//! What may be minted: from a form to a [`Grant`], or to a [`Refusal`]. Values in, a value out.
//!
//! The rooms: [`form`] and [`request`] read what a client asks, [`policy`] says what the configuration allows, [`target`]
//! which resource is meant and [`scopes`] which rights there; [`client_credentials()`] and [`token_exchange()`] are the
//! grants, a file each; [`grant`] is what they all end in, and the only way to it.
//!
//! Deliberately absent: keys, clocks, sockets, a store. Who authenticates the client, proves the tokens of an exchange
//! and signs what is granted lives elsewhere.

mod client_credentials;
mod facts;
mod form;
mod grant;
mod narrowing;
mod policy;
mod refusal;
mod request;
mod scopes;
mod target;
#[cfg(test)]
mod tests;
mod token_exchange;

pub use client_credentials::client_credentials;
pub use facts::{Claimed, LoginFacts, MayAct, TokenFacts, TokenIssuer};
pub use form::Form;
pub use grant::{Grant, Party};
pub use narrowing::narrow;
pub use policy::Policy;
pub use refusal::Refusal;
pub use request::{PresentedToken, TokenRequest, TokenType};
pub use target::Wanted;
pub use token_exchange::{Exchange, exchange_target, token_exchange};
