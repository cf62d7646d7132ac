//! The grant at the root of a token, which every token made from it names in its `jti`.
//!
//! `jti` is `<root grant>.<random>`. Exchange and narrowing keep the root, so that revoking it ends them all.

use std::fmt;

use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::randomness;

/// How many random bytes make a name that nobody guesses and no two of us choose.
const BYTES: usize = 16;

/// How long such a name is as text.
const TEXT: usize = 22;

/// A grant's name: 128 bits of randomness, written as 22 characters of base64url. It is no secret.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GrantId([u8; BYTES]);

/// A text that is no grant's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a grant's name is 22 characters of base64url")]
pub struct InvalidGrantId;

impl GrantId {
    /// A new name, for a grant that begins now.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn generate() -> Result<Self, Unspecified> {
        Ok(Self(randomness::name()?))
    }

    /// Reads a name as [`fmt::Display`] writes it.
    ///
    /// # Errors
    ///
    /// [`InvalidGrantId`] for every other text.
    pub fn parse(text: &str) -> Result<Self, InvalidGrantId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidGrantId)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidGrantId)?))
    }

    /// The root that the `jti` of one of our own tokens names.
    ///
    /// # Errors
    ///
    /// [`InvalidGrantId`] if the text is no `jti` of ours.
    pub fn of_jti(jti: &str) -> Result<Self, InvalidGrantId> {
        let (root, rest) = jti.split_once('.').ok_or(InvalidGrantId)?;
        Self::parse(rest)?;
        Self::parse(root)
    }

    /// A new `jti` for a token of this grant.
    pub(super) fn new_jti(self) -> Result<String, Unspecified> {
        let mut jti = String::with_capacity(2 * TEXT + 1);
        URL_SAFE_NO_PAD.encode_string(self.0, &mut jti);
        jti.push('.');
        URL_SAFE_NO_PAD.encode_string(randomness::name::<BYTES>()?, &mut jti);
        Ok(jti)
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GrantId({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_reads_back_and_no_two_are_equal() {
        let (one, other) = (GrantId::generate().unwrap(), GrantId::generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(GrantId::parse(&one.to_string()), Ok(one));
        assert_eq!(one.to_string().len(), 22);
    }

    #[test]
    fn none_comes_twice_however_many_are_asked_for() {
        let many: HashSet<GrantId> = (0..1000).map(|_| GrantId::generate().unwrap()).collect();
        assert_eq!(many.len(), 1000);
        assert!(!many.contains(&GrantId([0; BYTES])));
    }

    #[test]
    fn a_name_has_one_spelling() {
        let name = GrantId([0; 16]).to_string();
        for text in [
            "",
            "AAAA",
            &name[1..],
            &format!("{name}="),
            &format!("{name}A"),
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAAA.",
        ] {
            assert_eq!(GrantId::parse(text), Err(InvalidGrantId), "{text}");
        }
    }

    #[test]
    fn a_jti_names_its_root() {
        let root = GrantId::generate().unwrap();
        let (one, other) = (root.new_jti().unwrap(), root.new_jti().unwrap());
        assert_ne!(one, other);
        assert_eq!((GrantId::of_jti(&one), GrantId::of_jti(&other)), (Ok(root), Ok(root)));
        for jti in ["j", &root.to_string(), &format!("{root}."), &format!(".{root}"), &format!("{one}.{root}")] {
            assert_eq!(GrantId::of_jti(jti), Err(InvalidGrantId), "{jti}");
        }
    }
}
