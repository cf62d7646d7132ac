//! Who asks: what a client offers to prove itself with ([`credential`]), and whether that is so, by its secret or its name
//! ([`authentication`]) or by what it signed ([`assertion`]).

mod assertion;
mod authentication;
mod credential;

pub(super) use assertion::time;
pub use assertion::{AssertionFault, ClientAssertion, OneUse};
pub use authentication::{ClientFault, by_name, by_secret, with_keys};
pub use credential::{ClientCredential, OfferedSecret};
