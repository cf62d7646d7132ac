//! `limits` and `log`.

use serde_json::{Value, json};

use super::build::{key, section};
use super::form::{duration, size, whole};
use crate::config::limits::{LEVELS, MAX_BODY};

/// `limits`.
pub(super) fn limits() -> Value {
    section(
        "limits",
        [
            key("header_bytes", size(1 << 10, 1 << 20), "The header section. Else 431. From `1KiB` to `1MiB`.")
                .usual("32KiB"),
            key("headers", whole(1, 10_000), "How many header fields. Else 431. From `1` to `10000`.").usual(100),
            key(
                "body_bytes",
                size(1, MAX_BODY),
                "A request body, unless the resource says otherwise. Else 413. From `1` to `1TiB`.",
            )
            .usual("1GiB"),
            key(
                "token_bytes",
                size(256, 1 << 20),
                "An access token. Else 401. At most `header_bytes`, and lowered with it where it is not written. \
                 From `256` to `1MiB`.",
            )
            .usual("8KiB"),
            key(
                "token_cache_bytes",
                size(64 << 10, 64 << 30),
                "The memory for verified tokens. From `64KiB` to `64GiB`.",
            )
            .usual("32MiB"),
            key("connections", whole(1, 1_000_000), "Open connections. From `1` to `1000000`.").usual(10_000),
            key(
                "connections_per_address",
                whole(1, 1_000_000),
                "Open connections of one peer. At most `connections`, and lowered with it where it is not \
                 written. From `1` to `1000000`.",
            )
            .usual(1000),
            key(
                "header_timeout",
                duration(),
                "The time for a header section to arrive. Else 408. From `1ms` to `10m`.",
            )
            .usual("10s"),
            key("body_timeout", duration(), "A client's silence inside a body. From `1ms` to `1h`.").usual("30s"),
            key("idle_timeout", duration(), "A connection's wait for its next request. From `1ms` to `1d`.")
                .usual("60s"),
            key(
                "connect_timeout",
                duration(),
                "An upstream connection's time to open, unless the upstream says otherwise. From `1ms` to `5m`.",
            )
            .usual("5s"),
            key(
                "read_timeout",
                duration(),
                "An upstream's silence, unless the upstream says otherwise. Else 504. From `1ms` to `1d`.",
            )
            .usual("60s"),
            key("tunnel_age", duration(), "The life of a WebSocket. From `1ms` to `30d`.").usual("1h"),
            key(
                "token_lifetime",
                duration(),
                "A token's whole life, from `iat` (or now, without one) to `exp`. Else 401. From `1ms` to \
                 `365d`.",
            )
            .usual("24h"),
            key("drain", duration(), "What is under way once the program is asked to stop. From `1ms` to `1h`.")
                .usual("25s"),
        ],
    )
}

/// `log`.
pub(super) fn log() -> Value {
    let level = json!({ "anyOf": [{ "enum": LEVELS }, { "type": "string", "pattern": "[=,]|\\$\\{" }] });
    section(
        "log",
        [
            key("level", level, "How much is logged: a level, or a filter like `narrowgate=debug,warn`.").usual("info"),
            key(
                "format",
                super::form::words(&["auto", "json", "text"]),
                "`auto` is text on a terminal and JSON elsewhere.",
            )
            .usual("auto"),
        ],
    )
}
