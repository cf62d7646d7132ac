//! `upstream` of a resource.

use serde_json::{Value, json};

use super::build::{key, section, with};
use super::form::{asked_path, dns_name, duration, file, one_or_more, one_or_some, upstream_url, whole, words};

/// A URL, a list of URLs, or a section with one of the two.
pub(super) fn upstream() -> Value {
    let urls = one_or_some(&upstream_url());
    let section = section(
        "upstream",
        [
            key("url", urls.clone(), "Where requests go: `http` or `https`, without a query. Not beside `urls`.")
                .like("http://127.0.0.1:9001"),
            key("urls", urls.clone(), "Several such addresses. Any may get any request, so their paths are equal.")
                .like(json!(["https://10.0.0.7", "https://10.0.0.8"])),
            key(
                "protocol",
                words(&["http1", "http2"]),
                "What is spoken there. `http2` is over TLS, or in the clear by prior knowledge, as gRPC servers do.",
            )
            .usual("http1"),
            key(
                "health_check",
                json!({ "anyOf": [asked_path(), health_check()] }),
                "A path that is asked with `GET` every 5 s, or a section. An address that fails is passed over while \
                 another one can take its requests.",
            )
            .like("/healthz"),
            key(
                "eject",
                json!({ "anyOf": [words(&["never"]), eject()] }),
                "When an address that fails requests is passed over, and for how long; or `never`.",
            ),
            key("retry", words(&["idempotent", "never"]), "Which requests are sent again to another address.")
                .usual("idempotent"),
            key("tls", tls(), "What is trusted and shown towards `https` addresses."),
            key("idle_timeout", duration(), "How long a connection is kept that nobody uses. From `1ms` to `1h`.")
                .usual("60s"),
            key(
                "connect_timeout",
                duration(),
                "How long a connection may take to open; `limits.connect_timeout`, if left out. From `1ms` to `5m`.",
            ),
            key(
                "read_timeout",
                duration(),
                "How long the API may be silent; `limits.read_timeout`, if left out. Then 504. From `1ms` to `1d`.",
            ),
        ],
    );
    let one_of_both = json!({
        "type": "object",
        "if": { "required": ["urls"] },
        "then": { "properties": { "url": false } },
        "else": { "required": ["url"] },
    });
    json!({ "anyOf": [urls, with(section, one_of_both)] })
}

fn health_check() -> Value {
    let in_a_row = whole(1, 1000);
    section(
        "health_check",
        [
            key("path", asked_path(), "The path that is asked.").must().like("/healthz"),
            key("interval", duration(), "How often it is asked. From `100ms` to `1h`.").usual("5s"),
            key("timeout", duration(), "How long an answer may take. From `1ms` to `1m`.").usual("3s"),
            key("healthy_after", in_a_row.clone(), "Good answers in a row that bring it back. From `1` to `1000`.")
                .usual(1),
            key("unhealthy_after", in_a_row, "Bad answers in a row that take it out. From `1` to `1000`.").usual(2),
            key("status", one_or_some(&whole(200, 599)), "The statuses of a good answer; every 2xx, if left out."),
        ],
    )
}

fn eject() -> Value {
    section(
        "eject",
        [
            key("after", whole(1, 1000), "Failed requests in a row. From `1` to `1000`.").usual(5),
            key("for", duration(), "How long it is passed over. From `100ms` to `1h`.").usual("5s"),
        ],
    )
}

fn tls() -> Value {
    let tls = section(
        "tls",
        [
            key("ca", one_or_more(&file()), "PEM files with the only certificates that are trusted there."),
            key("server_name", dns_name(), "The name that its certificate must have; the URL's host, if left out."),
            key("cert", file(), "The chain that is shown there, as PEM."),
            key("key", file(), "Its private key, as PEM."),
        ],
    );
    with(tls, json!({ "dependencies": { "cert": ["key"], "key": ["cert"] } }))
}
