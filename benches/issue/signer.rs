//! Keys that sign as identity providers do, and what one signature and one verification of the library take alone.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use narrowgate::clock::Timestamp;
use serde_json::{Value, json};

use crate::cost::alone;

/// How often one thing of the library is done in one turn.
const TIMES: usize = 1000;

/// Somebody who signs.
pub enum Signer {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl Signer {
    pub fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the system has randomness"))
    }

    pub fn rs256() -> Self {
        Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has randomness"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
        }
    }

    /// Its issuer.
    pub fn issuer(&self) -> String {
        format!("https://{}.example", self.algorithm().to_lowercase())
    }

    /// Its key set.
    pub fn jwks(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = match self {
            Self::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k1", "x": text(x), "y": text(y) })
            }
            Self::Rs256(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({ "kty": "RSA", "alg": "RS256", "kid": "k1", "n": text(n), "e": text(e) })
            }
        };
        json!({ "keys": [key] }).to_string()
    }

    /// A broad token, as long as most are.
    pub fn token(&self, serial: usize) -> String {
        let now = Timestamp::now().0;
        let claims = json!({
            "iss": self.issuer(), "aud": ["https://api1.example", "https://api2.example"], "client_id": "web",
            "sub": "8a4c0c52-3c1f-4f0e-9a77-6f2b1d9c4e30", "scope": "openid profile read write reports", "iat": now,
            "exp": now + 3600, "jti": format!("5d0f1c1e-7a3b-4a51-9b0e-{serial:012}"),
        });
        let header = json!({ "alg": self.algorithm(), "kid": "k1", "typ": "at+jwt" });
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&random, message).expect("the key signs").as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("the key signs");
                signature
            }
        }
    }

    /// One verification of the library alone, with the key read beforehand, in microseconds.
    pub fn verification_alone(&self) -> f64 {
        let message = self.token(0);
        let signature = self.sign(message.as_bytes());
        let key = match self {
            Self::Es256(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Self::Rs256(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
        };
        let key = key.expect("it is a public key");
        alone(TIMES, &|| key.verify_sig(message.as_bytes(), &signature).expect("it is the key's"))
    }

    /// One signature of the library alone, in microseconds.
    pub fn signature_alone(&self) -> f64 {
        let message = [7; 600];
        alone(TIMES, &|| assert!(!self.sign(&message).is_empty()))
    }
}
