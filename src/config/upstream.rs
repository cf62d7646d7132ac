//! `upstream` of a resource: where its requests go.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use url::Url;

use super::fault::Place;
use super::limits::{MAX_CONNECT, MAX_READ};
use super::model::{Ejection, HealthCheck, Limits, Retry, Upstream, UpstreamProtocol, UpstreamTls};
use super::read::{Reader, Section};
use super::tls;
use super::yaml::{Kind, Node};

const MILLISECOND: Duration = Duration::from_millis(1);
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);
const MAX_IDLE: Duration = Duration::from_secs(3600);
/// More often nobody needs to ask, or to try an address that failed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
const MAX_CHECK_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_IN_A_ROW: u64 = 1000;
/// Five requests in a row are no accident; five seconds later the server may be back.
const EJECTION: Ejection = Ejection { after: 5, hold: Duration::from_secs(5) };

/// Reads `upstream`: a URL, a list of them, or `{ url | urls, … }`.
pub(super) fn upstream(reader: &mut Reader, node: &Node, limits: &Limits) -> Option<Upstream> {
    let simple = |urls| Upstream {
        urls,
        protocol: UpstreamProtocol::Http1,
        health_check: None,
        eject: Some(EJECTION),
        retry: Retry::Idempotent,
        tls: None,
        connect_timeout: limits.connect_timeout,
        read_timeout: limits.read_timeout,
        idle_timeout: IDLE,
    };
    if !matches!(node.kind, Kind::Mapping(_)) {
        let urls = urls(reader, node)?;
        check_hosts(reader, node.place, &urls);
        return Some(simple(urls));
    }
    let mut section = reader.section(node, "`upstream`")?;
    let urls = named_urls(reader, &mut section);
    let protocol = section.optional(reader, "protocol", |reader, node| {
        let words = [("http1", UpstreamProtocol::Http1), ("http2", UpstreamProtocol::Http2)];
        reader.choice(node, "protocol", &words)
    });
    let health_check = section.optional(reader, "health_check", health_check);
    let eject = section.optional(reader, "eject", eject);
    let retry = section.optional(reader, "retry", |reader, node| {
        let words = [("idempotent", Retry::Idempotent), ("never", Retry::Never)];
        reader.choice(node, "kind of request that is sent again", &words)
    });
    let tls = section.optional(reader, "tls", |reader, node| upstream_tls(reader, node, urls.as_deref()));
    let connect_timeout = time(reader, &mut section, "connect_timeout", MAX_CONNECT);
    let read_timeout = time(reader, &mut section, "read_timeout", MAX_READ);
    let idle_timeout = time(reader, &mut section, "idle_timeout", MAX_IDLE);
    section.finish(reader);
    let usual = simple(urls?);
    if tls.as_ref().is_none_or(|tls| tls.server_name.is_none()) {
        check_hosts(reader, node.owner, &usual.urls);
    }
    Some(Upstream {
        protocol: protocol.unwrap_or(usual.protocol),
        health_check,
        eject: eject.unwrap_or(usual.eject),
        retry: retry.unwrap_or(usual.retry),
        tls,
        connect_timeout: connect_timeout.unwrap_or(usual.connect_timeout),
        read_timeout: read_timeout.unwrap_or(usual.read_timeout),
        idle_timeout: idle_timeout.unwrap_or(usual.idle_timeout),
        urls: usual.urls,
    })
}

fn time(reader: &mut Reader, section: &mut Section<'_>, key: &'static str, most: Duration) -> Option<Duration> {
    section.optional(reader, key, |reader, node| reader.duration(node, MILLISECOND..=most))
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

/// A path, or `{ path, … }`.
fn health_check(reader: &mut Reader, node: &Node) -> Option<HealthCheck> {
    let usual = |path| HealthCheck {
        path,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(3),
        healthy_after: 1,
        unhealthy_after: 2,
        statuses: Vec::new(),
    };
    if !matches!(node.kind, Kind::Mapping(_)) {
        return checked_path(reader, node).map(usual);
    }
    let mut section = reader.section(node, "`health_check`")?;
    let path = section.required(reader, "path", "write `path: /healthz`", checked_path);
    let interval =
        section.optional(reader, "interval", |reader, node| reader.duration(node, SHORTEST_PAUSE..=LONGEST_PAUSE));
    let timeout =
        section.optional(reader, "timeout", |reader, node| reader.duration(node, MILLISECOND..=MAX_CHECK_TIMEOUT));
    let healthy_after = section.optional(reader, "healthy_after", in_a_row);
    let unhealthy_after = section.optional(reader, "unhealthy_after", in_a_row);
    let statuses = section.optional(reader, "status", statuses);
    section.finish(reader);
    let usual = usual(path?);
    Some(HealthCheck {
        interval: interval.unwrap_or(usual.interval),
        timeout: timeout.unwrap_or(usual.timeout),
        healthy_after: healthy_after.unwrap_or(usual.healthy_after),
        unhealthy_after: unhealthy_after.unwrap_or(usual.unhealthy_after),
        statuses: statuses.unwrap_or_default(),
        path: usual.path,
    })
}

fn checked_path(reader: &mut Reader, node: &Node) -> Option<String> {
    let scalar = reader.scalar(node)?;
    let legal = scalar.text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'#')
        && PathAndQuery::try_from(scalar.text.as_str()).is_ok();
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

fn in_a_row(reader: &mut Reader, node: &Node) -> Option<u32> {
    reader.integer(node, 1..=MAX_IN_A_ROW).and_then(|count| u32::try_from(count).ok())
}

fn statuses(reader: &mut Reader, node: &Node) -> Option<Vec<u16>> {
    let before = reader.log.errors();
    let mut seen = Vec::new();
    let statuses = reader.one_or_many(node, |reader, item| {
        let status = u16::try_from(reader.integer(item, 200..=599)?).ok()?;
        if seen.contains(&status) {
            reader.repeated(item);
        }
        seen.push(status);
        Some(status)
    })?;
    if statuses.is_empty() && reader.log.errors() == before {
        let hint = "name the statuses of a good answer, or leave the key out for every 2xx";
        reader.log.error(node.owner, "`status` is an empty list", hint);
    }
    Some(statuses)
}

/// `never`, or `{ after, for }`.
fn eject(reader: &mut Reader, node: &Node) -> Option<Option<Ejection>> {
    if !matches!(node.kind, Kind::Mapping(_)) {
        let scalar = reader.scalar(node)?;
        if scalar.text == "never" {
            return Some(None);
        }
        let message = format!("`{}` is no way to eject", scalar.shown());
        reader.log.error(node.place, message, "write `never`, or `{ after: 5, for: 5s }`");
        return None;
    }
    let mut section = reader.section(node, "`eject`")?;
    let after = section.optional(reader, "after", in_a_row);
    let hold = section.optional(reader, "for", |reader, node| reader.duration(node, SHORTEST_PAUSE..=LONGEST_PAUSE));
    section.finish(reader);
    Some(Some(Ejection { after: after.unwrap_or(EJECTION.after), hold: hold.unwrap_or(EJECTION.hold) }))
}

/// `{ ca, server_name, cert, key }`; has no meaning where nothing is proven.
fn upstream_tls(reader: &mut Reader, node: &Node, urls: Option<&[Url]>) -> Option<UpstreamTls> {
    let mut section = reader.section(node, "`tls`")?;
    if urls.is_some_and(|urls| urls.iter().any(|url| url.scheme() != "https")) {
        let hint = "write `https` in every URL of this upstream, or take `tls` out";
        reader.log.error(node.owner, "`tls` stands beside an `http` URL, towards which nothing is proven", hint);
    }
    let ca = section.optional(reader, "ca", pinned);
    let server_name = section.optional(reader, "server_name", server_name);
    let shows_certificate = section.get("cert").is_some() | section.get("key").is_some();
    let certificate = if shows_certificate {
        Some(tls::key_pair(reader, &mut section).map(|(certificate, _)| certificate))
    } else {
        None
    };
    section.finish(reader);
    Some(UpstreamTls {
        ca,
        server_name,
        certificate: match certificate {
            Some(certificate) => Some(certificate?),
            None => None,
        },
    })
}

/// Certificates that can be roots; at least one, because none would mean the platform's.
fn pinned(reader: &mut Reader, node: &Node) -> Option<Arc<[u8]>> {
    let before = reader.log.errors();
    let pem = tls::authorities(reader, node)?;
    if reader.log.errors() > before {
        return None;
    }
    let mut store = RootCertStore::empty();
    let mut certificates = CertificateDer::pem_slice_iter(&pem);
    let usable = certificates.all(|certificate| certificate.is_ok_and(|certificate| store.add(certificate).is_ok()));
    if !usable || store.is_empty() {
        let hint = "name PEM files of the authorities that sign the server's certificate";
        reader.log.error(node.place, "no server can be proven by what stands here", hint);
        return None;
    }
    Some(pem.into())
}

fn server_name(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    match ServerName::try_from(text.as_str()) {
        Ok(_) => {
            check_name(reader, node.place, &text);
            Some(text)
        }
        Err(_) => {
            let message = format!("`{}` is no name that a certificate could prove", reader.scalar(node)?.shown());
            reader.log.error(node.place, message, "write one DNS name, or one IP address, without scheme and port");
            None
        }
    }
}

fn check_hosts(reader: &mut Reader, place: Place, urls: &[Url]) {
    for host in urls.iter().filter(|url| url.scheme() == "https").filter_map(Url::host_str) {
        check_name(reader, place, host);
    }
}

/// Pingora reads `_` in the first label of a name as `-`, and would take the proof of that other name.
fn check_name(reader: &mut Reader, place: Place, name: &str) {
    if name.split_once('.').is_some_and(|(first, rest)| first.contains('_') && rest.contains('.')) {
        let message = "a `_` in the first label of a server's name cannot be proven";
        let hint = "use a name without it, or say by `tls: { server_name: … }` which one the certificate is for";
        reader.log.error(place, message, hint);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, Source};

    fn upstreams() -> Vec<Upstream> {
        let path = Path::new("tests/fixtures/config/good/upstreams.yaml");
        let reading = Source::new(path, Environment::of_process()).read();
        assert!(
            reading.files.paths().any(|file| file.ends_with("site.key")),
            "a reload looks at it: {:?}",
            reading.files
        );
        let loaded = reading.loaded.unwrap_or_else(|faults| panic!("{faults}"));
        loaded.config.resources.into_iter().map(|resource| resource.upstream).collect()
    }

    #[test]
    fn every_key_is_read() {
        let upstream = upstreams().remove(0);
        let check = HealthCheck {
            path: "/healthz?deep=1".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_millis(500),
            healthy_after: 2,
            unhealthy_after: 3,
            statuses: vec![200, 204],
        };
        assert_eq!(upstream.health_check, Some(check));
        assert_eq!(upstream.eject, Some(Ejection { after: 3, hold: Duration::from_secs(10) }));
        assert_eq!((upstream.protocol, upstream.retry), (UpstreamProtocol::Http2, Retry::Never));
        assert_eq!(upstream.idle_timeout, Duration::from_secs(4));
        let tls = upstream.tls.unwrap();
        assert_eq!(tls.server_name.as_deref(), Some("api.internal"));
        assert!(tls.ca.is_some() && tls.certificate.is_some());
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let [_, never, some, ..] = <[Upstream; 5]>::try_from(upstreams()).unwrap();
        assert_eq!((never.eject, never.retry, never.idle_timeout), (None, Retry::Idempotent, IDLE));
        assert_eq!(never.health_check.unwrap().interval, Duration::from_secs(5));
        assert_eq!(some.eject, Some(Ejection { after: 5, hold: Duration::from_secs(60) }));
        assert!(some.tls.is_some_and(|tls| tls.certificate.is_none() && tls.server_name.is_none()));
    }
}
