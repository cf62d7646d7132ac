//! A published token, and how it is signed anew.

use std::fs;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::folder;
use crate::keys::{SigningKey, now};

/// One token of a provider.
pub struct Case {
    /// Its section, `access`, `id` or `other`, and its name there.
    pub name: String,
    header: Value,
    claims: Value,
    /// The provider's key set, with `<..>` in the place of numbers.
    jwks: Value,
}

/// Every token in a provider's file.
pub fn cases(provider: &str) -> Vec<Case> {
    let text = fs::read_to_string(folder().join(format!("{provider}.json"))).expect("the provider has a file");
    let file: Value = serde_json::from_str(&text).expect("the file is JSON");
    let jwks = file["jwks"]["example"].clone();
    let case = |section: &str, case: &Value| {
        let name = case["name"].as_str().or_else(|| case["kind"].as_str()).expect("a case has a name");
        let (header, claims) = match section {
            "other" => other_token(name),
            _ => (case["header"].clone(), case["claims"].clone()),
        };
        Case { name: format!("{section}: {name}"), header, claims, jwks: jwks.clone() }
    };
    let sections = [
        ("access", &file["access_token"]["cases"]),
        ("id", &file["id_token"]["cases"]),
        ("other", &file["other_signed_tokens"]),
    ];
    let of_section = |(name, list): (&'static str, &Value)| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().map(|value| case(name, value)).collect::<Vec<_>>()
    };
    sections.into_iter().flat_map(of_section).collect()
}

/// Keycloak's other signed tokens, which its file tells in words.
fn other_token(name: &str) -> (Value, Value) {
    let issuer = "https://sso.example.com/realms/corp";
    match name {
        "refresh/offline" => (
            json!({ "alg": "HS512", "typ": "JWT", "kid": "0d3f1c1e-7a3b-4a51-9b0e-2f6f0c7d9e11" }),
            json!({ "iss": issuer, "aud": issuer, "typ": "Refresh", "azp": "reporting-web", "sub": "8a4c",
                    "iat": 1_790_000_000, "exp": 1_790_001_800, "scope": "openid read" }),
        ),
        "back-channel logout" => (
            json!({ "alg": "RS256", "typ": "logout+jwt", "kid": "Zk3vQ1rYw8JmT0pXcN5uHsLbE7aGdFoKi2tRyUxVqMw" }),
            json!({ "iss": issuer, "aud": "https://api1.example.com", "typ": "Logout", "sub": "8a4c", "azp": "reporting-web",
                    "iat": 1_790_000_000, "exp": 1_790_000_300, "scope": "read",
                    "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
        ),
        other => panic!("`{other}` is not told in words yet"),
    }
}

impl Case {
    /// The token with `patch` (a JSON object whose members replace claims; `null` takes one out), and the key set that
    /// its issuer publishes.
    pub fn signed(&self, patch: &str) -> (String, Value) {
        if self.header.get("enc").is_some() {
            // Encrypted: five parts, which nobody but the issuer can read.
            let header = crate::keys::base64url(self.header.to_string());
            return (format!("{header}..aXYtaXYtaXYt.Y2lwaGVydGV4dA.dGFnLXRhZy10YWc"), self.published(None));
        }
        let Some(algorithm) = self.header["alg"].as_str() else {
            let opaque = if self.name.contains("opaque default") { "ory_at_Zm9v.YmFy" } else { "ya29.c0ffee-c0ffee" };
            return (opaque.into(), self.published(None));
        };
        let key = match algorithm {
            "RS256" => &*RSA,
            "HS512" => &*HMAC,
            other => panic!("no provider's case is signed with {other} yet"),
        };
        let mut claims = self.claims.clone();
        shift(claims.as_object_mut().expect("claims are an object"));
        if !patch.is_empty() {
            merge(&mut claims, &serde_json::from_str(patch).expect("a patch is JSON"));
        }
        let published = self.published((algorithm == "RS256").then_some(key));
        (key.sign(&self.header.to_string(), &claims.to_string()), published)
    }

    /// The provider's key set with numbers in it, `signer` under this token's `kid`.
    fn published(&self, signer: Option<&SigningKey>) -> Value {
        let mut jwks = self.jwks.clone();
        let keys = jwks["keys"].as_array_mut().expect("a key set has keys");
        let kid = &self.header["kid"];
        // A `kid` that the provider's sample does not list, but whose key it would publish.
        let is_published = kid.as_str().is_some_and(|kid| !kid.starts_with("not-in"));
        if is_published && keys.iter().all(|key| key["kid"] != *kid) {
            let mut key = keys[0].clone();
            key["kid"] = kid.clone();
            keys.push(key);
        }
        for key in keys {
            let real = match (key["kty"].as_str(), signer) {
                (Some("RSA"), Some(signer)) if key["kid"] == *kid => signer.jwk(),
                (Some("RSA"), _) => STRANGER.jwk(),
                _ => EC.jwk(),
            };
            for number in ["n", "e", "x", "y"] {
                if let Some(value) = key.get_mut(number) {
                    *value = real[number].clone();
                }
            }
        }
        jwks
    }
}

static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new("", "RS256"));
static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new("", "RS256"));
static EC: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new("", "ES256"));
static HMAC: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new("", "HS512"));

/// Moves every time so that the token was issued a minute ago, or ends in five minutes if nothing says when it was.
fn shift(claims: &mut Map<String, Value>) {
    let time = |name: &str| claims.get(name).and_then(Value::as_u64);
    let Some((from, to)) = time("iat").map(|iat| (iat, now() - 60)).or(time("exp").map(|exp| (exp, now() + 300)))
    else {
        return;
    };
    for name in ["iat", "exp", "nbf", "auth_time", "rat"] {
        if let Some(value) = claims.get_mut(name) {
            let moved = value.as_u64().expect("a time is a number") + to - from;
            *value = json!(moved);
        }
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().expect("a patch meets an object").remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// The header of an encoded token's first part.
pub fn header_of(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("the part is base64url");
    serde_json::from_slice(&bytes).expect("the header is JSON")
}
