//! `login` of our own issuer.

use serde_json::{Value, json};

use super::build::{key, map, section, with};
use super::form::{label, one_or_different, plain_scope, switch, text};
use super::issuers::issuer_name;

/// `login`.
pub(super) fn login() -> Value {
    let login = section(
        "login",
        [
            key(
                "openid",
                map(issuer_name(), provider()),
                "OpenID providers at which users log in, by their names in `trusted_issuers`. They are found by discovery.",
            ),
            key(
                "users",
                map(user_name(), user()),
                "Users with a password here, by the name that they type. For demos and tests. Warns.",
            ),
        ],
    );
    let some = json!({ "type": "object", "minProperties": 1 });
    let ways = ["openid", "users"].map(|way| json!({ "properties": { way: some }, "required": [way] }));
    with(login, json!({ "type": "object", "anyOf": ways }))
}

fn provider() -> Value {
    let provider = section(
        "provider",
        [
            key("client_id", id(), "What the provider calls this gateway.").must().like("narrowgate"),
            key(
                "client_secret",
                text(),
                "What this gateway proves itself with. Not beside `client_key`. Without either it is a public client there.",
            )
            .like("${CORP_CLIENT_SECRET}"),
            key(
                "client_key",
                text(),
                "The private key, as PEM, with which this gateway signs that it is itself (`private_key_jwt`).",
            )
            .like("${file:corp-client.pem}"),
            key("client_key_id", id(), "The `kid` by which the provider knows that key."),
            key("title", label(), "What the button says; the issuer's name, if left out.").like("Acme staff"),
            key(
                "scopes",
                one_or_different(&plain_scope()),
                "What is asked for there. `openid` must be among it.",
            )
            .usual(json!(["openid"]))
            .like(json!(["openid", "email"])),
            key(
                "userinfo",
                switch(),
                "Asks the provider's UserInfo endpoint too, where claims are not in the ID token.",
            )
            .usual(false),
        ],
    );
    let one_proof =
        json!({ "if": { "required": ["client_secret"] }, "then": { "properties": { "client_key": false } } });
    with(provider, with(one_proof, json!({ "dependencies": { "client_key_id": ["client_key"] } })))
}

fn id() -> Value {
    with(text(), json!({ "maxLength": 256, "pattern": "^[ -~]+$" }))
}

fn user_name() -> Value {
    json!({ "minLength": 1, "maxLength": 128, "pattern": "^[^\\s\\u0000-\\u001f]([^\\u0000-\\u001f]*[^\\s\\u0000-\\u001f])?$" })
}

fn user() -> Value {
    let instead = "Write what `narrowgate hash-password` prints, and never the password itself.";
    let hash = json!({
        "type": "string",
        "pattern": "^\\$argon2id\\$v=19\\$|\\$\\{",
        "patternErrorMessage": instead,
    });
    section(
        "user",
        [
            key("password", hash, "The password's hash: Argon2id, as `narrowgate hash-password` makes it.").must(),
            key("claims", claims(), "What is known of the user, as a provider's claims would say it.")
                .like(json!({ "department": "sales", "groups": ["admins"] })),
        ],
    )
}

/// Texts, numbers, switches, and lists of them; no protocol's names.
fn claims() -> Value {
    let name = json!({ "minLength": 1, "not": { "enum": crate::oauth::PROTOCOL_CLAIMS.as_slice() } });
    let single = json!({ "type": ["string", "number", "boolean"] });
    map(name, json!({ "anyOf": [single, { "type": "array", "items": single }] }))
}
