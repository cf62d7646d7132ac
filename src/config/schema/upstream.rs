//! `upstream` of a resource.

use serde_json::{Value, json};

use super::build::{key, section, with};
use super::form::{asked_path, duration, one_or_some, upstream_url, words};

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
                asked_path(),
                "A path that is asked with `GET` every 5 s; 2xx is healthy. An address that fails is passed over \
                 while another one can take its requests.",
            )
            .like("/healthz"),
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
