//! The JSON Schema of `gateway.yaml`: what an editor needs to complete and to explain every key.
//!
//! The parser is written by hand, and so is this: a file for each part of the configuration, from a few builders.
//! [`build`] makes keys and sections, [`form`] the forms of values. A new key is one line in its section; a test
//! compares the keys of every section with those that the parser asks for, by the section's title. Deliberately absent:
//! whatever takes more than one look at the file, such as names that must be declared elsewhere, or paths that cross.
//!
//! Draft-07, because that is what editors understand best.

use serde_json::{Value, json};

use build::{key, map, section, with};

mod authorization_server;
mod build;
mod clients;
mod defaults;
mod form;
mod issuers;
mod limits;
mod listen;
mod login;
mod resource;
mod rules;
#[cfg(test)]
pub(super) mod tests;
mod upstream;
mod vouching;

/// The JSON Schema (draft-07) of a configuration.
pub fn schema() -> Value {
    let root = section(
        "configuration",
        [
            key(
                "listen",
                listen::listen(),
                "Where requests come in: an address, `{ address, tls }`, or a list of them.",
            )
            .must()
            .like("127.0.0.1:8080"),
            key(
                "admin",
                listen::admin(),
                "Where operators look in: an address, or `{ address, token, hosts }`. Left out, there is no such \
                 listener.",
            )
            .like("127.0.0.1:9090"),
            key(
                "trusted_issuers",
                issuers::issuers(),
                "Whose access tokens may be accepted, by a name of your own. The name is a label in logs and the \
                 prefix of the issuer's subjects (`corp|alice`), so never rename it.",
            ),
            key(
                "defaults",
                defaults::defaults(),
                "What every resource says that does not say it itself. A resource's own `identity_headers` or \
                 `cors` replaces the one here whole.",
            ),
            key(
                "resources",
                resource::resources(),
                "What is served; at least one. The key is three things at once: the public URL of the API, the \
                 `resource` that a client asks its issuer for (RFC 8707), and the audience (`aud`) that a token \
                 must carry.",
            )
            .must(),
            key(
                "issuer",
                authorization_server::issuer(),
                "The companion authorization server, which mints narrow tokens for the resources. Left out, only the \
                 gate runs.",
            ),
            key(
                "store",
                authorization_server::store(),
                "Where the issuer keeps what must outlive the process: a file. `memory` beside `signing.keys` only. Left \
                 out, `narrowgate.redb` beside the configuration; with `signing.keys`, nothing is kept. Only beside \
                 `issuer`.",
            )
            .like("narrowgate.redb"),
            key(
                "scopes",
                map(form::plain_scope_name(), form::text()),
                "Descriptions of scopes that several resources share. Users read them when they consent.",
            )
            .like(json!({ "read": "Read what is there" })),
            key(
                "trusted_proxies",
                form::one_or_many(&form::network()),
                "Ranges of addresses of the proxies in front of the gateway. Only from them do \
                 `X-Forwarded-Host`, `-For` and `-Proto` count.",
            )
            .usual(json!([]))
            .like(json!(["10.0.0.0/8"])),
            key(
                "trusted_cas",
                form::one_or_many(&form::file()),
                "PEM files with certificates that are trusted towards issuers and upstreams, beside the \
                 platform's own.",
            ),
            key("log", limits::log(), "How much is logged, and how."),
            key("limits", limits::limits(), "Bounds on what anybody may send, hold or take."),
        ],
    );
    // As a condition, so that an editor marks the one key and not the whole file.
    let root = with(root, json!({ "if": { "required": ["issuer"] }, "else": { "properties": { "store": false } } }));
    with(root, json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "object" }))
}
