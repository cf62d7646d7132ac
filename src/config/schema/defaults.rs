//! What `defaults` and a resource may both say.

use serde_json::{Value, json};

use super::build::{Key, key, map, section, with};
use super::form::{claim, one_or_some, origin, size, switch, words};
use crate::config::limits::MAX_BODY;

/// `defaults`.
pub(super) fn defaults() -> Value {
    section("defaults", shared())
}

/// The keys that both have.
pub(super) fn shared() -> Vec<Key> {
    let words_of_upgrade = words(&["websocket"]);
    vec![
        key(
            "forward",
            words(&["none", "token", "narrowed"]),
            "What the API gets as credential: nothing, the token that came in, or one that is minted from it for this \
                 API alone, which needs an `issuer`. With `none` the API must not check a token itself.",
        )
        .usual("none"),
        key(
            "identity_headers",
            identity_headers(),
            "What the API is told about the caller: field name → claim. `sub`, `client_id`, `iss` and \
                 `scope` are the gateway's own reading of the token; anything else is that claim. Nobody else \
                 can send these fields.",
        )
        .like(json!({ "X-User": "sub", "X-Client": "client_id" })),
        key("cors", cors(), "Which web pages may call. Left out, none may.")
            .like(json!({ "origins": ["https://app.example.com"] })),
        key(
            "broad_tokens",
            words(&["reject", "strict", "narrow", "accept"]),
            "What becomes of a token whose `aud` names something else too. `reject` refuses another resource \
                 of this gateway, `strict` any stranger as well, `narrow` lets it in and keeps it from the API, which \
                 needs an `issuer`, and `accept` gives \"one token, one API\" up.",
        )
        .usual("reject"),
        key(
            "body_bytes",
            size(1, MAX_BODY),
            "The longest request body; `limits.body_bytes`, if left out. From `1` to `1TiB`.",
        )
        .like("1MiB"),
        key(
            "on_removal",
            words(&["drain", "close"]),
            "What becomes of requests under way when a reload takes the resource away: `drain` lets them come to their \
             end, `close` cuts them.",
        )
        .usual("drain"),
        key(
            "unmatched",
            words(&["allow", "refuse"]),
            "A request that no rule matches: the resource's token is enough; or 404, and 405 where only the \
                 method differs.",
        )
        .usual("allow"),
        key(
            "path_parameters",
            switch(),
            "Lets `;` stand in a path. Rules must still be the same with and without what follows it.",
        )
        .usual(false),
        key(
            "upgrade",
            json!({ "anyOf": [words_of_upgrade, { "type": "array", "items": words_of_upgrade }] }),
            "`[websocket]` lets a WebSocket be opened. What goes through it escapes the rules; it ends with \
                 its token, or after `limits.tunnel_age`.",
        )
        .usual(json!([])),
    ]
}

fn identity_headers() -> Value {
    let name = json!({
        "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        "patternErrorMessage": "Use letters, digits and `-`, like `X-User`.",
    });
    map(name, with(claim(), json!({ "examples": ["sub", "client_id", "iss", "scope"] })))
}

fn cors() -> Value {
    let origins = key(
        "origins",
        one_or_some(&origin()),
        "Origins exactly as browsers send them (scheme, host, port, no slash), or `*` alone for every web page.",
    );
    let with_star = json!({ "not": { "type": "array", "minItems": 2, "contains": { "const": "*" } } });
    with(
        section("cors", [origins.must().like("https://app.example.com")]),
        json!({ "allOf": [{ "properties": { "origins": with_star } }] }),
    )
}
