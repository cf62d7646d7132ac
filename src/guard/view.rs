//! One request as the guard sees it: borrowed values, from whichever server read them.

use std::net::IpAddr;

use http::{HeaderMap, Method};

/// A request to be decided.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as it was received: of the request line, or `:path`.
    pub target: &'a [u8],
    /// `:authority` of HTTP/2; HTTP/1.1 says it in `Host` instead.
    pub uri_authority: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// What is known of the connection.
    pub connection: ConnectionFacts,
    /// Whether the request has waited for keys already.
    pub keys_awaited: bool,
}

/// What is known of the connection that a request came in by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionFacts {
    /// Who is at the other end.
    pub peer: IpAddr,
    /// The listener's port.
    pub own_port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
}
