//! Access tokens. Those that are shown to us: taken apart, proven genuine with the keys of their issuer, judged for one audience.
//!
//! [`verify()`] is the only way from text to a [`VerifiedToken`], and it asks for the [`Audience`]. In between stands
//! the [`GenuineToken`], which a signature proved and which may be kept in the [`TokenCache`]; what changes from one
//! request to the next (time, audience) is judged every time. How the keys are had and kept is the matter of [`keys`].
//! Those of our own issuer are made by [`mint`].

mod audience;
mod cache;
mod claim_value;
mod claims;
mod claims_set;
mod compact;
mod genuine;
mod json;
pub mod keys;
pub mod mint;
mod rejection;
mod revocations;
mod verify;

pub use audience::{Audience, AudienceTable, SharedAudience};
pub use cache::{TokenCache, TokenDigest};
pub use claim_value::{ClaimArray, ClaimObject, ClaimValue};
pub use claims::{ClaimForm, Words, claim, has, text_at, words_at};
pub use claims_set::ClaimsSet;
pub use compact::{Compact, Header};
pub use genuine::GenuineToken;
pub use json::{NotStrictObject, parse_object};
pub use keys::{Keyring, KeyringStatus};
pub use rejection::Refused;
pub use revocations::Revocations;
pub use verify::{LEEWAY, OwnIssuer, Presented, TrustedKeys, VerifiedToken, Voucher, prove_asked_about, verify};
