//! The request that the upstream gets: what was matched, without anything that only the gateway may say, and with what
//! it does say.

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONNECTION, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, TE, TRAILER, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::connection::Connection;
use super::exchange::Exchange;
use super::fields;
use super::identifier::{Identifier, RequestId};
use super::issuer::without_ours;
use crate::guard::{Permit, UpstreamTarget};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Fields that are the business of one connection (RFC 9110 §7.6.1), or that only the gateway says.
const NOT_PASSED_ON: [HeaderName; 9] =
    [CONNECTION, EXPECT, HTTP2_SETTINGS, KEEP_ALIVE, PROXY_AUTHENTICATE, PROXY_CONNECTION, TE, TRAILER, UPGRADE];

/// About how many fields the gateway adds.
const OURS: usize = 8;

/// Rewrites `upstream`, Pingora's copy of the request. It is a fresh copy at every try, so this is done at every try.
///
/// # Errors
///
/// `InternalError` without a permit, and when a header cannot be written.
pub(super) fn rewrite(session: &Session, exchange: &mut Exchange, upstream: &mut RequestHeader) -> Result<()> {
    let Some(permit) = &exchange.permit else {
        return Error::e_explain(ErrorType::InternalError, "a request reached an upstream without a permit");
    };
    let received = session.req_header();
    let trace = trace(&received.headers);
    fields::edit(upstream, |parts| {
        clean(&mut parts.headers, exchange, permit);
        // Once, and not at every other one of them.
        parts.headers.reserve(OURS);
        tidy_cookies(&mut parts.headers)?;
        write_ours(&mut parts.headers, received, exchange, permit, parts.version == Version::HTTP_2)?;
        if trace.is_none() {
            parts.headers.insert(TRACEPARENT, begun_trace(&exchange.request_id)?);
        }
        Ok(())
    })?;
    let target = match permit.target() {
        UpstreamTarget::AsReceived => received.raw_path(),
        UpstreamTarget::Rewritten(target) => target.as_bytes(),
    };
    // An HTTP/2 request has its host in the URI, too, where it would count before the upstream's.
    if upstream.uri.authority().is_some() || upstream.raw_path() != target {
        upstream.set_raw_path(target)?;
    }
    exchange.record.begins_trace = trace.is_none();
    exchange.record.trace_id = trace.map(str::to_owned);
    Ok(())
}

/// Removes every field whose name is not for the upstream, in any of its spellings.
fn clean(fields: &mut HeaderMap, exchange: &Exchange, permit: &Permit) {
    let gate = &exchange.snapshot.gate;
    let goes = |name: &HeaderName| match is_not_passed_on(name) {
        true => !(exchange.wants_tunnel && (name == UPGRADE || name == CONNECTION)),
        false => gate.strips(name) || name == AUTHORIZATION && !permit.keeps_credential(),
    };
    let gone: SmallVec<[HeaderName; 8]> = fields.keys().filter(|name| goes(name)).cloned().collect();
    for name in &gone {
        fields.remove(name);
    }
}

/// Whether a field ends here. Most names are told apart by how they begin.
fn is_not_passed_on(name: &HeaderName) -> bool {
    let first = name.as_str().bytes().next().unwrap_or_default();
    matches!(first, b'c' | b'e' | b'h' | b'k' | b'p' | b't' | b'u') && NOT_PASSED_ON.contains(name)
}

/// Writes what the gateway says: for whom, from where, on whose behalf.
fn write_ours(
    fields: &mut HeaderMap,
    received: &RequestHeader,
    exchange: &Exchange,
    permit: &Permit,
    is_http2: bool,
) -> Result<()> {
    let Some(destination) = &exchange.destination else {
        return Error::e_explain(ErrorType::InternalError, "a request goes to an upstream that nobody chose");
    };
    fields.insert(HOST, destination.clone());
    // `Connection: authorization` has taken it away by now, but it is the permit that says what goes on.
    if let Some(credential) = received.headers.get(AUTHORIZATION).filter(|_| permit.keeps_credential()) {
        fields.insert(AUTHORIZATION, credential.clone());
    }
    if let Some(credential) = &exchange.narrowed {
        fields.insert(AUTHORIZATION, credential.clone());
    }
    for (name, value) in permit.identity_headers(&exchange.snapshot.gate) {
        fields.insert(name, value);
    }
    if is_http2 && wants_trailers(&received.headers) {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    let via = if received.version == Version::HTTP_2 { "2 narrowgate" } else { "1.1 narrowgate" };
    fields.append(VIA, HeaderValue::from_static(via));
    if let Some(connection) = &exchange.connection {
        let trusted = exchange.snapshot.gate.trusts_proxy(connection.peer());
        Origin::of(received, connection, trusted)?.write(fields);
    }
    Ok(())
}

/// The trace that begins with a request, not sampled (W3C Trace Context §3.2).
fn begun_trace(request: &RequestId) -> Result<HeaderValue> {
    let mut text = BytesMut::with_capacity(55);
    for part in [&b"00-"[..], request.as_bytes(), b"-", Identifier::<8>::random().as_bytes(), b"-00"] {
        text.extend_from_slice(part);
    }
    value(text)
}

/// A value of ours, which has no character that a field may not have.
fn value(text: impl Into<Bytes>) -> Result<HeaderValue> {
    HeaderValue::from_maybe_shared(text.into()).or_err(ErrorType::InternalError, "writing a field of our own")
}

/// HTTP/2 clients send a cookie a field; elsewhere it must be one field (RFC 9113 §8.2.3). What our own issuer keeps in a
/// browser is no API's to see: where an API shares its host, the browser sends it there as well.
fn tidy_cookies(fields: &mut HeaderMap) -> Result<()> {
    let crumbs: SmallVec<[&[u8]; 4]> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let tidy = match crumbs[..] {
        [] => return Ok(()),
        [only] => without_ours(only),
        _ => {
            let joined = crumbs.join(&b"; "[..]);
            Some(without_ours(&joined).unwrap_or(joined))
        }
    };
    drop(crumbs);
    let Some(tidy) = tidy else { return Ok(()) };
    if tidy.is_empty() {
        fields.remove(COOKIE);
        return Ok(());
    }
    let mut tidy = value(tidy)?;
    tidy.set_sensitive(true);
    fields.insert(COOKIE, tidy);
    Ok(())
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// The trace that a caller began (W3C Trace Context §3.2), if it says so once and rightly.
fn trace(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    let text = fields.next()?.to_str().ok()?;
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.split('-');
    let (version, trace_id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let valid = hex(version, 2) && version != "ff" && hex(trace_id, 32) && hex(parent, 16) && hex(flags, 2);
    let zero = trace_id.bytes().all(|byte| byte == b'0') || parent.bytes().all(|byte| byte == b'0');
    (valid && !zero && fields.next().is_none()).then_some(trace_id)
}

/// Where a request came from, as the upstream is told. What the client says about it counts from trusted proxies only.
#[derive(Debug, Eq, PartialEq)]
struct Origin {
    forwarded_for: HeaderValue,
    proto: &'static str,
    host: Option<HeaderValue>,
}

impl Origin {
    fn of(received: &RequestHeader, connection: &Connection, trusted: bool) -> Result<Self> {
        let headers = &received.headers;
        let peer = connection.peer_value();
        let mut further = headers.get_all(&X_FORWARDED_FOR).iter().filter(|_| trusted).peekable();
        let forwarded_for = match further.peek() {
            None => peer.clone(),
            Some(_) => {
                // Each proxy appends its peer, so what stands at the left was said by whoever stands further away.
                let said = further.filter_map(|value| value.to_str().ok()).map(|value| value.trim().as_bytes());
                let all: Vec<&[u8]> = said.chain([peer.as_bytes()]).collect();
                value(all.join(&b", "[..]))?
            }
        };
        let said = headers.get(&X_FORWARDED_PROTO).filter(|_| trusted).map(HeaderValue::as_bytes);
        let proto = match said {
            Some(b"https") => "https",
            Some(b"http") => "http",
            _ if connection.is_tls() => "https",
            _ => "http",
        };
        let authority = || {
            let pseudo = received.uri.authority().filter(|_| received.version == Version::HTTP_2);
            match pseudo {
                Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
                None => headers.get(HOST).cloned(),
            }
        };
        let host = headers.get(&X_FORWARDED_HOST).filter(|_| trusted).cloned().or_else(authority);
        Ok(Self { forwarded_for, proto, host })
    }

    fn write(self, fields: &mut HeaderMap) {
        fields.insert(X_FORWARDED_FOR, self.forwarded_for);
        fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
        if let Some(host) = self.host {
            fields.insert(X_FORWARDED_HOST, host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(fields: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut header = RequestHeader::build("GET", b"/a", None).unwrap();
        for (name, value) in fields {
            header.append_header(*name, *value).unwrap();
        }
        header
    }

    fn origin(fields: &[(&'static str, &'static str)], trusted: bool) -> Origin {
        let connection = Connection::new("192.0.2.1:4711".parse().unwrap(), 80, false);
        Origin::of(&received(fields), &connection, trusted).unwrap()
    }

    #[test]
    fn nobody_else_says_where_a_request_came_from() {
        let spoofed = [
            ("host", "api.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ];
        let origin = origin(&spoofed, false);
        assert_eq!((origin.forwarded_for.as_bytes(), origin.proto), (&b"192.0.2.1"[..], "http"));
        assert_eq!(origin.host.unwrap(), "api.example");
    }

    #[test]
    fn a_trusted_proxy_is_appended_to() {
        let relayed = [
            ("host", "inner.example"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "api.example"),
        ];
        let relayed = origin(&relayed, true);
        assert_eq!(relayed.forwarded_for, "203.0.113.9, 198.51.100.7, 192.0.2.1");
        assert_eq!((relayed.proto, relayed.host.unwrap()), ("https", HeaderValue::from_static("api.example")));
        assert_eq!(origin(&[("host", "a"), ("x-forwarded-proto", "https, http")], true).proto, "http");
    }

    #[test]
    fn a_trace_is_honoured_when_it_is_one() {
        let trace_of = |fields: &[(&'static str, &'static str)]| trace(&received(fields).headers).map(str::to_owned);
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_of(&[("traceparent", valid)]).unwrap(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace_of(&[("traceparent", valid), ("traceparent", valid)]), None);
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_of(&[("traceparent", text)]), None, "{text}");
        }
    }

    #[test]
    fn cookies_become_one_field() {
        let mut header = received(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]).headers.clone();
        tidy_cookies(&mut header).unwrap();
        let cookies: Vec<_> = header.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
        assert!(cookies[0].is_sensitive());
    }

    #[test]
    fn cookies_of_our_issuer_are_no_apis_to_see() {
        let apart = [("cookie", "a=1; __Host-narrowgate-session=s"), ("cookie", "narrowgate-browser=b")];
        let mut header = received(&apart).headers.clone();
        tidy_cookies(&mut header).unwrap();
        assert_eq!(header.get(COOKIE).unwrap(), "a=1");
        let mut header = received(&[("cookie", "__Host-narrowgate-session=s")]).headers.clone();
        tidy_cookies(&mut header).unwrap();
        assert!(header.get(COOKIE).is_none());
    }

    #[test]
    fn what_ends_here_is_told_by_its_whole_name() {
        assert!(NOT_PASSED_ON.iter().all(is_not_passed_on));
        for name in ["host", "content-type", "cookie", "user-agent", "te-x", "accept"] {
            assert!(!is_not_passed_on(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn only_trailers_are_wanted_of_te() {
        assert!(wants_trailers(&received(&[("te", "gzip, Trailers")]).headers));
        assert!(!wants_trailers(&received(&[("te", "gzip")]).headers));
        assert!(!wants_trailers(&received(&[]).headers));
    }
}
