//! An identity provider for the demo, as most are: its tokens are good for every API at once. A key made on the spot, the
//! two documents that a gateway reads, and one token.
//!
//! Deliberately absent: a token endpoint. The demo mints in process and hands the token out itself, so there is nothing
//! here to attack.

use std::io;
use std::net::SocketAddr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::clock::Timestamp;

/// The identity provider `corp` of the demo.
pub(super) struct DevelopmentIssuer {
    address: SocketAddr,
    url: String,
    key: EncodingKey,
}

/// Why the issuer cannot start, or cannot mint.
#[derive(Debug, thiserror::Error)]
pub(super) enum IssuerFault {
    #[error("no signing key can be made")]
    Key,
    #[error("the signing key cannot be published")]
    Jwk(#[source] jsonwebtoken::errors::Error),
    #[error("the system has no randomness to give")]
    Randomness,
    #[error("no token can be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    #[error("the issuer cannot listen")]
    Listen(#[from] io::Error),
}

const KEY_ID: &str = "demo";
/// How long a token lives, in seconds.
const LIFETIME: u64 = 3600;

impl DevelopmentIssuer {
    /// Makes a key and publishes it; ends with the runtime.
    pub(super) fn start(listener: TcpListener) -> Result<Self, IssuerFault> {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let key = EncodingKey::from_ec_der(pair.map_err(|_| IssuerFault::Key)?.as_ref());
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(IssuerFault::Jwk)?;
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") });
        let jwks = json!({ "keys": [published(&jwk)] });
        let documents = Router::new()
            .route("/.well-known/openid-configuration", get(move || async move { Json(metadata) }))
            .route("/jwks", get(move || async move { Json(jwks) }));
        tokio::spawn(async move { axum::serve(listener, documents).await });
        Ok(Self { address, url, key })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A fresh access token of alice, which names every one of `audiences`.
    pub(super) fn mint(&self, audiences: &[&str], scope: &str) -> Result<String, IssuerFault> {
        let mut id = [0; 8];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| IssuerFault::Randomness)?;
        let now = Timestamp::now().0;
        let claims = json!({
            "iss": self.url,
            "sub": "alice",
            "aud": audiences,
            "client_id": "reporting-web",
            "scope": scope,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": format!("{:016x}", u64::from_be_bytes(id)),
        });
        let header = Header { typ: Some("at+jwt".into()), kid: Some(KEY_ID.into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(IssuerFault::Sign)
    }
}

/// The public half, with what it is for.
fn published(jwk: &Jwk) -> Value {
    let mut members = json!(jwk);
    members["kid"] = json!(KEY_ID);
    members["alg"] = json!("ES256");
    members["use"] = json!("sig");
    members
}
