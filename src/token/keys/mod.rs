//! The public keys of trusted issuers: how they are read, bound to one algorithm each, and kept fresh.
//!
//! A [`Keyring`] is one issuer; it gets documents (from a file, a URL, or what metadata names), makes a [`KeySet`] of them, and
//! hands it out without a lock. One issuer's outage never touches another's ring.

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

pub use discovery::{MetadataPlaces, endpoint};
pub use key::{KeyFault, SkippedKey, VerifyingKey};
pub use key_set::{DOCUMENT_BYTES, DOCUMENT_KEYS, InvalidKeySet, KeyMiss, KeySet, KeySetId};
pub use keyring::{Keyring, KeyringStatus};
