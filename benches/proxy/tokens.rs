//! The identity provider of the benchmark: its keys, its tokens good and bad, and how fast its signatures verify alone.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use narrowgate::clock::Timestamp;
use serde_json::{Value, json};

use crate::machine::Machine;

/// The value of `iss`.
pub const ISSUER: &str = "https://login.example";
/// The host of the API, and the audience of its tokens.
pub const HOST: &str = "api.example";
pub const AUDIENCE: &str = "https://api.example";

/// What signs a token (RFC 7518 §3.1, RFC 8037).
#[derive(clap::ValueEnum, Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with 2,048 bits
    #[value(name = "RS256")]
    Rs256,
    /// ECDSA over P-256
    #[value(name = "ES256")]
    Es256,
    /// Ed25519
    #[value(name = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        })
    }
}

/// A token, good or wrong in exactly one way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Good,
    WrongAudience,
    WrongScope,
    Expired,
    BadSignature,
}

/// The private half of a key.
enum Private {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// One key of the provider.
pub struct Key {
    pub algorithm: Algorithm,
    private: Private,
    /// The time of all its tokens, so that RS256 and EdDSA sign the same token twice.
    now: u64,
}

/// The keys of the provider, one for each algorithm.
pub struct Provider([Key; 3]);

impl Provider {
    pub fn new() -> Self {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has randomness");
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the system has randomness");
        let ed = Ed25519KeyPair::generate().expect("the system has randomness");
        let now = Timestamp::now().0;
        Self([
            Key { algorithm: Algorithm::Rs256, private: Private::Rsa(rsa), now },
            Key { algorithm: Algorithm::Es256, private: Private::Ec(ec), now },
            Key { algorithm: Algorithm::EdDsa, private: Private::Ed(ed), now },
        ])
    }

    /// The key of an algorithm.
    pub fn key(&self, algorithm: Algorithm) -> &Key {
        self.0.iter().find(|key| key.algorithm == algorithm).expect("there is one for each")
    }

    /// The key set that it publishes (RFC 7517).
    pub fn jwks(&self) -> String {
        json!({ "keys": self.0.iter().map(Key::jwk).collect::<Vec<_>>() }).to_string()
    }
}

impl Key {
    /// Signs a token for the API.
    pub fn token(&self, kind: Kind, serial: usize) -> String {
        self.token_for(AUDIENCE, kind, serial)
    }

    /// Signs a token as long as most are; each serial gives another one.
    pub fn token_for(&self, audience: &str, kind: Kind, serial: usize) -> String {
        let now = self.now;
        let issued = if kind == Kind::Expired { now - 7200 } else { now - 1 };
        // Four hours: longer than a run takes.
        let expires = if kind == Kind::Expired { now - 3600 } else { now + 14_400 };
        let audience = if kind == Kind::WrongAudience { "https://other.example" } else { audience };
        let scope = if kind == Kind::WrongScope { "openid profile list" } else { "openid profile read write" };
        let claims = json!({
            "iss": ISSUER, "aud": audience, "sub": "8a4c0c52-3c1f-4f0e-9a77-6f2b1d9c4e30", "client_id": "reporting-app",
            "scope": scope, "iat": issued, "exp": expires, "jti": format!("5d0f1c1e-7a3b-4a51-9b0e-{serial:012}"),
        });
        let header = json!({ "alg": self.algorithm.to_string(), "kid": self.algorithm.to_string(), "typ": "at+jwt" });
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = self.sign(signed.as_bytes());
        if kind == Kind::BadSignature {
            signature[20] ^= 1;
        }
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// So many good tokens, each another one, signed by all cores.
    pub fn many(&self, serials: std::ops::Range<usize>) -> Vec<String> {
        let share = serials.len().div_ceil(Machine::cores()).max(1);
        std::thread::scope(|scope| {
            let signing: Vec<_> = serials
                .clone()
                .step_by(share)
                .map(|first| {
                    let own = first..(first + share).min(serials.end);
                    scope.spawn(move || own.map(|serial| self.token(Kind::Good, serial)).collect::<Vec<_>>())
                })
                .collect();
            signing.into_iter().flat_map(|signer| signer.join().expect("the key signs")).collect()
        })
    }

    /// The public key as PEM (RFC 7468 §13).
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.spki());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The public key as aws-lc-rs takes it: PKCS #1, a point, or Ed25519's bytes.
    pub fn public(&self) -> &[u8] {
        match &self.private {
            Private::Rsa(key) => key.public_key().as_ref(),
            Private::Ec(key) => key.public_key().as_ref(),
            Private::Ed(key) => key.public_key().as_ref(),
        }
    }

    fn spki(&self) -> Vec<u8> {
        let der = match &self.private {
            Private::Rsa(key) => key.public_key().as_der(),
            Private::Ec(key) => key.public_key().as_der(),
            Private::Ed(key) => key.public_key().as_der(),
        };
        der.expect("a key has a form").as_ref().to_vec()
    }

    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (name, public) = (self.algorithm.to_string(), self.public());
        match &self.private {
            Private::Rsa(key) => {
                let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
                let (n, e) = (text(n.big_endian_without_leading_zero()), text(e.big_endian_without_leading_zero()));
                json!({ "kty": "RSA", "alg": name, "kid": name, "n": n, "e": e })
            }
            Private::Ec(_) => {
                let (x, y) = (text(&public[1..33]), text(&public[33..65]));
                json!({ "kty": "EC", "crv": "P-256", "alg": name, "kid": name, "x": x, "y": y })
            }
            Private::Ed(_) => json!({ "kty": "OKP", "crv": "Ed25519", "alg": name, "kid": name, "x": text(public) }),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.private {
            Private::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("the key signs");
                signature
            }
            Private::Ec(key) => key.sign(&random, message).expect("the key signs").as_ref().to_vec(),
            Private::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}
