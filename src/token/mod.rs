//! Tokens of others: whose keys count, and what a token proves.

mod discovery;
mod documents;
mod freshness;
mod key;
mod key_set;
mod keyring;
mod place;

#[cfg(test)]
pub(crate) mod signer;
#[cfg(test)]
pub(crate) mod site;

pub use key::{KeyFault, SkippedKey, VerifyingKey};
pub use key_set::{DOCUMENT_BYTES, InvalidKeySet, KeyMiss, KeySet, KeySetId};
pub use keyring::{Keyring, KeyringStatus};
