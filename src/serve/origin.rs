//! Where a request came from, as the upstream is told. What the client says about it counts from trusted proxies only.

use std::borrow::Cow;

use http::header::HOST;
use http::{HeaderName, HeaderValue, Version};
use pingora_http::RequestHeader;

use super::connection::Connection;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The values of the fields that tell it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Origin<'a> {
    pub(super) forwarded_for: Cow<'a, [u8]>,
    pub(super) proto: &'static str,
    pub(super) host: Option<&'a [u8]>,
}

impl<'a> Origin<'a> {
    /// The origin of a request that came over this connection, from a proxy that is `trusted` or not.
    pub(super) fn of(received: &'a RequestHeader, connection: &'a Connection, trusted: bool) -> Self {
        let headers = &received.headers;
        let said = |name: &HeaderName| headers.get(name).filter(|_| trusted).map(HeaderValue::as_bytes);
        let peer = connection.peer_value().as_bytes();
        let forwarded_for = match said(&X_FORWARDED_FOR) {
            None => Cow::Borrowed(peer),
            Some(_) => {
                // Each proxy appends its peer, so what stands at the left was said by whoever stands further away.
                let further = headers.get_all(&X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
                let all: Vec<&[u8]> = further.map(|value| value.trim().as_bytes()).chain([peer]).collect();
                Cow::Owned(all.join(&b", "[..]))
            }
        };
        let proto = match said(&X_FORWARDED_PROTO) {
            Some(b"https") => "https",
            Some(b"http") => "http",
            _ if connection.is_tls() => "https",
            _ => "http",
        };
        let authority = || {
            let pseudo = received.uri.authority().filter(|_| received.version == Version::HTTP_2);
            match pseudo {
                Some(authority) => Some(authority.as_str().as_bytes()),
                None => headers.get(HOST).map(HeaderValue::as_bytes),
            }
        };
        Self { forwarded_for, proto, host: said(&X_FORWARDED_HOST).or_else(authority) }
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

    fn connection() -> Connection {
        Connection::new("192.0.2.1:4711".parse().unwrap(), 80, false)
    }

    #[test]
    fn nobody_else_says_where_a_request_came_from() {
        let spoofed = received(&[
            ("host", "api.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ]);
        let connection = connection();
        let origin = Origin::of(&spoofed, &connection, false);
        assert_eq!((&*origin.forwarded_for, origin.proto), (&b"192.0.2.1"[..], "http"));
        assert_eq!(origin.host.unwrap(), b"api.example");
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
        let connection = connection();
        let origin = Origin::of(&relayed, &connection, true);
        assert_eq!(&*origin.forwarded_for, b"203.0.113.9, 198.51.100.7, 192.0.2.1");
        assert_eq!((origin.proto, origin.host.unwrap()), ("https", &b"api.example"[..]));
        let odd = received(&[("host", "a"), ("x-forwarded-proto", "https, http")]);
        assert_eq!(Origin::of(&odd, &connection, true).proto, "http");
    }
}
