//! `limits` and `log`: bounds on what anybody may send, hold or take, and how much is written down.
//!
//! Every bound has bounds. They are wide: what lies outside is a slip of the finger or switches the bound off.

use std::time::Duration;

use super::fault::FaultKind;
use super::model::{Limits, Log, LogFormat};
use super::read::{Reader, Section};
use super::yaml::Node;

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest body that may be allowed: 1 TiB.
pub(super) const MAX_BODY: u64 = 1 << 40;
/// The longest time that an upstream connection may be given to open.
pub(super) const MAX_CONNECT: Duration = Duration::from_secs(300);
/// The longest time that an upstream may be allowed to be silent.
pub(super) const MAX_READ: Duration = DAY;

/// A token that may live longer is worth a warning.
const LONG_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads `limits`; what it does not say is as it is without.
pub(super) fn limits(reader: &mut Reader, node: &Node) -> Option<Limits> {
    let mut section = reader.section(node, "`limits`")?;
    let usual = Limits::default();
    let before = reader.log.errors();
    let mut limits = Limits {
        header_bytes: size(reader, &mut section, "header_bytes", 1 << 10, 1 << 20).unwrap_or(usual.header_bytes),
        headers: count(reader, &mut section, "headers", 10_000).unwrap_or(usual.headers),
        body_bytes: section
            .optional(reader, "body_bytes", |reader, node| reader.size(node, 1..=MAX_BODY))
            .unwrap_or(usual.body_bytes),
        token_bytes: size(reader, &mut section, "token_bytes", 256, 1 << 20).unwrap_or(usual.token_bytes),
        token_cache_bytes: size(reader, &mut section, "token_cache_bytes", 64 << 10, 64 << 30)
            .unwrap_or(usual.token_cache_bytes),
        connections: count(reader, &mut section, "connections", 1_000_000).unwrap_or(usual.connections),
        connections_per_address: usual.connections_per_address,
        header_timeout: time(reader, &mut section, "header_timeout", 10 * MINUTE).unwrap_or(usual.header_timeout),
        body_timeout: time(reader, &mut section, "body_timeout", HOUR).unwrap_or(usual.body_timeout),
        idle_timeout: time(reader, &mut section, "idle_timeout", DAY).unwrap_or(usual.idle_timeout),
        connect_timeout: time(reader, &mut section, "connect_timeout", MAX_CONNECT).unwrap_or(usual.connect_timeout),
        read_timeout: time(reader, &mut section, "read_timeout", MAX_READ).unwrap_or(usual.read_timeout),
        tunnel_age: time(reader, &mut section, "tunnel_age", 30 * DAY).unwrap_or(usual.tunnel_age),
        token_lifetime: time(reader, &mut section, "token_lifetime", 365 * DAY).unwrap_or(usual.token_lifetime),
        drain: time(reader, &mut section, "drain", HOUR).unwrap_or(usual.drain),
    };
    let one_peer = count(reader, &mut section, "connections_per_address", 1_000_000);
    limits.connections_per_address = one_peer.unwrap_or(limits.connections.min(usual.connections_per_address));
    if section.get("token_bytes").is_none() {
        limits.token_bytes = limits.token_bytes.min(limits.header_bytes);
    }
    if let Some(node) = section.get("token_lifetime").filter(|_| limits.token_lifetime > LONG_LIFETIME) {
        let hint = "a stolen token works until it expires; short ones are renewed without anybody noticing";
        reader.log.tell(FaultKind::LifetimeLong, node.place, "tokens may live longer than a week", hint);
    }
    if reader.log.errors() == before {
        check(reader, &mut section, &limits);
    }
    section.finish(reader);
    Some(limits)
}

/// Bounds that hold among each other.
fn check(reader: &mut Reader, section: &mut Section<'_>, limits: &Limits) {
    if limits.connections_per_address > limits.connections {
        let place = section.get("connections_per_address").map_or(section.place(), |node| node.owner);
        let hint = "`connections_per_address` is at most `connections`";
        reader.log.error(place, "one peer may open more connections than all together", hint);
    }
    if limits.token_bytes > limits.header_bytes {
        let place = section.get("token_bytes").map_or(section.place(), |node| node.owner);
        let hint = "`token_bytes` is at most `header_bytes`, because the token is part of the header section";
        reader.log.error(place, "a token may be longer than the whole header section", hint);
    }
}

fn size(reader: &mut Reader, section: &mut Section<'_>, key: &'static str, least: u64, most: u64) -> Option<usize> {
    let size = section.optional(reader, key, |reader, node| reader.size(node, least..=most))?;
    usize::try_from(size).ok()
}

fn count(reader: &mut Reader, section: &mut Section<'_>, key: &'static str, most: u64) -> Option<usize> {
    let count = section.optional(reader, key, |reader, node| reader.integer(node, 1..=most))?;
    usize::try_from(count).ok()
}

fn time(reader: &mut Reader, section: &mut Section<'_>, key: &'static str, most: Duration) -> Option<Duration> {
    section.optional(reader, key, |reader, node| reader.duration(node, MILLISECOND..=most))
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// The words that stand for a level alone.
pub(super) const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads `log`.
pub(super) fn log(reader: &mut Reader, node: &Node) -> Option<Log> {
    let mut section = reader.section(node, "`log`")?;
    let usual = Log::default();
    let level = section.optional(reader, "level", level);
    let format = section.optional(reader, "format", |reader, node| {
        let words = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
        reader.choice(node, "log format", &words)
    });
    section.finish(reader);
    Some(Log { level: level.unwrap_or(usual.level), format: format.unwrap_or(usual.format) })
}

/// A level, or a filter. A filter takes any word for a module's name, so a word alone must be a level.
fn level(reader: &mut Reader, node: &Node) -> Option<String> {
    let scalar = reader.scalar(node)?;
    let text = &scalar.text;
    let is_filter = text.contains('=') || text.contains(',');
    if LEVELS.contains(&text.as_str()) || (is_filter && tracing_subscriber::EnvFilter::try_new(text).is_ok()) {
        return Some(text.clone());
    }
    let hint = match is_filter {
        true => "write a filter like `narrowgate=debug,warn`".to_owned(),
        false => reader.suggest(text, LEVELS),
    };
    reader.log.error(node.place, format!("`{}` is no log level", scalar.shown()), hint);
    None
}
