//! Signing keys that the operator made: of each algorithm the first signs, and the others are published (RFC 7517 §5).
//!
//! A file says what kind its key is of. RSA keys stand for RS256 unless the configuration asks for PS256; they cannot stand
//! for both, because one key proves one algorithm (RFC 8725 §3.1).

use std::path::PathBuf;

use crate::config::KeyFile;
use crate::oauth::SigningAlgorithm;
use crate::token::mint::{KeyKind, KeyPolicy, SigningKey, SigningKeyFault, SigningKeys, SigningKeysFault};

/// Why key files are no signing keys.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyFilesError {
    /// A file cannot be used.
    #[error("`{0}` cannot sign: {1}")]
    File(PathBuf, SigningKeyFault),
    /// None of the files is of the kind that is needed.
    #[error("no file of `signing.keys` holds a key for {0}, which {asking}", asking = asking(*.1))]
    Missing(SigningAlgorithm, Asking),
    /// They cannot stand for both.
    #[error("RS256 and PS256 cannot both be signed with keys from files")]
    BothOfRsa,
    /// They do not go together.
    #[error(transparent)]
    Together(#[from] SigningKeysFault),
}

/// Who asks for an algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asking {
    /// `signing.algorithm`.
    Issuer,
    /// A resource's `signing_algorithm`.
    Resource,
}

fn asking(asking: Asking) -> &'static str {
    match asking {
        Asking::Issuer => "`signing.algorithm` asks for",
        Asking::Resource => "a resource's `signing_algorithm` asks for",
    }
}

/// Reads the keys that `policy` needs.
pub(super) fn signing_keys(files: &[KeyFile], policy: &KeyPolicy) -> Result<SigningKeys, KeyFilesError> {
    use SigningAlgorithm::{Ps256, Rs256};
    let asks = |asked| policy.algorithms().any(|algorithm| algorithm == asked);
    if asks(Rs256) && asks(Ps256) {
        return Err(KeyFilesError::BothOfRsa);
    }
    let of_rsa = if asks(Ps256) { Ps256 } else { Rs256 };
    let mut keys = Vec::with_capacity(files.len());
    for KeyFile { path, pem } in files {
        let key = read(pem.expose(), of_rsa).map_err(|fault| KeyFilesError::File(path.clone(), fault))?;
        keys.push(key);
    }
    let first = |algorithm, asking| {
        let key = keys.iter().find(|key| key.algorithm() == algorithm).cloned();
        key.ok_or(KeyFilesError::Missing(algorithm, asking))
    };
    let default = first(policy.default_algorithm, Asking::Issuer)?;
    let others = policy.others.iter().map(|algorithm| first(*algorithm, Asking::Resource));
    let others = others.collect::<Result<_, _>>()?;
    Ok(SigningKeys::new(default, others, keys.iter().map(|key| key.public_jwk().clone()).collect())?)
}

fn read(pem: &[u8], of_rsa: SigningAlgorithm) -> Result<SigningKey, SigningKeyFault> {
    match SigningKey::from_pem(pem, SigningAlgorithm::Es256) {
        Err(SigningKeyFault::WrongKind { found: KeyKind::Rsa, .. }) => SigningKey::from_pem(pem, of_rsa),
        Err(SigningKeyFault::WrongKind { found: KeyKind::Ed25519, .. }) => {
            SigningKey::from_pem(pem, SigningAlgorithm::EdDsa)
        }
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::secret::Secret;

    fn file(algorithm: SigningAlgorithm) -> KeyFile {
        let (_, pkcs8) = SigningKey::generate(algorithm).unwrap();
        let base64 = STANDARD.encode(pkcs8.expose());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
        KeyFile { path: PathBuf::from(format!("{algorithm}.pem")), pem: Secret::new(pem) }
    }

    fn policy(default_algorithm: SigningAlgorithm, others: &[SigningAlgorithm]) -> KeyPolicy {
        KeyPolicy { default_algorithm, others: others.to_vec(), longest_lifetime: Duration::from_secs(300) }
    }

    #[test]
    fn the_first_of_each_algorithm_signs_and_all_are_published() {
        let files = [file(EdDsa), file(Es256), file(Es256), file(Rs256)];
        let keys = signing_keys(&files, &policy(Es256, &[EdDsa])).unwrap();
        let first = SigningKey::from_pem(files[1].pem.expose(), Es256).unwrap();
        assert_eq!(keys.key(Es256).map(SigningKey::kid), Some(first.kid()));
        assert!(keys.key(EdDsa).is_some() && keys.key(Rs256).is_none(), "nobody asks for it");
        let document = String::from_utf8(keys.jwk_set().as_bytes().to_vec()).unwrap();
        assert_eq!(document.matches("\"kid\"").count(), 4);
        assert!(document.contains("RS256"));
    }

    #[test]
    fn rsa_keys_stand_for_what_is_asked_for() {
        let files = [file(Rs256)];
        assert!(signing_keys(&files, &policy(Ps256, &[])).unwrap().key(Ps256).is_some());
        assert!(signing_keys(&files, &policy(Rs256, &[])).unwrap().key(Rs256).is_some());
        assert_eq!(signing_keys(&files, &policy(Rs256, &[Ps256])).unwrap_err(), KeyFilesError::BothOfRsa);
    }

    #[test]
    fn what_is_missing_or_unusable_is_named() {
        let fault = |files: &[KeyFile], policy| signing_keys(files, &policy).unwrap_err().to_string();
        let missing = fault(&[file(Es256)], policy(Es256, &[EdDsa]));
        let told = "no file of `signing.keys` holds a key for EdDSA, which a resource's `signing_algorithm` asks for";
        assert_eq!(missing, told);
        let missing = fault(&[], policy(Es256, &[]));
        assert_eq!(missing, "no file of `signing.keys` holds a key for ES256, which `signing.algorithm` asks for");
        let broken = KeyFile { path: "broken.pem".into(), pem: Secret::new("no key") };
        let fault = fault(&[file(Es256), broken], policy(Es256, &[]));
        assert!(fault.starts_with("`broken.pem` cannot sign: it holds no private key"), "{fault}");
    }
}
