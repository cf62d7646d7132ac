//! `listen` and `admin`.

use serde_json::{Value, json};

use super::build::{key, section, with};
use super::form::{address, file, host_name, loopback, one_or_many, one_or_more, one_or_some, port_or, text, words};

/// `listen`: an address, a section, or a list of them.
pub(super) fn listen() -> Value {
    let listener = section(
        "listen",
        [
            key("address", address(), "An IP address and a port; port 0 asks the system for one. No host names.")
                .must()
                .like("0.0.0.0:8443"),
            key(
                "tls",
                one_or_more(&certificate()),
                "Certificates; plain HTTP without any. The name that the client asks for selects one; the first \
                 serves everybody else.",
            ),
            key("min_tls", words(&["1.2", "1.3"]), "The oldest version of TLS that is spoken. Only beside `tls`.").usual("1.2"),
            key(
                "alpn",
                one_or_some(&words(&["h2", "http/1.1"])),
                "What is spoken over TLS, the preferred one first. Only beside `tls`.",
            )
            .usual(json!(["h2", "http/1.1"])),
            key(
                "redirect",
                port_or(&["https"]),
                "The listener serves nothing and sends every request to TLS: to port 443 with `https`, or to this port. \
                 Not beside `tls`.",
            )
            .like("https"),
        ],
    );
    let over_tls = json!({
        "if": { "required": ["tls"] },
        "then": { "properties": { "redirect": false } },
        "else": { "properties": { "min_tls": false, "alpn": false } },
    });
    one_or_more(&json!({ "anyOf": [address(), with(listener, over_tls)] }))
}

fn certificate() -> Value {
    section(
        "tls",
        [
            key("cert", file(), "The chain as PEM, the leaf first.").must().like("site.pem"),
            key("key", file(), "Its private key as PEM without a password: ECDSA (P-256, P-384), Ed25519 or RSA.")
                .must()
                .like("site.key"),
        ],
    )
}

/// `admin`: an address or a section.
pub(super) fn admin() -> Value {
    let admin = section(
        "admin",
        [
            key("address", address(), "An IP address and a port.").must().like("127.0.0.1:9090"),
            key(
                "token",
                text(),
                "What opens `/config` and the status page. Must be there unless the address is loopback.",
            )
            .like("${ADMIN_TOKEN}"),
            key(
                "hosts",
                one_or_many(&host_name()),
                "Names by which the listener may be called, beside IP addresses and `localhost`. Without scheme \
                 and port.",
            ),
        ],
    );
    // Whoever reaches an address beyond this machine must show a token.
    let guarded = json!({ "anyOf": [{ "properties": { "address": loopback() } }, { "required": ["token"] }] });
    json!({ "anyOf": [loopback(), with(admin, guarded)] })
}
