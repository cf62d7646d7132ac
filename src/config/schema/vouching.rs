//! `issuers` of a resource.

use serde_json::{Value, json};

use super::build::{key, section, with};
use super::form::{one_or_different, one_or_many, plain_scope, switch, text};
use super::issuers::{claims, require, scope_map};

/// `own`, and entries by the names of trusted issuers.
pub(super) fn issuers() -> Value {
    let own = key("own", switch(), "`false` keeps tokens of this gateway's own issuer out.");
    let names = json!({ "pattern": "^[a-z0-9-]+$" });
    with(section("issuers", [own.usual(true)]), json!({ "propertyNames": names, "additionalProperties": entry() }))
}

fn entry() -> Value {
    section(
        "entry",
        [
            key(
                "audiences",
                one_or_different(&text()),
                "The issuer's own names for this API, beside the key. One name opens one resource.",
            )
            .usual(json!([]))
            .like(json!(["api://orders"])),
            key(
                "scope_map",
                scope_map(),
                "What its scopes are called here: its name → scope or list. With a map, names that are not in it \
                 count for nothing.",
            )
            .like(json!({ "Reports.Read": ["reports"] })),
            key(
                "scopes_if_none",
                one_or_many(&plain_scope()),
                "What a token without any scope claim is worth. An empty claim is not an absent one.",
            )
            .usual(json!([])),
            key(
                "claims",
                claims(),
                "Where its tokens keep things, where that differs for this API. Only `scope` has an effect here.",
            ),
            key("require", require(), "Claims that a token must have here, on top of those at the issuer."),
            key("exchange", switch(), "Whether its tokens may be exchanged for this API.").usual(false),
        ],
    )
}
