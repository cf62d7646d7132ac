//! The request that the upstream gets: what was matched, without anything that only the gateway may say, and with what
//! it does say.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE, EXPECT, HOST, TE, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::exchange::Exchange;
use super::identifier::random_hex;
use super::issuer::without_ours;
use crate::guard::UpstreamTarget;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Fields that are the business of one connection (RFC 9110 §7.6.1). Pingora removes them too, from HTTP/1 requests.
const HOP_BY_HOP: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "trailer", "http2-settings"];

/// Rewrites `upstream`, Pingora's copy of the request. It is a fresh copy at every try, so this is done at every try.
///
/// # Errors
///
/// `InternalError` without a permit, and when a header cannot be written.
pub(super) fn rewrite(session: &Session, exchange: &mut Exchange, upstream: &mut RequestHeader) -> Result<()> {
    let (Some(permit), Some(destination)) = (&exchange.permit, &exchange.destination) else {
        return Error::e_explain(ErrorType::InternalError, "a request reached an upstream without a permit");
    };
    let received = session.req_header();
    let gate = &exchange.snapshot.gate;
    let takes_trailers = upstream.version == Version::HTTP_2 && wants_trailers(&received.headers);
    clean(upstream, |name| {
        let keeps_tunnel = exchange.wants_tunnel && (name == UPGRADE || name == http::header::CONNECTION);
        let ours = gate.strips(name) || name == EXPECT || name == TE || name == UPGRADE;
        let credential = name == AUTHORIZATION && !permit.keeps_credential();
        !keeps_tunnel && (ours || credential || HOP_BY_HOP.contains(&name.as_str()))
    });
    let target = match permit.target() {
        UpstreamTarget::AsReceived => received.raw_path(),
        UpstreamTarget::Rewritten(target) => target.as_bytes(),
    };
    upstream.set_raw_path(target)?;
    tidy_cookies(upstream)?;
    upstream.insert_header(HOST, destination)?;
    // `Connection: authorization` has taken it away by now, but it is the permit that says what goes on.
    if let Some(credential) = received.headers.get(AUTHORIZATION).filter(|_| permit.keeps_credential()) {
        upstream.insert_header(AUTHORIZATION, credential)?;
    }
    if let Some(credential) = &exchange.narrowed {
        upstream.insert_header(AUTHORIZATION, credential)?;
    }
    for (name, value) in permit.identity_headers(gate) {
        upstream.insert_header(name, value)?;
    }
    if takes_trailers {
        upstream.insert_header(TE, "trailers")?;
    }
    let via = if received.version == Version::HTTP_2 { "2 narrowgate" } else { "1.1 narrowgate" };
    upstream.append_header(VIA, via)?;
    if let Some(connection) = &exchange.connection {
        let trusted = gate.trusts_proxy(connection.peer());
        let origin = Origin::of(received, connection.peer(), connection.is_tls(), trusted);
        origin.write(upstream)?;
    }
    let trace = trace(&received.headers);
    exchange.record.trace_id = Some(match trace {
        Some(trace) => trace.to_owned(),
        None => {
            let parent = format!("00-{}-{}-00", exchange.request_id, random_hex::<8>());
            upstream.insert_header(TRACEPARENT, parent)?;
            exchange.request_id.clone()
        }
    });
    Ok(())
}

/// Removes every field whose name is not for the upstream, in any of its spellings.
fn clean(upstream: &mut RequestHeader, removes: impl Fn(&HeaderName) -> bool) {
    let removed: SmallVec<[HeaderName; 8]> = upstream.headers.keys().filter(|name| removes(name)).cloned().collect();
    for name in &removed {
        upstream.remove_header(name);
    }
}

/// HTTP/2 clients send a cookie a field; elsewhere it must be one field (RFC 9113 §8.2.3). What our own issuer keeps in a
/// browser is no API's to see: where an API shares its host, the browser sends it there as well.
fn tidy_cookies(upstream: &mut RequestHeader) -> Result<()> {
    let crumbs: SmallVec<[&[u8]; 4]> = upstream.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
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
        upstream.remove_header(&COOKIE);
        return Ok(());
    }
    let tidy = HeaderValue::from_bytes(&tidy);
    let mut tidy = tidy.or_err(ErrorType::InternalError, "writing the cookies that are an API's")?;
    tidy.set_sensitive(true);
    upstream.insert_header(COOKIE, tidy)
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
    forwarded_for: String,
    proto: &'static str,
    host: Option<HeaderValue>,
}

impl Origin {
    fn of(received: &RequestHeader, peer: IpAddr, tls: bool, trusted: bool) -> Self {
        let headers = &received.headers;
        let mut forwarded_for = String::new();
        if trusted {
            // Each proxy appends its peer, so what stands at the left was said by whoever stands further away.
            for value in headers.get_all(&X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()) {
                forwarded_for.push_str(value.trim());
                forwarded_for.push_str(", ");
            }
        }
        forwarded_for.push_str(&peer.to_string());
        let said = headers.get(&X_FORWARDED_PROTO).filter(|_| trusted).map(HeaderValue::as_bytes);
        let proto = match said {
            Some(b"https") => "https",
            Some(b"http") => "http",
            _ if tls => "https",
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
        Self { forwarded_for, proto, host }
    }

    fn write(self, upstream: &mut RequestHeader) -> Result<()> {
        upstream.insert_header(X_FORWARDED_FOR, self.forwarded_for)?;
        upstream.insert_header(X_FORWARDED_PROTO, self.proto)?;
        if let Some(host) = self.host {
            upstream.insert_header(X_FORWARDED_HOST, host)?;
        }
        Ok(())
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

    fn peer() -> IpAddr {
        [192, 0, 2, 1].into()
    }

    #[test]
    fn nobody_else_says_where_a_request_came_from() {
        let spoofed = received(&[
            ("host", "api.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ]);
        let origin = Origin::of(&spoofed, peer(), false, false);
        assert_eq!((origin.forwarded_for.as_str(), origin.proto), ("192.0.2.1", "http"));
        assert_eq!(origin.host.unwrap(), "api.example");
    }

    #[test]
    fn a_trusted_proxy_is_appended_to() {
        let relayed = received(&[
            ("host", "inner.example"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "api.example"),
        ]);
        let origin = Origin::of(&relayed, peer(), false, true);
        assert_eq!(origin.forwarded_for, "203.0.113.9, 198.51.100.7, 192.0.2.1");
        assert_eq!((origin.proto, origin.host.unwrap()), ("https", HeaderValue::from_static("api.example")));
        let odd = received(&[("host", "a"), ("x-forwarded-proto", "https, http")]);
        assert_eq!(Origin::of(&odd, peer(), false, true).proto, "http");
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
        let mut header = received(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        tidy_cookies(&mut header).unwrap();
        let cookies: Vec<_> = header.headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
        assert!(cookies[0].is_sensitive());
    }

    #[test]
    fn cookies_of_our_issuer_are_no_apis_to_see() {
        let mut header =
            received(&[("cookie", "a=1; __Host-narrowgate-session=s"), ("cookie", "narrowgate-browser=b")]);
        tidy_cookies(&mut header).unwrap();
        assert_eq!(header.headers.get(COOKIE).unwrap(), "a=1");
        let mut header = received(&[("cookie", "__Host-narrowgate-session=s")]);
        tidy_cookies(&mut header).unwrap();
        assert!(header.headers.get(COOKIE).is_none());
    }

    #[test]
    fn only_trailers_are_wanted_of_te() {
        assert!(wants_trailers(&received(&[("te", "gzip, Trailers")]).headers));
        assert!(!wants_trailers(&received(&[("te", "gzip")]).headers));
        assert!(!wants_trailers(&received(&[]).headers));
    }
}
