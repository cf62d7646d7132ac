//! A signed access token: header, claims and signature as one text (RFC 7515 §7.1, RFC 9068 §2.1).
//!
//! The header has `typ`, `alg` and `kid`, and nothing else.

use std::fmt;
use std::time::Duration;

use super::{AccessToken, SigningKey};
use crate::oauth::{Scope, SigningAlgorithm};
use crate::secret::WipedText;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// An access token that opens its audience for whoever holds it. Its text never shows itself.
pub struct MintedToken {
    compact: WipedText,
    said: AccessToken,
}

/// Why there is no token.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotMinted {
    /// Nobody needs a token there.
    #[error("the resource is public, so it is never an audience")]
    PublicAudience,
    /// A scope that means nothing at the audience.
    #[error("the scope `{0}` is not one of the resource's")]
    ForeignScope(Scope),
    /// What the token would come from has ended, or its lifetime is nothing.
    #[error("the token would have ended before it began")]
    Ended,
    /// No client, or one of ours whose name could be taken for somebody of another issuer.
    #[error("the client's id is empty or holds `|`")]
    ClientId,
    /// A subject without a value.
    #[error("the subject has no value")]
    Subject,
    /// A chain of actors that our own gate would refuse to read.
    #[error("more actors stand in each other than can be read again")]
    Actors,
    /// The system has no randomness to give.
    #[error("the system has no randomness to give")]
    Randomness,
    /// No key signs with the algorithm that the resource asks for.
    #[error("no key signs with {0} now")]
    NoKey(SigningAlgorithm),
    /// The library failed.
    #[error("the token cannot be signed")]
    Signature,
}

impl MintedToken {
    pub(super) fn new(said: AccessToken, claims: &[u8], key: &SigningKey) -> Result<Self, NotMinted> {
        // As long as it gets, so that no copy of the token is left where it grew.
        let room = key.header().len() + encoded_len(claims.len()) + encoded_len(key.signature_len()) + 2;
        let mut compact = WipedText::with_capacity(room);
        compact.push_str(key.header());
        compact.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut compact);
        let signature = key.sign(compact.as_bytes()).map_err(|_| NotMinted::Signature)?;
        compact.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut compact);
        Ok(Self { compact, said })
    }

    /// The token's text, for the one answer that carries it.
    pub fn expose(&self) -> &str {
        &self.compact
    }

    /// How long it lives from its issue on: `expires_in` (RFC 6749 §5.1).
    pub fn expires_in(&self) -> Duration {
        Duration::from_secs(self.said.expires().0.saturating_sub(self.said.issued().0))
    }

    /// What it says.
    pub fn access_token(&self) -> &AccessToken {
        &self.said
    }
}

/// How many characters of base64url so many bytes take.
fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MintedToken").field("jti", &self.said.jti()).finish_non_exhaustive()
    }
}
