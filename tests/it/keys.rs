//! Signing keys of issuers: made when a test runs, published as JWKs, never written anywhere.
//!
//! Header and claims are signed as text, so that a test can sign what no library would write.

use std::str::FromStr;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::KeyPair;
use serde_json::{Value, json};

/// A private key, the algorithm it signs with, and its `kid`.
pub struct SigningKey {
    pub kid: String,
    pub algorithm: String,
    key: EncodingKey,
    pem: String,
}

impl SigningKey {
    /// A new key for `algorithm`, by its name in a token's header.
    pub fn new(kid: &str, algorithm: &str) -> Self {
        let made = "the backend makes keys of every kind";
        let pair = |kind| KeyPair::generate_for(kind).expect(made);
        let (key, pem) = match algorithm {
            "ES256" | "ES384" => {
                let curve =
                    if algorithm == "ES256" { &rcgen::PKCS_ECDSA_P256_SHA256 } else { &rcgen::PKCS_ECDSA_P384_SHA384 };
                let pair = pair(curve);
                (EncodingKey::from_ec_der(&pair.serialize_der()), pair.serialize_pem())
            }
            // The library reads the public half out of the first version of PKCS #8 only.
            "EdDSA" => {
                let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).expect(made);
                (EncodingKey::from_ed_der(pair.as_ref()), String::new())
            }
            "HS256" | "HS512" => {
                let secret = b"a secret that nobody publishes, long enough for HS512 tokens";
                (EncodingKey::from_secret(secret), String::new())
            }
            _ => {
                let pem = pair(&rcgen::PKCS_RSA_SHA256).serialize_pem();
                (EncodingKey::from_rsa_pem(pem.as_bytes()).expect(made), pem)
            }
        };
        Self { kid: kid.to_owned(), algorithm: algorithm.to_owned(), key, pem }
    }

    /// The key as PEM; nothing for the kinds that no test hands on.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The same RSA key under another algorithm.
    pub fn of_rsa(other: &Self, algorithm: &str) -> Self {
        Self { kid: other.kid.clone(), algorithm: algorithm.to_owned(), key: other.key.clone(), pem: other.pem.clone() }
    }

    /// A shared secret, as somebody would use it who takes a public key for one.
    pub fn with_secret(kid: &str, secret: &[u8]) -> Self {
        Self {
            kid: kid.to_owned(),
            algorithm: "HS256".into(),
            key: EncodingKey::from_secret(secret),
            pem: String::new(),
        }
    }

    /// The public half, with `kid`, `alg` and `use`.
    pub fn jwk(&self) -> Value {
        let jwk =
            Jwk::from_encoding_key(&self.key, self.library_algorithm()).expect("an asymmetric key has a public half");
        let mut jwk = serde_json::to_value(jwk).expect("a JWK is JSON");
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A header as most issuers write it.
    pub fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "typ": "at+jwt", "kid": self.kid })
    }

    /// A token with this key's own header.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// A token of exactly these texts.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.library_algorithm());
        format!("{message}.{}", signature.expect("the key fits its algorithm"))
    }

    fn library_algorithm(&self) -> Algorithm {
        Algorithm::from_str(&self.algorithm).expect("a test names an algorithm of the library")
    }
}

/// Base64url without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The seconds since 1970.
pub fn now() -> u64 {
    narrowgate::clock::Timestamp::now().0
}
