//! Pingora's phases, in their order; each hands over to the room that knows it.
//!
//! No request reaches an upstream but through `upstream_peer`, which takes the upstream from the permit (P2).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora_error::{Error, ErrorSource, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use super::exchange::{Begun, Exchange, UnderWay};
use super::failure::{self, BODY_TOO_LARGE};
use super::issuer::Endpoints;
use super::narrowing::NarrowedTokens;
use super::relay::Relay;
use super::websocket::UpgradeConnector;
use super::{forward, request, response, retry};
use crate::snapshot::Current;
use crate::telemetry::Metrics;
use crate::token::TokenCache;

/// How often a request is tried at most, each time at another address.
pub(super) const ATTEMPTS: usize = 3;
/// What sets the connections for tunnels apart in the pool.
const TUNNEL_GROUP: u64 = 0x7475_6e6e_656c;

/// What the sockets share: the configuration in force, the tokens that were verified, and the counters.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// The configuration that new requests get.
    pub current: Arc<Current>,
    /// Tokens that were verified before.
    pub tokens: Arc<TokenCache>,
    /// Tokens that were minted for upstreams before.
    pub narrowed: Arc<NarrowedTokens>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The proxy, as Pingora calls it.
pub(super) struct Proxy {
    gateway: Gateway,
    endpoints: Endpoints,
    relay: Relay,
    under_way: UnderWay,
}

impl Proxy {
    pub(super) fn new(gateway: Gateway, under_way: UnderWay, relay: Relay) -> Self {
        Self { endpoints: Endpoints::new(gateway.clone()), gateway, relay, under_way }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proxy")
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    // Pingora hands it on by value from phase to phase.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Box<Exchange> {
        let Gateway { current, metrics, .. } = &self.gateway;
        Box::new(Exchange::begin(current.load(), Arc::clone(metrics), self.under_way.clone()))
    }

    /// None: what they would do to an answer, nobody asked for.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, exchange: &mut Box<Exchange>) -> Result<bool> {
        // Whatever fails before a request is permitted fails because the client left.
        let answered = match request::take_over(session, exchange, &self.gateway.current) {
            Some(denial) => request::refuse(session, exchange, &denial).await.map(|()| true),
            None => request::decide(session, exchange, &self.gateway, &self.endpoints).await,
        };
        match answered.map_err(Error::into_down)? {
            true => Ok(true),
            false if self.relay.relay(session, exchange).await? => Ok(true),
            false => forward::prepare(session).map(|()| false),
        }
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Box<Exchange>) -> Result<Box<HttpPeer>> {
        let Begun { pool, attempt, .. } = exchange.begin_attempt()?;
        let mut peer = pool.peer(&attempt);
        if exchange.wants_tunnel {
            peer.options.custom_l4 = Some(Arc::new(UpgradeConnector));
            peer.options.read_timeout = Some(exchange.snapshot.config.limits.tunnel_age);
            peer.group_key ^= TUNNEL_GROUP;
        } else {
            peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        }
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Box<Exchange>,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some(pool) = exchange.pool().cloned() {
            retry::after_no_connection(exchange, &pool, &mut error);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        forward::rewrite(session, exchange, upstream)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        if session.was_upgraded() {
            return Ok(());
        }
        exchange.body_bytes += body.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let limit = exchange.permit.as_ref().map(|permit| permit.resource().0);
        let limit = limit.map_or(0, |resource| exchange.snapshot.config.resources[resource].body_bytes);
        if exchange.body_bytes > limit {
            return Err(Error::create(BODY_TOO_LARGE, ErrorSource::Downstream, None, None));
        }
        // Pingora 0.9.1 writes the end of a chunked body twice when it comes with an empty piece (its issue #935), and
        // the upstream reads the second one as the beginning of the next request.
        if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        header: &mut ResponseHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        response::arrived(exchange, header);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        header: &mut ResponseHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        response::clean(session, exchange, header)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Box<Exchange>,
        client_reused: bool,
    ) -> Box<Error> {
        match exchange.pool().cloned() {
            Some(pool) => retry::after_break(session, exchange, &pool, &mut error, client_reused),
            None => error.set_retry(false),
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Box<Exchange>) -> FailToProxy {
        failure::tell(session, exchange, error).await
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, exchange: &mut Box<Exchange>) {
        exchange.record.status = session.response_written().map(|header| header.status.as_u16());
        exchange.record.bytes_in = session.body_bytes_read() as u64;
        exchange.record.bytes_out = session.body_bytes_sent() as u64;
        exchange.write_down();
    }

    /// What Pingora would say in its own log lines: never a target, which may hold a secret in its query.
    fn request_summary(&self, _: &Session, exchange: &Box<Exchange>) -> String {
        exchange.request_id.to_string()
    }

    fn suppress_error_log(&self, _: &Session, _: &Box<Exchange>, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Box<Exchange>, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}
