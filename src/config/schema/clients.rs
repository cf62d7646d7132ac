//! `clients` of our own issuer.

use serde_json::{Map, Value, json};

use super::build::{key, map, section, with};
use super::form::{
    self, one_or_different, one_or_many, one_or_more, scope, scope_name, secure_url_or_file, switch, text, words,
};
use crate::config::clients::ONLY_WITH_CODE;

/// `clients`: each by its id.
pub(super) fn clients() -> Value {
    let instead = "Printable ASCII without `|`.";
    let id = json!({ "pattern": "^[ -{}~]{1,256}$", "patternErrorMessage": instead });
    map(id, client())
}

fn client() -> Value {
    let client = section(
        "client",
        [
            key(
                "secret",
                secret(),
                "What the client proves itself with, 16 characters at least; fewer than 32 warn. A list of two is the new \
                 one and the old one, while one takes the place of the other. Not beside `jwks`.",
            )
            .like("${REPORTING_SECRET}"),
            key(
                "jwks",
                one_or_more(&secure_url_or_file()),
                "The client's public keys, for `private_key_jwt`: a URL, a file, or a list. Not beside `secret`.",
            )
            .like("https://app.example.com/jwks"),
            key(
                "auth",
                words(&["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]),
                "How the client proves who it is. It follows from `secret` and `jwks`; written, it must fit them.",
            ),
            key(
                "grants",
                one_or_different(&words(&["authorization_code", "refresh_token", "client_credentials", "token_exchange"])),
                "How the client asks for tokens. One that it could never use is a fault.",
            )
            .usual(json!([]))
            .like(json!(["client_credentials"])),
            key(
                "resources",
                resources(),
                "The matrix: which API, which scopes there. Every scope is one that the API declares; \
                 `transaction:{id}` allows any value, `transaction:7` that one.",
            )
            .like(json!({ "https://api.example.com": ["read"] })),
            key("default_resource", text(), "The resource that is meant when none is named. One of `resources`."),
            key(
                "serves",
                text(),
                "The resource that this client is: tokens addressed there are addressed to it, and it may ask what they \
                 are worth.",
            ),
            key(
                "exchange",
                exchange(),
                "Where tokens of others may be carried on to, and what their scopes are worth there: `{}` is nothing, \
                 `[read]` are scopes that mean the same on both sides, `{ read: [reports] }` translates.",
            )
            .like(json!({ "https://api2.example.com": { "read": ["reports"] } })),
            key(
                "known_as",
                map(super::issuers::issuer_name(), text()),
                "The client's ids at trusted issuers. A foreign client is one of ours only if this says so.",
            )
            .like(json!({ "corp": "reporting-web" })),
            key("name", form::label(), "What users read when they are asked; the client's id, if left out.")
                .like("Monthly reports"),
            key(
                "redirect_uris",
                redirect_uris(),
                "Where answers to `authorization_code` requests may go, compared byte for byte; a public client's port at a \
                 loopback address is free.",
            )
            .like(json!(["https://app.example.com/callback"])),
            key(
                "consent",
                words(&["ask", "never"]),
                "`never` asks no user: whoever operates this gateway answers for the client.",
            )
            .usual("ask"),
            key(
                "require_pushed_authorization_requests",
                switch(),
                "Takes authorization requests of this client only if they were pushed to `/par` before.",
            )
            .usual(false),
            key("disabled", switch(), "Shuts the client out, and leaves everything as it is.").usual(false),
        ],
    );
    // As a condition, so that an editor marks the one key and not the whole section.
    let one_proof = json!({ "if": { "required": ["secret"] }, "then": { "properties": { "jwks": false } } });
    with(client, with(one_proof, json!({ "allOf": [of_users()] })))
}

/// What has no meaning where no user is asked.
fn of_users() -> Value {
    let code = json!({ "const": "authorization_code" });
    let written = json!({ "pattern": "\\$\\{" });
    let asks = json!({ "anyOf": [code, { "type": "string", "allOf": [written] }, { "type": "array", "contains": {
        "anyOf": [code, { "type": "string", "allOf": [written] }] } }] });
    let only: Map<String, Value> = ONLY_WITH_CODE.iter().map(|key| ((*key).to_owned(), json!(false))).collect();
    json!({ "if": { "properties": { "grants": asks }, "required": ["grants"] }, "else": { "properties": only } })
}

fn redirect_uris() -> Value {
    let one = form::redirect_uri();
    let many = json!({ "type": "array", "items": one, "minItems": 1, "maxItems": 32, "uniqueItems": true });
    json!({ "anyOf": [one, many] })
}

fn secret() -> Value {
    let one = form::secret(16);
    let two = json!({ "type": "array", "items": one, "minItems": 1, "maxItems": 2, "uniqueItems": true });
    json!({ "anyOf": [one, two] })
}

/// Resources by their keys.
fn by_resource(value: Value) -> Value {
    with(map(json!(true), value), json!({ "type": "object", "minProperties": 1 }))
}

fn resources() -> Value {
    by_resource(one_or_different(&granted()))
}

fn exchange() -> Value {
    let translated = json!({
        "type": "object",
        "propertyNames": scope_name(),
        "additionalProperties": one_or_different(&granted()),
    });
    by_resource(json!({ "anyOf": [translated, one_or_different(&granted())] }))
}

/// A scope that a token for a resource may carry.
fn granted() -> Value {
    with(scope(), json!({ "not": { "enum": ["openid", "offline_access"] } }))
}

/// `user_claims` of a resource: names, or names with the scopes that must be granted for them.
pub(super) fn user_claims() -> Value {
    let name = json!({ "minLength": 1, "not": { "enum": crate::oauth::PROTOCOL_CLAIMS.as_slice() } });
    let listed = with(text(), name.clone());
    let mapped = json!({
        "type": "object",
        "propertyNames": name,
        "additionalProperties": one_or_many(&scope()),
    });
    json!({ "anyOf": [one_or_different(&listed), mapped] })
}
