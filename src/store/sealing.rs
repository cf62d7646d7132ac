//! What a store keeps and must not know: sealed with AES-256-GCM under a key that lies elsewhere (SP 800-38D).
//!
//! The key is a secret of the configuration or a file beside the store. Either is 32 random bytes, from which one key is
//! derived for each use (RFC 5869). Passwords are refused, not stretched: whoever has the store may guess for as long as
//! they like. What only the holder of a token may see again is sealed under a key that comes from the token. What was
//! sealed as one thing does not open as another.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::new_file::{Named, NewFile};
use crate::secret::Secret;

const ROOT_BYTES: usize = 32;
/// The first byte of everything that is sealed: which form the rest has. It is sealed in as well.
const FORM: u8 = 1;

/// Seals and opens one kind of thing.
pub struct SealingKey {
    key: RandomizedNonceKey,
    /// What it is for.
    what: &'static str,
}

/// A key for each kind of thing of users that is sealed under the root. What belongs to whoever holds a token of 256
/// random bits (a code, a session, a pushed request) is sealed under that instead: [`SealingKey::of_token`].
#[derive(Debug)]
pub struct Seals {
    /// What refresh families know of their grants.
    pub grants: SealingKey,
    /// Authorization requests that wait for their user; those are handed out, and never kept.
    pub transactions: SealingKey,
}

/// What everything is sealed under: 32 random bytes.
pub struct RootKey(Zeroizing<[u8; ROOT_BYTES]>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyFault {
    /// A text that is not 32 bytes.
    #[error("it is not 32 bytes in base64 or hex")]
    Text,
    /// There is no such file.
    #[error("there is no `{0}`")]
    Missing(PathBuf),
    /// Not its owner's alone.
    #[error("`{0}` can be read by others than its owner")]
    Readable(PathBuf),
    /// Another length, or no file.
    #[error("`{0}` is not a file of 32 bytes")]
    Malformed(PathBuf),
    /// It cannot be read, or made.
    #[error("`{0}` cannot be used: {1}")]
    Unusable(PathBuf, #[source] io::Error),
    /// The system gave no randomness.
    #[error("the system has no randomness to give")]
    Randomness,
}

/// It was sealed under another key, or as another thing, or is damaged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it was sealed under another key, or is damaged")]
pub struct Unopened;

impl RootKey {
    /// Reads a key from a secret text: 32 bytes in hex, or in base64 of either alphabet, padded or not.
    ///
    /// # Errors
    ///
    /// [`RootKeyFault::Text`] if it is anything else, as a password.
    pub fn from_text(text: &Secret) -> Result<Self, RootKeyFault> {
        let text = text.expose().trim_ascii();
        let bytes = Zeroizing::new(from_hex(text).or_else(|| from_base64(text)).ok_or(RootKeyFault::Text)?);
        let root = <[u8; ROOT_BYTES]>::try_from(&**bytes).map_err(|_| RootKeyFault::Text)?;
        Ok(Self(Zeroizing::new(root)))
    }

    /// Reads a key from a file that is its owner's alone.
    ///
    /// # Errors
    ///
    /// [`RootKeyFault`] says what is wrong with it.
    pub fn from_file(path: &Path) -> Result<Self, RootKeyFault> {
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => RootKeyFault::Missing(path.to_owned()),
            _ => RootKeyFault::Unusable(path.to_owned(), error),
        };
        // A pipe would be waited for.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(RootKeyFault::Malformed(path.to_owned()));
        }
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(RootKeyFault::Readable(path.to_owned()));
        }
        if metadata.len() != ROOT_BYTES as u64 {
            return Err(RootKeyFault::Malformed(path.to_owned()));
        }
        let mut root = Zeroizing::new([0; ROOT_BYTES]);
        file.read_exact(&mut *root).map_err(failed)?;
        Ok(Self(root))
    }

    /// Reads a key from a file, which is made if it is not there: for its owner alone, and on the disk once this returns.
    ///
    /// # Errors
    ///
    /// [`RootKeyFault`] says what is wrong with it. What is there is left as it is.
    pub fn from_file_or_new(path: &Path) -> Result<Self, RootKeyFault> {
        match Self::from_file(path) {
            Err(RootKeyFault::Missing(_)) => {}
            known => return known,
        }
        let failed = |error: io::Error| RootKeyFault::Unusable(path.to_owned(), error);
        let root = Self::random()?.0;
        let new = NewFile::beside(path).map_err(failed)?;
        let mut file = OpenOptions::new().write(true).mode(0o600).open(new.temporary()).map_err(failed)?;
        file.write_all(&*root).and_then(|()| file.sync_all()).map_err(failed)?;
        match new.take_name().map_err(failed)? {
            Named::Ours => Ok(Self(root)),
            Named::Theirs => Self::from_file(path),
        }
    }

    /// A key that nobody has and nobody keeps.
    ///
    /// # Errors
    ///
    /// [`RootKeyFault::Randomness`] if the system has none to give.
    pub fn random() -> Result<Self, RootKeyFault> {
        let mut root = Zeroizing::new([0; ROOT_BYTES]);
        aws_lc_rs::rand::fill(&mut *root).map_err(|_| RootKeyFault::Randomness)?;
        Ok(Self(root))
    }

    /// The key for one kind of thing.
    pub fn key_for(&self, what: &'static str) -> SealingKey {
        SealingKey::derive(&*self.0, what)
    }
}

impl Seals {
    /// The keys that come from `root`.
    pub fn under(root: &RootKey) -> Self {
        Self { grants: root.key_for("grants"), transactions: root.key_for("transactions") }
    }
}

impl SealingKey {
    /// The key for one kind of thing that comes from a token of 256 random bits: only who has the token opens it. The
    /// token's digest, which a store keeps, does not give it.
    pub fn of_token(token: &Secret, what: &'static str) -> Self {
        Self::derive(token.expose(), what)
    }

    fn derive(secret: &[u8], what: &'static str) -> Self {
        let mut derived = Zeroizing::new([0; ROOT_BYTES]);
        let info = [what.as_bytes()];
        let prk = Salt::new(HKDF_SHA256, b"narrowgate sealing").extract(secret);
        prk.expand(&info, HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *derived))
            .expect("32 bytes are what SHA-256 gives");
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*derived).expect("32 bytes are a key of AES-256");
        Self { key, what }
    }

    /// Seals `plain`: the form, a random nonce, and what only this key opens.
    ///
    /// # Errors
    ///
    /// [`RootKeyFault::Randomness`] if the system has none to give.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, RootKeyFault> {
        let tag = AES_256_GCM.tag_len();
        // As long as it gets, so that no copy of the plain text is left where it grew.
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + tag));
        body.extend_from_slice(plain);
        let aad = Aad::from(self.associated_data());
        let nonce = self.key.seal_in_place_append_tag(aad, &mut *body).map_err(|_| RootKeyFault::Randomness)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORM);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what was sealed as the same thing.
    ///
    /// # Errors
    ///
    /// [`Unopened`] for everything else.
    pub fn open(&self, sealed: &[u8]) -> Result<Secret, Unopened> {
        let (form, rest) = sealed.split_first().ok_or(Unopened)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().filter(|_| *form == FORM).ok_or(Unopened)?;
        let mut body = Zeroizing::new(body.to_vec());
        let aad = Aad::from(self.associated_data());
        let plain = self.key.open_in_place(Nonce::from(nonce), aad, &mut body).map_err(|_| Unopened)?;
        Ok(Secret::new(&*plain))
    }

    /// What is sealed, and in which form.
    fn associated_data(&self) -> Vec<u8> {
        [&[FORM], self.what.as_bytes()].concat()
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RootKey(…)")
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SealingKey").field("what", &self.what).finish_non_exhaustive()
    }
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabets = [&alphabet::STANDARD, &alphabet::URL_SAFE];
    alphabets.into_iter().find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok())
}

#[cfg(test)]
mod tests;
