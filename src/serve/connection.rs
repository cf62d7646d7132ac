//! What the two sides of a connection tell each other: the stream below Pingora, and our hooks above it.
//!
//! Pingora hands a [`Connection`] from one to the other inside the digest of the connection, in the place meant for
//! what a `CONNECT` proxy said; nothing else of a stream is visible from a hook.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use pingora_core::protocols::Digest;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_http::ResponseHeader;

use super::tls::Shown;
use crate::route::Authority;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Stage {
    /// Nothing of a request has arrived yet, or nothing since the last one ended.
    Waiting,
    /// A header section is arriving; Pingora has it, our hooks have not seen it.
    Head,
    /// A request is under way; its time is kept by Pingora and by our hooks.
    Exchange,
    /// HTTP/2: several requests at once, and Pingora alone knows which.
    Multiplexed,
}

/// One connection of a client.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    /// The address at the other end, as a field shows it.
    peer_value: OnceLock<HeaderValue>,
    own_port: u16,
    tls: bool,
    redirects_to: Option<u16>,
    shown: OnceLock<Shown>,
    stage: AtomicU8,
    odd_request_line: AtomicBool,
    unread_body: AtomicBool,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(peer: SocketAddr, own_port: u16, tls: bool) -> Self {
        Self {
            peer,
            peer_value: OnceLock::new(),
            own_port,
            tls,
            redirects_to: None,
            shown: OnceLock::new(),
            stage: AtomicU8::new(Stage::Waiting as u8),
            odd_request_line: AtomicBool::new(false),
            unread_body: AtomicBool::new(false),
        }
    }

    /// The same connection, to a listener that serves nothing but sends requests to this port.
    pub(super) fn redirected_to(self, https_port: Option<u16>) -> Self {
        Self { redirects_to: https_port, ..self }
    }

    /// The address at the other end.
    pub fn peer(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// The address at the other end, as a field shows it.
    pub(super) fn peer_value(&self) -> &HeaderValue {
        self.peer_value.get_or_init(|| {
            let text = self.peer().to_string();
            HeaderValue::try_from(text).expect("addresses are written in ASCII")
        })
    }

    /// The port that the listener was told to use.
    pub fn own_port(&self) -> u16 {
        self.own_port
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The port where requests are sent instead of being served, if they are.
    pub(super) fn redirects_to(&self) -> Option<u16> {
        self.redirects_to
    }

    /// The handshake is over, and the client was shown this.
    pub(super) fn was_shown(&self, shown: Shown) {
        // There is one handshake a connection.
        let _ = self.shown.set(shown);
    }

    /// Whether a request for this authority may come by this connection: over TLS, one that the certificate which the
    /// client was shown stands for here (RFC 9110 §7.4).
    pub(super) fn is_for(&self, authority: &Authority<'_>) -> bool {
        match self.shown.get() {
            Some(shown) => shown.fits(authority),
            None => !self.tls,
        }
    }

    /// Where the connection stands.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Waiting,
            1 => Stage::Head,
            2 => Stage::Exchange,
            _ => Stage::Multiplexed,
        }
    }

    /// Bytes arrived while nothing was under way.
    pub(super) fn head_begins(&self) {
        self.step(Stage::Waiting, Stage::Head);
    }

    /// The request line is not the one that Pingora will show: it repairs what it cannot parse.
    pub(super) fn request_line_is_odd(&self) {
        self.odd_request_line.store(true, Ordering::Release);
    }

    /// The connection speaks HTTP/2.
    pub(super) fn is_multiplexed(&self) {
        self.stage.store(Stage::Multiplexed as u8, Ordering::Release);
    }

    /// The first hook has the request. Says whether its request line was repaired on the way.
    pub(super) fn head_arrived(&self) -> bool {
        if !self.step(Stage::Head, Stage::Exchange) {
            self.step(Stage::Waiting, Stage::Exchange);
        }
        self.odd_request_line.swap(false, Ordering::AcqRel)
    }

    /// The request is over.
    pub(super) fn exchange_ends(&self) {
        self.step(Stage::Exchange, Stage::Waiting);
    }

    /// An answer goes out while the request's body has not been read: whoever closes the connection at once would
    /// take the answer back (RFC 9112 §9.6).
    pub(super) fn leaves_body_unread(&self) {
        self.unread_body.store(true, Ordering::Release);
    }

    /// Whether a body was left unread.
    pub(super) fn has_unread_body(&self) -> bool {
        self.unread_body.load(Ordering::Acquire)
    }

    /// The connection in a form that Pingora carries to the hooks.
    pub(super) fn as_digest(self: &Arc<Self>) -> Arc<ProxyDigest> {
        let header = ResponseHeader::build(200, Some(0)).expect("200 is a status");
        Arc::new(ProxyDigest::new(Box::new(header), Some(Box::new(Arc::clone(self)))))
    }

    /// The connection that a hook's session belongs to.
    pub(super) fn of(digest: Option<&Digest>) -> Option<Arc<Self>> {
        digest?.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Self>>().cloned()
    }

    fn step(&self, from: Stage, to: Stage) -> bool {
        self.stage.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Arc<Connection> {
        Arc::new(Connection::new("192.0.2.1:4711".parse().unwrap(), 8443, true))
    }

    #[test]
    fn goes_round_once_a_request() {
        let connection = connection();
        assert_eq!(connection.stage(), Stage::Waiting);
        connection.head_begins();
        assert_eq!(connection.stage(), Stage::Head);
        assert!(!connection.head_arrived());
        assert_eq!(connection.stage(), Stage::Exchange);
        connection.head_begins();
        assert_eq!(connection.stage(), Stage::Exchange, "bytes of a body begin no head");
        connection.exchange_ends();
        assert_eq!(connection.stage(), Stage::Waiting);
    }

    #[test]
    fn an_odd_request_line_is_told_once() {
        let connection = connection();
        connection.head_begins();
        connection.request_line_is_odd();
        assert!(connection.head_arrived());
        connection.exchange_ends();
        connection.head_begins();
        assert!(!connection.head_arrived());
    }

    #[test]
    fn a_handshake_that_showed_nothing_is_for_no_host() {
        let authority = Authority::parse("api.example").unwrap();
        assert!(!connection().is_for(&authority));
        assert!(Connection::new("192.0.2.1:4711".parse().unwrap(), 8080, false).is_for(&authority));
    }

    #[test]
    fn http2_stays_multiplexed() {
        let connection = connection();
        connection.is_multiplexed();
        connection.head_begins();
        connection.head_arrived();
        connection.exchange_ends();
        assert_eq!(connection.stage(), Stage::Multiplexed);
    }

    #[test]
    fn reaches_the_hooks_through_the_digest() {
        let connection = connection();
        let digest = Digest { proxy_digest: Some(connection.as_digest()), ..Digest::default() };
        let found = Connection::of(Some(&digest)).unwrap();
        assert!(Arc::ptr_eq(&found, &connection));
        assert!(Connection::of(Some(&Digest::default())).is_none());
    }
}
