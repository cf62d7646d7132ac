//! An issuer's signing key for tests: made when the test runs, published as a JWK, never written anywhere.

use std::str::FromStr;

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk;
use rcgen::KeyPair;
use serde_json::{Value, json};

/// A private key and what it is used for.
pub(crate) struct TestSigner {
    kid: String,
    algorithm: jsonwebtoken::Algorithm,
    key: EncodingKey,
}

impl TestSigner {
    /// A new key for `algorithm`, by its name in a token's header.
    pub(crate) fn new(kid: &str, algorithm: &str) -> Self {
        let algorithm = jsonwebtoken::Algorithm::from_str(algorithm).expect("a test names an algorithm of the library");
        let made = "the backend makes keys of every kind";
        let key = match algorithm {
            jsonwebtoken::Algorithm::ES256 => EncodingKey::from_ec_der(&pkcs8(&rcgen::PKCS_ECDSA_P256_SHA256)),
            jsonwebtoken::Algorithm::ES384 => EncodingKey::from_ec_der(&pkcs8(&rcgen::PKCS_ECDSA_P384_SHA384)),
            // The library reads the public half out of the first version of PKCS #8 only.
            jsonwebtoken::Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).expect(made);
                EncodingKey::from_ed_der(pair.as_ref())
            }
            _ => {
                let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect(made);
                EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).expect(made)
            }
        };
        Self { kid: kid.to_owned(), algorithm, key }
    }

    /// The public half, with `kid`, `alg` and `use`.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("every key has a public half");
        let mut jwk = serde_json::to_value(jwk).expect("a JWK is JSON");
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The signature over `message`, as base64url text.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        jsonwebtoken::crypto::sign(message, &self.key, self.algorithm).expect("the key fits its algorithm")
    }
}

fn pkcs8(kind: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
    KeyPair::generate_for(kind).expect("the backend makes keys of every kind").serialize_der()
}

/// A key set's document with these keys.
pub(crate) fn jwks(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}
