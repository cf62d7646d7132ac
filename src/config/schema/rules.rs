//! `rules` of a resource.

use serde_json::{Value, json};

use super::build::{key, section, with};
use super::form::{method, one_or_many, one_or_some, path_pattern, scope, switch, words};

/// A list of rules.
pub(super) fn rules() -> Value {
    json!({ "type": "array", "items": rule() })
}

fn rule() -> Value {
    let rule = section(
        "rule",
        [
            key(
                "path",
                path_pattern(),
                "A path pattern, relative to the resource; every path, if left out. `/admin/{*rest}` covers \
                 `/admin` and all below, `{name}` is one whole segment.",
            )
            .like("/admin/{*rest}"),
            key(
                "methods",
                one_or_some(&method()),
                "Methods, in upper case; every method, if left out. `GET` includes `HEAD`.",
            )
            .like(json!(["POST", "PUT", "PATCH", "DELETE"])),
            key(
                "scopes",
                one_or_many(&scope()),
                "What is needed on top of `required_scopes` and of all other rules that match.",
            )
            .usual(json!([])),
            key(
                "public",
                switch(),
                "Nothing is needed, not even a token, where this is the most specific path. Not beside `scopes`.",
            ),
            key(
                "forward",
                words(&["none", "token"]),
                "At a public rule only: whether an `Authorization` that is sent all the same goes on. It is not \
                 checked.",
            )
            .usual("none"),
        ],
    );
    with(rule, json!({ "if": is_public(), "then": { "properties": { "scopes": false } } }))
}

/// What says `public: true`.
pub(super) fn is_public() -> Value {
    json!({ "properties": { "public": { "enum": [true, "true"] } }, "required": ["public"] })
}

/// What further holds for the rules of a resource that is public as a whole.
pub(super) fn of_public() -> Value {
    json!({ "items": { "properties": { "scopes": false } } })
}

/// What further holds for the rules of all other resources.
pub(super) fn of_protected() -> Value {
    let aims = json!([{ "required": ["path"] }, { "required": ["methods"] }, { "required": ["scopes"] }]);
    json!({ "items": { "anyOf": aims, "if": is_public(), "else": { "properties": { "forward": false } } } })
}
