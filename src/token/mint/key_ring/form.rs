//! A ring as JSON, which is what gets sealed. Its form has a number, and nothing that is unknown or does not fit is read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Half, KeyRing, RingKey};
use crate::clock::Timestamp;
use crate::oauth::{Algorithm, SigningAlgorithm};
use crate::secret::Secret;
use crate::token::mint::{PublicJwk, SigningKey};

/// Which form this is.
const FORM: u32 = 1;
/// More than the longest key takes, an RSA key of 8192 bits.
const KEY_BYTES: usize = 16 << 10;

/// Why something is no ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidKeyRing {
    /// A later version wrote it.
    #[error("another version of Narrowgate wrote the signing keys")]
    OtherForm,
    /// Nothing wrote it like this.
    #[error("the signing keys contradict themselves")]
    Malformed,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    form: u32,
    keys: Vec<WrittenKey>,
}

#[derive(Deserialize)]
struct FormAlone {
    form: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    algorithm: String,
    half: WrittenHalf,
    made: u64,
    signs_from: u64,
    signs_until: Option<u64>,
    longest_lifetime: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum WrittenHalf {
    /// PKCS #8 in base64.
    Private(Text),
    /// The coordinates, or the modulus and the exponent, in base64url.
    Public(Vec<String>),
}

/// Text that is wiped.
#[derive(Deserialize, Serialize)]
#[serde(from = "String")]
struct Text(#[serde(serialize_with = "as_text")] Zeroizing<String>);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

fn as_text<S: serde::Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl KeyRing {
    /// The ring in JSON, private halves and all.
    pub fn to_json(&self) -> Secret {
        let keys: Vec<_> = self.keys.iter().map(WrittenKey::of).collect();
        // As long as it may get, so that no copy is left where it grew.
        let mut json = Vec::with_capacity(1024 + keys.len() * KEY_BYTES);
        serde_json::to_writer(&mut json, &Written { form: FORM, keys }).expect("text and numbers are always JSON");
        Secret::new(json)
    }

    /// Reads what [`KeyRing::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyRing`] if it is anything else.
    pub fn from_json(json: &Secret) -> Result<Self, InvalidKeyRing> {
        match serde_json::from_slice(json.expose()) {
            Ok(FormAlone { form: FORM }) => {}
            Ok(FormAlone { .. }) => return Err(InvalidKeyRing::OtherForm),
            Err(_) => return Err(InvalidKeyRing::Malformed),
        }
        let written: Written = serde_json::from_slice(json.expose()).map_err(|_| InvalidKeyRing::Malformed)?;
        let keys = written.keys.into_iter().map(WrittenKey::read).collect::<Option<Vec<_>>>();
        let keys = keys.ok_or(InvalidKeyRing::Malformed)?;
        let is_again = |at: usize| keys[..at].iter().any(|key| key.half.public().kid() == keys[at].half.public().kid());
        match (0..keys.len()).any(is_again) {
            true => Err(InvalidKeyRing::Malformed),
            false => Ok(Self { keys }),
        }
    }
}

impl WrittenKey {
    fn of(key: &RingKey) -> Self {
        let half = match &key.half {
            Half::Private { pkcs8, .. } => WrittenHalf::Private(STANDARD.encode(pkcs8.expose()).into()),
            Half::Public(public) => WrittenHalf::Public(public.numbers()),
        };
        Self {
            algorithm: key.algorithm().to_string(),
            half,
            made: key.made.0,
            signs_from: key.signs_from.0,
            signs_until: key.signs_until.map(|until| until.0),
            longest_lifetime: key.longest_lifetime,
        }
    }

    fn read(self) -> Option<RingKey> {
        let algorithm = SigningAlgorithm::try_from(self.algorithm.parse::<Algorithm>().ok()?).ok()?;
        let half = match self.half {
            WrittenHalf::Private(text) => {
                let pkcs8 = Secret::new(STANDARD.decode(&**text.0).ok()?);
                Half::Private { key: SigningKey::from_pkcs8(&pkcs8, algorithm).ok()?, pkcs8 }
            }
            WrittenHalf::Public(numbers) => Half::Public(PublicJwk::from_numbers(algorithm, &numbers)?),
        };
        let is_ordered = self.made <= self.signs_from && self.signs_until.is_none_or(|until| self.signs_from <= until);
        is_ordered.then_some(RingKey {
            half,
            made: Timestamp(self.made),
            signs_from: Timestamp(self.signs_from),
            signs_until: self.signs_until.map(Timestamp),
            longest_lifetime: self.longest_lifetime,
        })
    }
}
