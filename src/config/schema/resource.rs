//! `resources`.

use serde_json::{Map, Value, json};

use super::build::{key, map, section, with};
use super::defaults::shared;
use super::form::{
    client, duration, host, one_or_different, one_or_many, one_or_more, one_or_some, path_prefix, plain_scope, scope,
    scope_name, switch, text,
};
use super::issuers::require;
use super::{authorization_server, clients, rules, upstream, vouching};
use crate::config::resource::ONLY_PROTECTED;
use crate::oauth::ResourceIndicator;

/// `resources`: each by its key.
pub(super) fn resources() -> Value {
    with(map(indicator(), resource()), json!({ "type": "object", "minProperties": 1 }))
}

/// An absolute URI in its one spelling: no fragment, and for `https` no query either.
fn indicator() -> Value {
    let host = r"([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])";
    let loopback = r"(([a-z0-9_.-]+\.)?localhost|127\.[0-9.]+|\[[0-9a-f:.]+\])";
    let rest = r#"(:[1-9][0-9]{0,4})?((/[!$&-.0-:=@A-Z^_a-z\[\]{|}~]+)+/?)?"#;
    let location = format!("^(https://{host}|http://{loopback}){rest}$");
    let other = r#"^[a-z][a-z0-9+.-]*:[!$-;=?-\[\]^_a-~]+$"#;
    let metadata = format!("^https?://[^/]*{}", ResourceIndicator::METADATA_PREFIX.replace('.', "\\."));
    let ports_of_the_scheme = "^(https://[^/]*:443|http://[^/]*:80)(/|$)";
    json!({
        "maxLength": 512,
        "pattern": other,
        "patternErrorMessage": "Write an absolute URI without a fragment, like `https://api.example.com/orders`.",
        "if": { "pattern": "^https?:" },
        "then": {
            "pattern": location,
            "not": { "pattern": format!("{ports_of_the_scheme}|/\\.\\.?(/|$)|{metadata}") },
            "patternErrorMessage":

                "Write it like `https://api.example.com/orders`: host in lower case, no port of the scheme's \
                 own, no slash for the root, no query.",
        },
    })
}

fn resource() -> Value {
    let own = [
        key("name", text(), "The name for people, in the metadata document; the key, if left out."),
        key(
            "public",
            switch(),
            "Makes the whole resource public: no token, no metadata document, never an audience. \
                 `Authorization` is removed unless the resource itself says `forward: token`.",
        )
        .usual(false),
        key(
            "match",
            matches(),
            "Which requests are the resource's own, where the key does not say it: for a `urn:` key, or an \
                 API with another public address.",
        ),
        key("strip_prefix", switch(), "Removes the resource's own path before a request is forwarded.").usual(false),
        key("upstream", upstream::upstream(), "Where requests go: a URL, a list of URLs, or a section.")
            .must()
            .like("http://127.0.0.1:9001"),
        key(
            "scopes",
            scopes(),
            "The scopes that this API knows: scope → description, or a list. `transaction:{id}` stands for \
                 one value. They are published in its metadata.",
        )
        .like(json!({ "read": "Read your documents" })),
        key("required_scopes", one_or_many(&plain_scope()), "What every request needs, but for public rules.")
            .usual(json!([]))
            .like(json!(["read"])),
        key(
            "rules",
            rules::rules(),
            "Demands by path and method. Rules add up: a request needs `required_scopes`, and the `scopes` \
                 of every rule that matches it.",
        )
        .like(json!([{ "methods": ["POST", "PUT", "PATCH", "DELETE"], "scopes": ["write"] }])),
        key(
            "issuers",
            vouching::issuers(),
            "Who may vouch here, by the names of `trusted_issuers`. Left out, every trusted issuer may, by \
                 the key alone; written, only those that are named.",
        ),
        key(
            "allowed_clients",
            one_or_more(&client()),
            "The only clients that are let in, whatever their tokens say. A client is written `NAME|ID`, \
                 with the name of its issuer; one of our own issuer by its id alone.",
        )
        .like(json!(["corp|reporting-web"])),
        key(
            "user_claims",
            clients::user_claims(),
            "Claims of the user in tokens minted for this API: a list, or claim → scopes that must all be granted for it.",
        )
        .usual(json!([]))
        .like(json!({ "email": ["profile"] })),
        key(
            "access",
            require(),
            "Which users may have a token for this API: claims, each with the values that let a user in. What is not \
                 known of a user he has not got. Clients for themselves are not asked.",
        )
        .like(json!({ "department": ["sales"] })),
        key(
            "signing_algorithm",
            authorization_server::algorithm(),
            "What tokens minted for this API are signed with; the issuer's `signing.algorithm`, if left out.",
        ),
        key("lifetimes", lifetimes(), "How long what is minted for this API lives; as the issuer says, if left out."),
    ];
    let resource = section("resource", own.into_iter().chain(shared()));
    let mut refused: Map<String, Value> = ONLY_PROTECTED.iter().map(|key| ((*key).to_owned(), json!(false))).collect();
    refused.insert("rules".to_owned(), rules::of_public());
    refused.insert("forward".to_owned(), json!({ "not": { "const": "narrowed" } }));
    let protected = json!({ "properties": { "rules": rules::of_protected() } });
    with(resource, json!({ "if": rules::is_public(), "then": { "properties": refused }, "else": protected }))
}

fn matches() -> Value {
    section(
        "match",
        [
            key(
                "hosts",
                one_or_some(&host()),
                "Hosts, with a port if need be. They replace the key's. Must be there for a key that is no \
                 `http(s)` URL.",
            )
            .like(json!(["api.example.com"])),
            key(
                "path",
                path_prefix(),
                "A prefix of whole segments without parameters: `/v1`; `/v1/` is only what lies below it.",
            )
            .like("/v1"),
        ],
    )
}

fn scopes() -> Value {
    let description = json!({ "type": ["string", "number", "boolean", "null"], "minLength": 1 });
    let declared = with(map(scope_name(), description), json!({ "type": "object" }));
    json!({ "anyOf": [declared, one_or_different(&scope())] })
}

fn lifetimes() -> Value {
    let about = "How long access tokens live. More than an hour warns. From `10s` to `1d`.";
    section("lifetimes", [key("access_token", duration(), about).like("5m")])
}
