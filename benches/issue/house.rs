//! The configuration that is measured, and grants that users have made before.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use narrowgate::clock::Timestamp;
use narrowgate::store::sealing::{RootKey, Seals};
use narrowgate::store::{CodeStore, EmbeddedStore, NewCode, NewFamily, TakingCode, TokenDigest};
use narrowgate::token::mint::GrantId;
use serde_json::json;

use crate::signer::Signer;

const SECRET: &str = "a-secret-of-the-benchmark-0123456789";
/// Of a password that nobody types.
const PASSWORD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$vHI6VO0Bya/ssH6vBVuy6Q$zEm8Holl6Khho0u3mmZkIVPvL166W75lQ0WMFiuF19Y";

/// How the client proves itself.
pub fn authorization() -> String {
    format!("Basic {}", STANDARD.encode(format!("app:{SECRET}")))
}

/// An exchange for a token that is signed with `algorithm`; the subject token follows.
pub fn exchange(algorithm: &str) -> String {
    let resource = if algorithm == "RS256" { "https://api1.example" } else { "https://api2.example" };
    format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
         &subject_token_type=urn:ietf:params:oauth:token-type:access_token&resource={resource}&subject_token="
    )
}

pub const OWN: &str = "grant_type=client_credentials&resource=https://api2.example&scope=read";

/// Writes a configuration, in which tokens for `api1` are signed with RS256 and others with ES256.
pub fn configuration(folder: &Path, signers: [&Signer; 2], name: &str, level: &str) -> PathBuf {
    let mut issuers = String::new();
    for (signer, name) in signers.into_iter().zip(["one", "two"]) {
        let file = format!("{name}.json");
        fs::write(folder.join(&file), signer.jwks()).expect("the folder can be written");
        issuers += &format!("  {name}: {{ issuer: {}, jwks: {file} }}\n", signer.issuer());
    }
    let resource = |key: &str, more: &str| {
        let vouch = "issuers: { one: { exchange: true }, two: { exchange: true } }";
        format!("  {key}: {{ upstream: \"http://127.0.0.1:9\", scopes: [read, write, reports], {vouch}{more} }}\n")
    };
    let text = format!(
        "listen: 127.0.0.1:0\nlog: {{ level: {level}, format: json }}\ntrusted_issuers:\n{issuers}resources:\n{}{}\
         issuer:\n  url: https://auth.example\n  login: {{ users: {{ ann: {{ password: '{PASSWORD}' }} }} }}\n  \
         clients:\n    app:\n      secret: {SECRET}\n      \
         grants: [authorization_code, refresh_token, client_credentials, token_exchange]\n      \
         redirect_uris: [https://app.example/back]\n      known_as: {{ one: web, two: web }}\n      \
         resources: {{ https://api1.example: [read, write], https://api2.example: [read, write] }}\n\
         store: {name}.redb\n",
        resource("https://api1.example", ", signing_algorithm: RS256"),
        resource("https://api2.example", ""),
    );
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, text).expect("the folder can be written");
    path
}

/// Begins so many grants of a user in the store of a configuration that nobody runs; gives their refresh tokens.
pub async fn granted(folder: &Path, name: &str, count: usize) -> Vec<String> {
    let file = folder.join(format!("{name}.redb"));
    let root = RootKey::from_file_or_new(&folder.join(format!("{name}.redb.key"))).expect("a key can be made");
    let (seals, now) = (Seals::under(&root), Timestamp::now());
    let store = EmbeddedStore::open(&file).expect("a store can be made");
    let end = Timestamp(now.0 + 86_400);
    let mut tokens = Vec::new();
    for at in 0..count {
        let root = GrantId::generate().expect("the system has randomness").to_string();
        let record = json!({
            "root": root, "client": "app", "issuer": "local", "subject": "ann", "auth_time": now.0,
            "resources": { "https://api2.example": ["read", "write"] }, "begun": now.0, "ends": end.0,
        });
        let token = format!("the-first-refresh-token-of-grant-{at:010}");
        let family = NewFamily {
            client: "app".to_owned(),
            subject: "local|ann".to_owned(),
            record: seals.grants.seal(record.to_string().as_bytes()).expect("the system has randomness"),
            leaf: TokenDigest::of(token.as_bytes()),
            until: end,
            tokens_until: end,
            end,
        };
        let digest = TokenDigest::of(root.as_bytes());
        let code = NewCode { digest, root, record: b"code".to_vec(), until: end };
        store.save_code(&code).await.expect("the store can be written");
        let taking = TakingCode { digest, record: code.record, family, now };
        store.take_code(&taking).await.expect("the store can be written");
        tokens.push(token);
    }
    tokens
}
