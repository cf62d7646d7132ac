//! `upstream` of a resource: where its requests go.

use std::time::Duration;

use url::Url;

use super::limits::{MAX_CONNECT, MAX_READ};
use super::model::{Limits, Upstream, UpstreamProtocol};
use super::read::{Reader, Section};
use super::yaml::{Kind, Node};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Reads `upstream`: a URL, a list of them, or `{ url | urls, … }`.
pub(super) fn upstream(reader: &mut Reader, node: &Node, limits: &Limits) -> Option<Upstream> {
    let simple = |urls| Upstream {
        urls,
        protocol: UpstreamProtocol::Http1,
        health_check: None,
        connect_timeout: limits.connect_timeout,
        read_timeout: limits.read_timeout,
    };
    if !matches!(node.kind, Kind::Mapping(_)) {
        return urls(reader, node).map(simple);
    }
    let mut section = reader.section(node, "`upstream`")?;
    let urls = named_urls(reader, &mut section);
    let protocol = section.optional(reader, "protocol", |reader, node| {
        let words = [("http1", UpstreamProtocol::Http1), ("http2", UpstreamProtocol::Http2)];
        reader.choice(node, "protocol", &words)
    });
    let health_check = section.optional(reader, "health_check", health_check);
    let connect_timeout =
        section.optional(reader, "connect_timeout", |reader, node| reader.duration(node, MILLISECOND..=MAX_CONNECT));
    let read_timeout =
        section.optional(reader, "read_timeout", |reader, node| reader.duration(node, MILLISECOND..=MAX_READ));
    section.finish(reader);
    let usual = simple(urls?);
    Some(Upstream {
        protocol: protocol.unwrap_or(usual.protocol),
        health_check,
        connect_timeout: connect_timeout.unwrap_or(usual.connect_timeout),
        read_timeout: read_timeout.unwrap_or(usual.read_timeout),
        urls: usual.urls,
    })
}

fn named_urls(reader: &mut Reader, section: &mut Section<'_>) -> Option<Vec<Url>> {
    match (section.get("url"), section.get("urls")) {
        (Some(node), None) | (None, Some(node)) => urls(reader, node),
        (Some(_), Some(node)) => {
            reader.log.error(node.owner, "`url` and `urls` stand side by side", "keep `urls`, with all of them");
            None
        }
        (None, None) => {
            reader.log.error(section.place(), "`upstream` has no `url`", "write `url: http://127.0.0.1:9001`");
            None
        }
    }
}

fn urls(reader: &mut Reader, node: &Node) -> Option<Vec<Url>> {
    let before = reader.log.errors();
    let mut urls: Vec<Url> = Vec::new();
    reader.one_or_many(node, |reader, item| {
        let url = one_url(reader, item)?;
        if urls.contains(&url) {
            reader.repeated(item);
        } else if urls.first().is_some_and(|first| first.path() != url.path()) {
            let message = "the URLs of one upstream have different paths";
            reader.log.error(item.place, message, "any of them may get any request, so their paths must be equal");
        }
        urls.push(url);
        Some(())
    })?;
    if reader.log.errors() > before {
        return None;
    }
    if urls.is_empty() {
        reader.log.error(node.owner, "no upstream is named", "write at least one URL, like `http://127.0.0.1:9001`");
        return None;
    }
    Some(urls)
}

fn one_url(reader: &mut Reader, node: &Node) -> Option<Url> {
    let url = reader.url(node)?;
    let shown = reader.scalar(node)?.shown();
    if url.query().is_some() {
        let hint = "the query is the client's; name scheme, host, port and at most a path";
        reader.log.error(node.place, format!("`{shown}` has a query"), hint);
        return None;
    }
    if url.path().contains("//") {
        reader.log.error(node.place, format!("`{shown}` has an empty segment"), "write single slashes");
        return None;
    }
    Some(url)
}

fn health_check(reader: &mut Reader, node: &Node) -> Option<String> {
    let scalar = reader.scalar(node)?;
    let legal = scalar.text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'#');
    if scalar.text.starts_with('/') && !scalar.text.starts_with("//") && legal {
        return Some(scalar.text.clone());
    }
    let message = format!("`{}` is no path to ask", scalar.shown());
    reader.log.error(
        node.place,
        message,
        "write a path that answers 2xx while the upstream is healthy, like `/healthz`",
    );
    None
}
