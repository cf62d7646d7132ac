//! A gate made of YAML, and tokens signed for it, without sockets.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Environment};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, RequestView};
use narrowgate::snapshot::Snapshot;
use narrowgate::token::{Keyring, TokenCache};
use rcgen::KeyPair;
use serde_json::{Value, json};

/// The one key that every issuer of these tests signs with: what tells them apart is `iss`.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().expect("the system has randomness"));

/// Never asked: the keys lie in a file.
static FETCHER: LazyLock<Fetcher> = LazyLock::new(|| Fetcher::new(None).expect("the platform's roots can be read"));

/// A gate and its verified tokens.
pub struct Gateway {
    snapshot: Snapshot,
    tokens: TokenCache,
}

impl Gateway {
    /// Makes a gate of a configuration; nothing if the configuration has faults.
    pub fn of(yaml: &str) -> Option<Self> {
        let folder = folder();
        let loaded = config::parse(yaml, &folder.join("gateway.yaml"), &Environment::default()).ok()?;
        let issuers = loaded.config.trusted_issuers.iter();
        let keyrings = issuers.map(|issuer| Keyring::new(issuer.clone(), FETCHER.clone())).collect();
        let snapshot =
            Snapshot::new(Arc::new(loaded.config), keyrings, None, Vec::new()).expect("the loader found no fault");
        Some(Self { snapshot, tokens: TokenCache::new(1 << 20).expect("the system has randomness") })
    }

    /// Decides one request.
    pub fn ask(&self, method: &Method, host: &str, target: &str, token: Option<&str>) -> Decision {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_str(host).expect("a host is a header value"));
        if let Some(token) = token {
            let value = format!("Bearer {token}");
            headers.insert("authorization", HeaderValue::from_str(&value).expect("a token is a header value"));
        }
        let request = RequestView {
            method,
            target: target.as_bytes(),
            uri_authority: None,
            headers: &headers,
            connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 8080, tls: false },
            keys_awaited: true,
        };
        self.snapshot.gate.decide(&request, &self.tokens, Timestamp::now())
    }
}

/// Signs these claims, with `exp` and `iat` of now where they say none.
pub fn sign(mut claims: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
    let members = claims.as_object_mut().expect("claims are an object");
    members.entry("iat").or_insert(json!(now));
    members.entry("exp").or_insert(json!(now + 300));
    let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::ES256) };
    let key = EncodingKey::from_ec_der(&KEY.serialize_der());
    jsonwebtoken::encode(&header, &claims, &key).expect("the key signs")
}

/// A folder that holds `jwks.json`, the key set of every issuer here.
fn folder() -> &'static Path {
    static FOLDER: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
        let folder = std::env::temp_dir().join(format!("narrowgate-properties-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let point = KEY.public_key_raw();
        let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k1", "x": coordinate(1..33), "y": coordinate(33..65)});
        let jwks = json!({ "keys": [key] }).to_string();
        std::fs::write(folder.join("jwks.json"), jwks).expect("the temporary folder can be written");
        folder
    });
    &FOLDER
}
