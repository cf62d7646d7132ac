//! `trusted_issuers`, with the sections that issuers of a resource have too.

use serde_json::{Value, json};

use super::build::{key, map, section, with};
use super::form::{
    claim, claim_name, duration, duration_or_zero, issuer, one_or_different, one_or_many, one_or_more, one_or_some,
    switch, text, url, url_or_file, words,
};
use crate::oauth::Algorithm;

/// `trusted_issuers`: each by its name.
pub(super) fn issuers() -> Value {
    map(issuer_name(), trusted_issuer())
}

/// What an issuer may be called; `own` is our own.
pub(super) fn issuer_name() -> Value {
    let instead = "Lower-case letters, digits and `-`, but not `own`.";
    json!({ "pattern": "^[a-z0-9-]+$", "not": { "const": "own" }, "patternErrorMessage": instead })
}

/// One of the algorithms that can be verified.
fn algorithm() -> Value {
    words(&Algorithm::ALL.map(Algorithm::as_str))
}

fn trusted_issuer() -> Value {
    let issuer = section(
        "issuer",
        [
            key(
                "issuer",
                one_or_some(&issuer()),
                "The value of `iss`, byte for byte; a final slash counts. A list means one issuer with several \
                 names and one set of subjects.",
            )
            .must()
            .like("https://login.example.com"),
            key(
                "discovery",
                url(),
                "The metadata document, where it does not lie below the first `issuer`. Not beside `jwks`.",
            ),
            key(
                "jwks",
                one_or_more(&url_or_file()),
                "Key sets, named directly: a URL, a file, or a list. Left out, discovery finds them.",
            )
            .like("https://login.example.com/keys"),
            key("fetch_token", text(), "Sent as bearer token when metadata or keys are fetched.")
                .like("${FETCH_TOKEN}"),
            key("insecure_http", switch(), "Lets this entry's URLs be plain `http` beyond loopback. Warns.")
                .usual(false),
            key(
                "algorithms",
                one_or_some(&algorithm()),
                "What its tokens may be signed with; all that can be verified, if left out. HMAC and `none` are \
                 never accepted. Name the one that the issuer uses.",
            )
            .like(json!(["RS256"])),
            key("claims", claims(), "Where its tokens keep things."),
            key(
                "token_type",
                words(&["at+jwt"]),
                "Demands RFC 9068 in full: that `typ`, and `sub`, `client_id`, `iat`, `jti`.",
            ),
            key("allow_nonce", switch(), "Lets access tokens hold `nonce`, which otherwise marks an ID token.")
                .usual(false),
            key(
                "require",
                require(),
                "Claims that every token must have, each with one of these values. Write it wherever any caller \
                 may pick the audience.",
            )
            .like(json!({ "tenant": ["7", "8"] })),
            key(
                "ignore_audiences",
                one_or_different(&text()),
                "Further audiences that `broad_tokens: strict` overlooks. No key of a resource may stand here.",
            )
            .usual(json!([])),
            key(
                "exchange_audiences",
                one_or_different(&text()),
                "Audiences that mean \"for this gateway, to be exchanged\", for providers that cannot name an API.",
            )
            .usual(json!([])),
            key(
                "subjects",
                words(&["qualified", "plain"]),
                "`plain` prints its subjects without the issuer's name. One issuer at most: the same subject of \
                 two issuers is two people.",
            )
            .usual("qualified"),
            key("refresh", duration(), "How long a key set is used before it is read again. From `1s` to `1d`.")
                .usual("10m"),
            key(
                "refetch_after",
                duration(),
                "The shortest time between two reads for an unknown `kid`. From `1s` to `1h`.",
            )
            .usual("30s"),
            key(
                "max_stale",
                duration_or_zero(),
                "How long keys serve on while the issuer cannot be reached. From `0s` to `30d`.",
            )
            .usual("1d"),
        ],
    );
    // As a condition, so that an editor marks the one key and not the whole section.
    with(issuer, json!({ "if": { "required": ["jwks"] }, "then": { "properties": { "discovery": false } } }))
}

/// `claims`, at an issuer and at a resource's entry of one.
pub(super) fn claims() -> Value {
    section(
        "claims",
        [
            key(
                "scope",
                one_or_different(&claim()),
                "Where scopes are: text, an array of strings, or an object, whose member names count. Of a list \
                 the first present one counts; `[]` says that its tokens have none.",
            )
            .usual(json!(["scope", "scp"])),
            key("client", one_or_some(&claim()), "Where the client is.").usual(json!(["client_id", "azp"])),
            key("subject", one_or_some(&claim()), "Where the subject is.").usual(json!(["sub"])),
            key(
                "carry",
                one_or_different(&claim()),
                "Claims that may go into tokens minted here, where a resource's `user_claims` lists them.",
            )
            .usual(json!([])),
        ],
    )
}

/// `require`: claims, each with the values that it may have.
pub(super) fn require() -> Value {
    map(claim_name(), one_or_some(&text()))
}

/// `scope_map`: an issuer's names, each with the scopes that it is worth here.
pub(super) fn scope_map() -> Value {
    map(json!(true), one_or_many(&super::form::plain_scope()))
}
