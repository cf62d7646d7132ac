//! What may be minted: from a form to a [`Grant`], or to a [`Refusal`]. Values in, a value out.
//!
//! The rooms: [`client`] says who asks, [`form`] and [`request`] read what is asked, [`policy`] says what the configuration
//! allows, [`target`] which resource is meant and [`scopes`] which rights there. The grants are a file each:
//! [`client_credentials()`], [`token_exchange()`], [`narrow`] for the gate itself, [`development_token`] for an operator;
//! [`grant`] is what they all end in, and the only way to it. Where a user is asked first, [`authorization`] says what he is
//! asked for, [`grant_record`] what he granted, and [`authorization_code()`] and [`refresh_token()`] what becomes of it.
//! [`introspection`] and [`revocation()`] decide what becomes of a token that was minted, [`endpoint`] knows where all of this
//! is asked for, and [`metadata()`] tells everybody.
//!
//! Deliberately absent: keys, clocks, sockets, a store. Who proves the tokens of an exchange and signs what is granted lives
//! elsewhere.

mod access;
mod authorization;
mod authorization_code;
mod client;
mod client_credentials;
mod development;
mod endpoint;
mod facts;
mod form;
mod grant;
mod grant_record;
mod introspection;
mod metadata;
mod narrowing;
mod policy;
mod provider;
mod refresh_token;
mod refusal;
mod request;
mod revocation;
mod scopes;
mod session;
mod target;
#[cfg(test)]
mod tests;
mod token_exchange;
mod transaction;

pub use authorization::{
    Asked, AuthorizationFault, AuthorizationRequest, Destination, Interaction, NotAsked, PageFault, Prompt, PushedAs,
    ReturnAddress, asked, asked_directly,
};
pub use authorization_code::{
    CodeBinding, CodeRecord, CodeRequest, RecallsSeen, UnreadableCode, authorization_code, check_code,
};
pub use client::{
    AssertionFault, ClientAssertion, ClientCredential, ClientFault, OfferedSecret, OneUse, by_name, by_secret,
    with_keys,
};
pub use client_credentials::{check_open_grant, client_credentials};
pub use development::{DevelopmentFault, DevelopmentToken, development_token};
pub use endpoint::{Endpoint, Site};
pub use facts::{Claimed, LoginFacts, MayAct, TokenFacts, TokenIssuer};
pub use form::Form;
pub use grant::{Grant, Party};
pub use grant_record::{Consenting, GrantRecord, UnreadableRecord, consent_covers};
pub use introspection::introspect;
pub use metadata::metadata;
pub use narrowing::narrow;
pub use policy::Policy;
pub use provider::{
    Answer, ExpectedIdToken, IdToken, IdTokenFault, Identity, IdentityFault, InvalidProvider, LoginAttempt,
    LoginDemand, ProvenLogin, ProviderMetadata, ProviderResponse, ResponseFault, UnreadableAttempt, UserInfoFault,
};
pub use refresh_token::{RefreshRequest, refresh_token};
pub use refusal::Refusal;
pub use request::{PresentedToken, TokenRequest, TokenType, grant_type};
pub use revocation::{NotTheirs, revocation};
pub use session::{Session, UnreadableSession, Voucher, prefix};
pub use target::Wanted;
pub use token_exchange::{Exchange, exchange_target, token_exchange};
pub use transaction::{Goal, Pushed, Transaction, UnreadableTransaction};
