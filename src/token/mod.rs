//! Access tokens of others: whose keys count, taken apart, proven genuine, judged for one audience.
//!
//! [`verify()`] is the only way from text to a [`VerifiedToken`], and it asks for the [`Audience`]. In between stands
//! the [`GenuineToken`], which a signature proved and which may be kept in the [`TokenCache`]; what changes from one
//! request to the next (time, audience) is judged every time.

mod audience;
mod cache;
mod claims;
mod compact;
mod genuine;
mod json;
mod key;
mod key_set;
mod keyring;
mod rejection;
mod verify;

#[cfg(test)]
pub(crate) mod signer;

pub use audience::{Audience, AudienceTable, SharedAudience};
pub use cache::{TokenCache, TokenDigest};
pub use claims::{ClaimForm, Words, claim, text_at, words_at};
pub use compact::{Compact, Header};
pub use genuine::GenuineToken;
pub use key::{KeyFault, SkippedKey, VerifyingKey};
pub use key_set::{DOCUMENT_BYTES, InvalidKeySet, KeyMiss, KeySet, KeySetId};
pub use keyring::Keyring;
pub use rejection::{Refused, Rejection};
pub use verify::{Presented, TrustedKeys, VerifiedToken, verify};
