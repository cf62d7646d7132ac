//! `issuer` and `store`.

use serde_json::{Value, json};

use super::build::{key, section, with};
use super::clients;
use super::form::{duration, one_or_some, secret, switch, whole_or_zero, words};
use super::login;
use crate::oauth::SigningAlgorithm;

/// `issuer`: our own.
pub(super) fn issuer() -> Value {
    let issuer = section(
        "own issuer",
        [
            key(
                "url",
                url(),
                "The value of `iss` in its tokens, byte for byte, and where its endpoints lie. `https`, or `http` for \
                 loopback; no final slash, no query.",
            )
            .must()
            .like("https://auth.example.com"),
            key("lifetimes", lifetimes(), "How long what it mints lives."),
            key("signing", signing(), "What its tokens are signed with, and where the keys come from."),
            key(
                "exchange_depth",
                whole_or_zero(0, 8),
                "The most actors that an exchanged token may name, one for each time that it was carried on. From 0 to 8.",
            )
            .usual(4),
            key(
                "development_tokens",
                switch(),
                "Lets `narrowgate token` make tokens for any subject, without a login. For development. Warns.",
            )
            .usual(false),
            key(
                "clients",
                clients::clients(),
                "Who may ask for tokens, by `client_id`. A client gets what stands here and nothing else.",
            ),
            key(
                "login",
                login::login(),
                "How users log in, so that clients with the grant `authorization_code` can ask them.",
            ),
        ],
    );
    // As a condition, so that an editor marks the one key and not the whole section.
    let nothing_sealed =
        json!({ "if": { "required": ["keys"] }, "then": { "properties": { "key_encryption": false } } });
    let without_login = json!({ "properties": { "signing": nothing_sealed } });
    with(issuer, json!({ "if": { "not": { "required": ["login"] } }, "then": without_login }))
}

/// An issuer's one spelling.
fn url() -> Value {
    let host = r"([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])";
    let loopback = r"(([a-z0-9_.-]+\.)?localhost|127\.[0-9.]+|\[[0-9a-f:.]+\])";
    let rest = r#"(:[1-9][0-9]{0,4})?(/[!$&-.0-:=@A-Z^_a-z\[\]{|}~]+)*"#;
    json!({
        "type": "string",
        "maxLength": 512,
        "pattern": format!("^(https://{host}|http://{loopback}){rest}$|\\$\\{{"),
        "not": { "pattern": "^(https://[^/]*:443|http://[^/]*:80)(/|$)|/\\.\\.?(/|$)|^https?://[^/]*/\\.[Ww][Ee][Ll][Ll]-" },
        "patternErrorMessage":
            "Write it like `https://auth.example.com`: host in lower case, no port of the scheme's own, no final slash.",
    })
}

fn lifetimes() -> Value {
    let about = "How long access tokens live, where their resource says nothing else. More than an hour warns. At most \
                 `limits.token_lifetime`. From `10s` to `1d`.";
    section(
        "lifetimes of the issuer",
        [
            key("access_token", duration(), about).usual("5m"),
            key("code", duration(), "How long a code can be redeemed. From `10s` to `1m`.").usual("60s"),
            key(
                "refresh_token",
                duration(),
                "How long a user's grant lasts, counted from its beginning. From `1h` to `365d`.",
            )
            .usual("30d"),
            key("session", duration(), "How long a user stays logged in, in his browser. From `5m` to `30d`.")
                .usual("8h"),
        ],
    )
}

fn signing() -> Value {
    let signing = section(
        "signing",
        [
            key("algorithm", algorithm(), "What tokens are signed with, where their resource asks for nothing else.")
                .usual("ES256"),
            key(
                "keys",
                one_or_some(&json!({ "type": "string", "minLength": 1 })),
                "PEM files with private keys, which the operator rotates. Of each algorithm the first one signs, the \
                 others are published only. Then client credentials, exchange and narrowing need no store. Not beside \
                 `rotate_every`, nor, where nobody logs in, beside `key_encryption`.",
            )
            .like(json!(["signing.pem"])),
            key("rotate_every", duration(), "How long a key that was made here signs. From `2h` to `365d`.")
                .usual("30d"),
            key(
                "key_encryption",
                secret(32),
                "What is sealed under in the store: keys that are made here, and what users granted. 32 characters at \
                 least. Left out, a key in a file beside the store.",
            )
            .like("${KEY_ENCRYPTION}"),
        ],
    );
    // As a condition, so that an editor marks the one key and not the whole section.
    let made_elsewhere = json!({ "properties": { "rotate_every": false } });
    with(signing, json!({ "if": { "required": ["keys"] }, "then": made_elsewhere }))
}

/// One of the algorithms that tokens are signed with.
pub(super) fn algorithm() -> Value {
    words(&SigningAlgorithm::ALL.map(SigningAlgorithm::as_str))
}

/// `store`: a file, `memory`, or the URL of a database.
pub(super) fn store() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "anyOf": [
            { "not": { "pattern": "://|/$|^\\.\\.?$" } },
            { "pattern": "^postgres(ql)?://(\\$\\{[^}]*\\}|[^/?#@])+@(\\$\\{[^}]*\\}|[^/?#@])+/(\\$\\{[^}]*\\}|[^/?#@])+\
                         (\\?sslmode=(verify-full|disable))?$" },
        ],
        "patternErrorMessage": "Write the path of a file, like `narrowgate.redb`, or the URL of a database, like \
                                `postgres://narrowgate:${DB_PASSWORD}@db.example.com/narrowgate`.",
    })
}
