//! Keys as operators bring them: each form that is read, and each refusal from a key that is wrong in one way.

use std::path::Path;

use aws_lc_rs::encoding::EcPrivateKeyRfc5915Der;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::token::keys::KeyFault;
use crate::token::mint::KeyKind;

const MESSAGE: &[u8] = b"header.claims";

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let lines: Vec<String> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
}

fn new(algorithm: SigningAlgorithm) -> (SigningKey, Secret) {
    SigningKey::generate(algorithm).unwrap()
}

fn new_pem(algorithm: SigningAlgorithm) -> Vec<u8> {
    pem("PRIVATE KEY", new(algorithm).1.expose())
}

/// A key that no library here would make, from `openssl genpkey` with `rsa_keygen_bits:1024`, with
/// `rsa_keygen_pubexp:4294967311`, or with `-algorithm RSA-PSS`. None of them is used anywhere.
fn odd(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/signing").join(name)).unwrap()
}

fn fault(pem: &[u8], algorithm: SigningAlgorithm) -> SigningKeyFault {
    SigningKey::from_pem(pem, algorithm).unwrap_err()
}

/// Whether our own reader of key sets takes the signature.
fn is_verified(key: &SigningKey) -> bool {
    let algorithm = key.algorithm().algorithm();
    let document = JwkSet::new([key.public_jwk()]);
    let (set, skipped) = KeySet::parse(&[document.as_bytes()], &[algorithm]).unwrap();
    assert!(skipped.is_empty());
    let signature = key.sign(MESSAGE).unwrap();
    let found = set.find(Some(key.kid()), algorithm).unwrap();
    found.verify(MESSAGE, &signature) && !found.verify(b"header.claimz", &signature)
}

#[test]
fn every_algorithm_signs_what_our_own_gate_verifies() {
    for algorithm in SigningAlgorithm::ALL {
        let (key, pkcs8) = new(algorithm);
        assert_eq!(key.algorithm(), algorithm);
        assert!(is_verified(&key), "{algorithm}");
        let kept = SigningKey::from_pkcs8(&pkcs8, algorithm).unwrap();
        assert_eq!(kept.public_jwk(), key.public_jwk());
        let read = SigningKey::from_pem(&pem("PRIVATE KEY", pkcs8.expose()), algorithm).unwrap();
        assert_eq!(read.kid(), key.kid());
    }
}

#[test]
fn an_es256_signature_is_two_numbers() {
    let (key, _) = new(SigningAlgorithm::Es256);
    for _ in 0..64 {
        assert_eq!(key.sign(MESSAGE).unwrap().len(), 64);
    }
}

#[test]
fn the_older_forms_are_read_too() {
    let (key, pkcs8) = new(SigningAlgorithm::Es256);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose()).unwrap();
    let private = pair.private_key();
    let sec1 = AsDer::<EcPrivateKeyRfc5915Der<'_>>::as_der(&private).unwrap();
    let parameters = pem("EC PARAMETERS", &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    let file = [parameters, pem("EC PRIVATE KEY", sec1.as_ref())].concat();
    assert_eq!(SigningKey::from_pem(&file, SigningAlgorithm::Es256).unwrap().kid(), key.kid());

    let (key, pkcs8) = new(SigningAlgorithm::Rs256);
    // What stands before the PKCS #1 form: a length, a version, the algorithm, another length.
    let pkcs1 = pem("RSA PRIVATE KEY", &pkcs8.expose()[26..]);
    assert_eq!(SigningKey::from_pem(&pkcs1, SigningAlgorithm::Rs256).unwrap().kid(), key.kid());
    let wrong = fault(&pkcs1, SigningAlgorithm::Es256);
    assert_eq!(wrong, SigningKeyFault::WrongKind { algorithm: SigningAlgorithm::Es256, found: KeyKind::Rsa });
    assert!(is_verified(&SigningKey::from_pem(&pkcs1, SigningAlgorithm::Ps256).unwrap()));
}

#[test]
fn a_key_of_another_kind_is_refused_by_its_kind() {
    use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    let other = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    let longest = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    for (file, algorithms, found) in [
        (new_pem(Es256), &[Rs256, Ps256, EdDsa][..], KeyKind::P256),
        (new_pem(Rs256), &[Es256, EdDsa], KeyKind::Rsa),
        (new_pem(EdDsa), &[Es256, Rs256, Ps256], KeyKind::Ed25519),
        (pem("PRIVATE KEY", other.as_ref()), &SigningAlgorithm::ALL, KeyKind::OtherCurve),
        (pem("PRIVATE KEY", longest.as_ref()), &SigningAlgorithm::ALL, KeyKind::OtherCurve),
    ] {
        for algorithm in algorithms.iter().copied() {
            assert_eq!(fault(&file, algorithm), SigningKeyFault::WrongKind { algorithm, found });
        }
    }
    let message = fault(&new_pem(EdDsa), Es256).to_string();
    assert_eq!(message, "ES256 signs with an EC key on P-256, and this is an Ed25519 key");
}

#[test]
fn a_weak_or_degenerate_rsa_key_is_refused() {
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256] {
        assert_eq!(fault(&odd("rsa-1024.pem"), algorithm), SigningKeyFault::TooSmall);
        let degenerate = fault(&odd("rsa-long-exponent.pem"), algorithm);
        assert_eq!(degenerate, SigningKeyFault::Unverifiable(KeyFault::Degenerate));
    }
}

#[test]
fn a_password_is_refused_before_anything_is_read() {
    let (_, pkcs8) = new(SigningAlgorithm::Es256);
    let encrypted = pem("ENCRYPTED PRIVATE KEY", pkcs8.expose());
    assert_eq!(fault(&encrypted, SigningAlgorithm::Es256), SigningKeyFault::Encrypted);
    for line in ["\n", "\r\n"] {
        let old = format!(
            "-----BEGIN EC PRIVATE KEY-----{line}Proc-Type: 4,ENCRYPTED{line}DEK-Info: AES-128-CBC,00{line}{line}AAAA{line}\
             -----END EC PRIVATE KEY-----{line}"
        );
        assert_eq!(fault(old.as_bytes(), SigningAlgorithm::Es256), SigningKeyFault::Encrypted);
    }
}

#[test]
fn a_file_holds_one_private_key() {
    let (_, pkcs8) = new(SigningAlgorithm::Es256);
    let one = pem("PRIVATE KEY", pkcs8.expose());
    assert_eq!(fault(&[one.clone(), one.clone()].concat(), SigningAlgorithm::Es256), SigningKeyFault::Several);
    let cut = &one[..one.len() / 2];
    for none in [&b""[..], pkcs8.expose(), &pem("PUBLIC KEY", pkcs8.expose()), &pem("CERTIFICATE", b"x"), cut] {
        assert_eq!(fault(none, SigningAlgorithm::Es256), SigningKeyFault::NotPem);
    }
}

#[test]
fn a_damaged_key_is_refused() {
    let (_, pkcs8) = new(SigningAlgorithm::Es256);
    let der = pkcs8.expose();
    // The last byte is one of the public half, which then belongs to another private half.
    let (last, rest) = der.split_last().unwrap();
    let foreign = [rest, &[last ^ 1]].concat();
    for broken in [&foreign[..], rest, &der[1..], b"", b"0"] {
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            assert_eq!(fault(&pem(label, broken), SigningAlgorithm::Es256), SigningKeyFault::Malformed, "{label}");
        }
    }
    assert_eq!(fault(&odd("rsa-pss.pem"), SigningAlgorithm::Ps256), SigningKeyFault::Malformed);
}

#[test]
fn a_key_never_shows_its_private_half() {
    let (key, pkcs8) = new(SigningAlgorithm::EdDsa);
    assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, algorithm: EdDsa, .. }}", key.kid()));
    assert_eq!(format!("{pkcs8:?}"), "Secret(…)");
}
