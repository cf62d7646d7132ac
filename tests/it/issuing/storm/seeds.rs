//! Codes of a user's grants, put into a store as the browser's part puts them there.

use std::collections::BTreeMap;

use narrowgate::clock::Timestamp;
use narrowgate::issuer::{CodeRecord, GrantRecord, RecallsSeen};
use narrowgate::oauth::CodeChallenge;
use narrowgate::secret::Secret;
use narrowgate::store::sealing::SealingKey;
use narrowgate::store::{NewCode, Store, TokenDigest};
use narrowgate::token::mint::GrantId;
use serde_json::json;

use crate::issuing::{ONE, TWO};

#[path = "../../../postgres/database.rs"]
mod database;

pub use database::database_at;

/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The client of all of them.
pub const CLIENT: (&str, &str) = ("restless", "the-secret-of-the-restless-client-xxxx");
const PLACE: &str = "https://restless.example.com/cb";

/// Adds this client, and a way to log in, to the configuration.
pub fn with_users(text: &str) -> String {
    let login = "  login: { openid: { corp: { client_id: narrowgate } } }\n";
    let client = format!(
        "    {}:\n      secret: {}\n      grants: [authorization_code, refresh_token]\n      redirect_uris: [{PLACE}]\n      \
         consent: never\n      resources: {{ {ONE}: [read], {TWO}: [reports] }}\n",
        CLIENT.0, CLIENT.1
    );
    text.replace("  clients:\n", &format!("{login}  clients:\n{client}"))
}

/// Saves so many codes, each of a grant of its own that reaches both APIs.
pub async fn codes(store: &dyn Store, count: usize) -> Vec<String> {
    let mut codes = Vec::new();
    for at in 0..count {
        codes.push(code(store, at).await);
    }
    codes
}

async fn code(store: &dyn Store, at: usize) -> String {
    let now = Timestamp::now().0;
    let resources = BTreeMap::from([(ONE, ["read"]), (TWO, ["reports"])]);
    let record = json!({
        "root": GrantId::generate().expect("randomness").to_string(), "client": CLIENT.0, "provider": "corp", "issuer": "corp",
        "subject": format!("user {at}"), "resources": resources, "auth_time": now, "begun": now, "ends": now + 86_400,
    });
    let grant = GrantRecord::from_json(record.to_string().as_bytes()).expect("a record");
    let root = grant.root().to_string();
    let challenge = CodeChallenge::parse(CHALLENGE).expect("a challenge");
    let record = CodeRecord { grant, redirect_uri: PLACE.to_owned(), challenge, recalls: RecallsSeen::default() };
    let code = Secret::random_token().expect("randomness");
    let sealed = SealingKey::of_token(&code, "code").seal(&record.to_json()).expect("randomness");
    // Far longer than a code lives: the storm is to begin when it begins.
    let new = NewCode { digest: TokenDigest::of(code.expose()), root, record: sealed, until: Timestamp(now + 600) };
    store.save_code(&new).await.expect("it is new");
    String::from_utf8(code.expose().to_vec()).expect("it is text")
}
