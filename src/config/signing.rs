//! `signing`: what our own tokens are signed with, and where the keys come from.
//!
//! A key file is only looked at here: it must hold one private key. Whether that key signs what is asked of it is found
//! out by whoever makes a signing key of it, and told at the same place.

use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::fault::Place;
use super::issuers;
use super::model::{KeyFile, KeyOrigin, Signing};
use super::read::{Reader, one_of};
use super::yaml::Node;
use crate::oauth::{Algorithm, SigningAlgorithm};
use crate::secret::Secret;

const DAY: Duration = Duration::from_secs(24 * 3600);
const USUAL_ROTATION: Duration = Duration::from_secs(30 * 24 * 3600);
/// A key is published until its last token has ended, a day at the most: with a shorter rotation more keys would be published
/// at once than verifiers read.
const SHORTEST_ROTATION: Duration = Duration::from_secs(2 * 3600);

/// The longest file of a private key, in bytes.
const MAX_KEY: u64 = 64 << 10;
/// The shortest text that keys may be encrypted under, in bytes: whoever steals the store can try as often as he likes.
const MIN_ENCRYPTION: usize = 32;

/// What the file says of signing.
pub(super) struct WrittenSigning {
    /// Nothing if it has faults.
    pub(super) signing: Option<Signing>,
    /// Where each key file is named.
    pub(super) key_files: Vec<Place>,
}

impl WrittenSigning {
    /// What counts where nobody says.
    pub(super) fn usual() -> Self {
        let keys = KeyOrigin::Store { rotate_every: USUAL_ROTATION };
        let signing = Signing { algorithm: SigningAlgorithm::default(), keys, encryption: None };
        Self { signing: Some(signing), key_files: Vec::new() }
    }
}

/// Reads `signing`. Where users log in, what belongs to them is sealed, also if the keys are in files.
pub(super) fn signing(reader: &mut Reader, node: &Node, has_login: bool) -> WrittenSigning {
    let mut written = WrittenSigning { signing: None, key_files: Vec::new() };
    let before = reader.log.errors();
    let Some(mut section) = reader.section(node, "`signing`") else { return written };
    let algorithm = section.optional(reader, "algorithm", algorithm);
    let files = section.optional(reader, "keys", |reader, node| key_files(reader, node, &mut written.key_files));
    let rotate_every =
        section.optional(reader, "rotate_every", |reader, node| reader.duration(node, SHORTEST_ROTATION..=365 * DAY));
    let encryption = section.optional(reader, "key_encryption", key_encryption);
    if section.get("keys").is_some() {
        for (key, why) in [
            ("rotate_every", "whoever makes the files rotates them, by changing the list"),
            ("key_encryption", "the files are read as they are, and nothing of them is kept"),
        ] {
            let does_nothing = !(has_login && key == "key_encryption");
            if let Some(node) = section.get(key).filter(|_| does_nothing) {
                let message = format!("`keys` and `{key}` exclude one another");
                reader.log.error(node.owner, message, format!("{why}; take one of the two out"));
            }
        }
    }
    section.finish(reader);
    if reader.log.errors() == before {
        let keys = match files {
            Some(files) => KeyOrigin::Files(files),
            None => KeyOrigin::Store { rotate_every: rotate_every.unwrap_or(USUAL_ROTATION) },
        };
        written.signing = Some(Signing { algorithm: algorithm.unwrap_or_default(), keys, encryption });
    }
    written
}

/// An algorithm that tokens are signed with; the message for one that is only verified says so.
pub(super) fn algorithm(reader: &mut Reader, node: &Node) -> Option<SigningAlgorithm> {
    let scalar = reader.scalar(node)?;
    let known = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str);
    let (message, hint) = match scalar.text.parse::<Algorithm>().map(SigningAlgorithm::try_from) {
        Ok(Ok(algorithm)) => return Some(algorithm),
        Ok(Err(_)) if scalar.text == Algorithm::Ed25519.as_str() => {
            let hint = "write `EdDSA`: it is the same signature, under the name that more libraries know";
            ("is verified here, but tokens are not signed under that name", hint.to_owned())
        }
        Ok(Err(_)) => ("is verified here, but nothing is signed with it", one_of(&known)),
        Err(_) => match issuers::no_signature(&scalar.text) {
            Some((why, hint)) => (why, hint.to_owned()),
            None => ("is no algorithm that tokens are signed with", reader.suggest(&scalar.text, known)),
        },
    };
    reader.log.error(node.place, format!("`{}` {message}", scalar.shown()), hint);
    None
}

fn key_files(reader: &mut Reader, node: &Node, places: &mut Vec<Place>) -> Option<Vec<KeyFile>> {
    let before = reader.log.errors();
    let mut seen = Vec::new();
    let files = reader.one_or_many(node, |reader, item| {
        let path = reader.string(item)?;
        if seen.contains(&path) {
            reader.repeated(item);
            return None;
        }
        seen.push(path.clone());
        let pem = Secret::new(reader.file(item, MAX_KEY)?);
        check_key(reader, item, &pem)?;
        places.push(item.place);
        Some(KeyFile { path: reader.resolve(&path), pem })
    })?;
    if files.is_empty() && reader.log.errors() == before {
        let hint = "name the PEM file of a private key, or leave the key out: then keys are made and rotated here";
        reader.log.error(node.owner, "`keys` is an empty list", hint);
        return None;
    }
    Some(files)
}

fn check_key(reader: &mut Reader, node: &Node, pem: &Secret) -> Option<()> {
    let Err((why, hint)) = one_private_key(pem) else { return Some(()) };
    let message = format!("the file `{}` {why}", reader.scalar(node)?.shown());
    reader.log.error(node.place, message, hint);
    None
}

/// Whether a PEM holds one private key; or why not, as the end of a sentence, and what to do.
pub(super) fn one_private_key(pem: &Secret) -> Result<(), (&'static str, &'static str)> {
    let keys = PrivateKeyDer::pem_slice_iter(pem.expose()).collect::<Result<Vec<_>, _>>();
    match keys.map_or(0, |keys| keys.len()) {
        1 => Ok(()),
        0 => Err(("holds no private key", "a PEM file has `-----BEGIN PRIVATE KEY-----` in it, without a password")),
        _ => Err(("holds more than one private key", "give each key a file of its own")),
    }
}

fn key_encryption(reader: &mut Reader, node: &Node) -> Option<Secret> {
    let secret = reader.secret(node)?;
    if secret.expose().len() < MIN_ENCRYPTION {
        let message = format!("`key_encryption` is shorter than {MIN_ENCRYPTION} characters");
        reader.log.error(node.place, message, "make a long one, for example with `openssl rand -base64 32`");
        return None;
    }
    Some(secret)
}
