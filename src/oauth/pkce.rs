//! Proof of who asked for a code (PKCE, RFC 7636): the challenge that comes before, and the verifier that is shown after.
//!
//! Deliberately absent: the method `plain`, whose challenge would be the secret itself.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::secret::{NoRandomness, Secret};

/// How many bytes a SHA-256 has.
const BYTES: usize = 32;

/// What a verifier must hash to (`S256`, RFC 7636 §4.2). It is no secret.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CodeChallenge([u8; BYTES]);

/// A text that no verifier could hash to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a code challenge is a SHA-256, written as 43 characters of base64url (RFC 7636 section 4.2)")]
pub struct InvalidChallenge;

impl CodeChallenge {
    /// The one `code_challenge_method` there is.
    pub const METHOD: &'static str = "S256";

    /// Reads a `code_challenge`, which has one spelling.
    ///
    /// # Errors
    ///
    /// [`InvalidChallenge`] for every text that is no SHA-256 in base64url without padding.
    pub fn parse(text: &str) -> Result<Self, InvalidChallenge> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidChallenge)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidChallenge)?))
    }

    /// Whether this is the challenge of `verifier`, in a time that tells nothing about where they differ.
    pub fn matches(&self, verifier: &CodeVerifier) -> bool {
        verify_slices_are_equal(digest(&SHA256, verifier.0.as_bytes()).as_ref(), &self.0).is_ok()
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The secret of whoever asked for a code: 43 to 128 unreserved characters (RFC 7636 §4.1).
pub struct CodeVerifier(Zeroizing<String>);

/// A text that is no verifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a code verifier has 43 to 128 letters, digits, `-`, `.`, `_` and `~` (RFC 7636 section 4.1)")]
pub struct InvalidVerifier;

impl CodeVerifier {
    /// Reads a `code_verifier`.
    ///
    /// # Errors
    ///
    /// [`InvalidVerifier`] for another length or another character.
    pub fn parse(text: &str) -> Result<Self, InvalidVerifier> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let is_valid = (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved);
        is_valid.then(|| Self(Zeroizing::new(text.to_owned()))).ok_or(InvalidVerifier)
    }

    /// A new one, of 256 random bits, for whoever is a client.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] if the system has none to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        let token = Secret::random_token()?;
        Ok(Self(Zeroizing::new(String::from_utf8_lossy(token.expose()).into_owned())))
    }

    /// What is sent ahead of it.
    pub fn challenge(&self) -> CodeChallenge {
        let mut hash = [0; BYTES];
        hash.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        CodeChallenge(hash)
    }

    /// The verifier, for the one request that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for CodeVerifier {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for CodeVerifier {}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CodeVerifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_standards_own_example_matches() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        assert!(challenge.matches(&CodeVerifier::parse(VERIFIER).unwrap()));
        assert_eq!(challenge.to_string(), CHALLENGE);
    }

    #[test]
    fn any_other_verifier_does_not() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        for other in [VERIFIER.replacen('d', "e", 1), VERIFIER.to_lowercase(), format!("{VERIFIER}k")] {
            assert!(!challenge.matches(&CodeVerifier::parse(&other).unwrap()), "{other}");
        }
        // `plain` would take the challenge for its verifier.
        assert!(!challenge.matches(&CodeVerifier::parse(CHALLENGE).unwrap()));
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        let of = |length: usize| CodeVerifier::parse(&"a".repeat(length)).map(|_| ());
        assert_eq!([of(42), of(43), of(128), of(129)], [Err(InvalidVerifier), Ok(()), Ok(()), Err(InvalidVerifier)]);
        assert!(CodeVerifier::parse(&"-._~aZ09".repeat(6)).is_ok());
        for wrong in ["=", "+", "/", " ", "%", "é", "\0"] {
            assert!(CodeVerifier::parse(&format!("{}{wrong}", "a".repeat(43))).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_challenge_is_one_hash_in_one_spelling() {
        let shorter = &CHALLENGE[1..];
        let (longer, padded) = (format!("{CHALLENGE}A"), format!("{CHALLENGE}="));
        // The last character holds two bits that belong to no byte.
        let second_spelling = CHALLENGE.replace("-cM", "-cN");
        let (plus, plain) = (CHALLENGE.replace('-', "+"), "a".repeat(128));
        for wrong in ["", shorter, &longer, &padded, &second_spelling, &plus, &plain] {
            assert_eq!(CodeChallenge::parse(wrong), Err(InvalidChallenge), "{wrong}");
        }
    }

    #[test]
    fn a_verifier_never_shows_itself() {
        assert!(!format!("{:?}", CodeVerifier::parse(VERIFIER).unwrap()).contains("dBjf"));
    }
}
