//! Sealing: what opens, what does not, and which keys are none.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A path for a key file, which goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("narrowgate-sealing-{name}-{}.key", std::process::id()));
        let _ = fs::remove_file(&path);
        Self(path)
    }

    fn write(&self, bytes: &[u8], mode: u32) {
        fs::write(&self.0, bytes).unwrap();
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn text(text: &str) -> Result<RootKey, RootKeyFault> {
    RootKey::from_text(&Secret::new(text))
}

#[test]
fn only_the_same_key_for_the_same_thing_opens() {
    let root = text(&"00".repeat(32)).unwrap();
    let sealed = root.key_for("keys").seal(b"plain").unwrap();
    assert_eq!(root.key_for("keys").open(&sealed).unwrap().expose(), b"plain");
    assert_eq!(root.key_for("codes").open(&sealed).unwrap_err(), Unopened);
    assert_eq!(text(&"01".repeat(32)).unwrap().key_for("keys").open(&sealed).unwrap_err(), Unopened);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(root.key_for("keys").open(&changed).is_err(), "byte {at}");
        assert!(root.key_for("keys").open(&sealed[..at]).is_err(), "the first {at} bytes");
    }
    assert_ne!(root.key_for("keys").seal(b"plain").unwrap(), sealed, "a nonce is used once");
}

#[test]
fn what_is_sealed_under_a_token_opens_with_that_token_and_not_with_its_digest() {
    let token = Secret::new("a refresh token of 256 random bits");
    let sealed = SealingKey::of_token(&token, "successor").seal(b"its successor").unwrap();
    assert_eq!(SealingKey::of_token(&token, "successor").open(&sealed).unwrap().expose(), b"its successor");
    let digest = Secret::new(*crate::store::TokenDigest::of(token.expose()).as_bytes());
    for other in [Secret::new("another refresh token"), digest] {
        assert_eq!(SealingKey::of_token(&other, "successor").open(&sealed).unwrap_err(), Unopened);
    }
    assert_eq!(SealingKey::of_token(&token, "code").open(&sealed).unwrap_err(), Unopened);
}

#[test]
fn a_text_is_32_bytes_in_base64_or_hex() {
    let hex = "fbff".repeat(16);
    let sealed = text(&hex).unwrap().key_for("keys").seal(b"plain").unwrap();
    let padded = "+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8=";
    let same = [
        hex.to_uppercase(),
        format!("{hex}\n"),
        padded.to_owned(),
        padded.trim_end_matches('=').to_owned(),
        padded.replace('+', "-").replace('/', "_"),
    ];
    for same in same {
        let opened = text(&same).unwrap().key_for("keys").open(&sealed);
        assert_eq!(opened.unwrap().expose(), b"plain", "{same}");
    }
    for other in ["", "correct horse battery staple, and more", &hex[2..], &format!("{hex}00"), &"é".repeat(32)] {
        assert!(matches!(text(other), Err(RootKeyFault::Text)), "{other}");
    }
}

#[test]
fn a_file_is_made_once_and_for_its_owner() {
    let place = Place::new("made");
    assert!(matches!(RootKey::from_file(&place.0), Err(RootKeyFault::Missing(_))));
    let sealed = RootKey::from_file_or_new(&place.0).unwrap().key_for("keys").seal(b"plain").unwrap();
    assert_eq!(fs::metadata(&place.0).unwrap().mode() & 0o777, 0o600);
    for again in [RootKey::from_file_or_new(&place.0), RootKey::from_file(&place.0)] {
        assert_eq!(again.unwrap().key_for("keys").open(&sealed).unwrap().expose(), b"plain");
    }
}

#[test]
fn a_file_that_others_read_or_that_is_no_key_is_refused_and_left() {
    let place = Place::new("refused");
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
        place.write(&[7; 32], mode);
        assert!(matches!(RootKey::from_file_or_new(&place.0), Err(RootKeyFault::Readable(_))), "{mode:o}");
        assert_eq!(fs::read(&place.0).unwrap(), [7; 32]);
    }
    for bytes in [&[][..], &[7; 31], &[7; 33]] {
        place.write(bytes, 0o600);
        assert!(matches!(RootKey::from_file_or_new(&place.0), Err(RootKeyFault::Malformed(_))));
        assert_eq!(fs::read(&place.0).unwrap(), bytes);
    }
    place.write(&[7; 32], 0o400);
    assert!(RootKey::from_file_or_new(&place.0).is_ok());
    assert!(matches!(RootKey::from_file_or_new(&std::env::temp_dir()), Err(RootKeyFault::Malformed(_))));
}

#[test]
fn a_key_never_shows_itself() {
    let root = text(&"7a".repeat(32)).unwrap();
    assert_eq!(format!("{root:?} {:?}", root.key_for("keys")), "RootKey(…) SealingKey { what: \"keys\", .. }");
}
