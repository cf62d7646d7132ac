//! The short way to an upstream, which most requests go: without a body, to an HTTP/1 server, over a connection that waits.
//!
//! Pingora runs the two sides of an exchange as two futures with channels between them, because a body may come while an
//! answer goes. Without a body there is nothing to come but the client's end, so here one future reads the answer and
//! writes it, with Pingora's own reader and writer of messages; that halves what forwarding costs. Whatever is out of the
//! ordinary (bodies, tunnels, further tries, fields that `Connection` names, HTTP/2 upstreams) goes Pingora's way.

use std::time::Instant;

use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Version};
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_error::{Error, Result};
use pingora_proxy::Session;

use super::exchange::Exchange;
use super::{forward, response, retry};
use crate::config::UpstreamProtocol;
use crate::upstream::{Attempt, UpstreamPool};

/// Makes connections where none waits.
pub(super) struct Relay(TransportConnector);

impl Relay {
    /// Connects as Pingora itself would; it keeps nothing.
    pub(super) fn new(options: ConnectorOptions) -> Self {
        Self(TransportConnector::new(Some(options)))
    }

    /// Relays a request that is permitted, if it can go the short way; false when Pingora shall forward it: because it cannot, or
    /// because it may be tried once more after all.
    ///
    /// # Errors
    ///
    /// What Pingora's own way ends with, after what may be done about it was done.
    pub(super) async fn relay(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if !is_short(session, exchange) {
            return Ok(false);
        }
        let (pool, attempt) = exchange.begin_attempt()?;
        let (mut upstream, was_kept) = match self.connection(&pool, &attempt).await {
            Ok(connection) => connection,
            Err(error) => {
                let mut error = error.into_up();
                retry::after_no_connection(exchange, &pool, &mut error);
                return or_again(error);
            }
        };
        match converse(session, exchange, &mut upstream).await {
            Ok(()) => {
                upstream.respect_keepalive();
                if let Some(stream) = upstream.reuse().await {
                    pool.keep(&attempt, stream, Instant::now());
                }
                Ok(true)
            }
            Err(mut error) => {
                retry::after_break(session, exchange, &pool, &mut error, was_kept);
                or_again(error)
            }
        }
    }

    /// A connection to the address of an attempt, and whether it was kept.
    async fn connection(&self, pool: &UpstreamPool, attempt: &Attempt) -> Result<(HttpSession, bool)> {
        let kept = pool.take_kept(attempt, Instant::now());
        let was_kept = kept.is_some();
        let stream = match kept {
            Some(stream) => stream,
            // Apart, so that the future of every request is not as large as that of a handshake.
            None => Box::pin(self.0.new_stream(&pool.peer(attempt))).await?,
        };
        let mut upstream = HttpSession::new(stream);
        upstream.read_timeout = Some(pool.read_timeout());
        upstream.write_timeout = Some(pool.read_timeout());
        Ok((upstream, was_kept))
    }
}

/// An error that ends the exchange, or Pingora's turn.
fn or_again(error: Box<Error>) -> Result<bool> {
    if error.retry() { Ok(false) } else { Err(error) }
}

/// Whether a request has nothing that only Pingora's way knows.
fn is_short(session: &mut Session, exchange: &Exchange) -> bool {
    let protocol = exchange.pool().map(|pool| pool.protocol());
    let headers = &session.req_header().headers;
    let says_nothing = |value: &HeaderValue| {
        let option = value.as_bytes();
        option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close")
    };
    protocol == Some(UpstreamProtocol::Http1)
        && !exchange.wants_tunnel
        && headers.get_all(CONNECTION).iter().all(says_nothing)
        && !headers.contains_key(TRANSFER_ENCODING)
        && session.as_mut().is_body_done()
}

/// Sends the request and hands its answer on.
async fn converse(session: &mut Session, exchange: &mut Exchange, upstream: &mut HttpSession) -> Result<()> {
    let mut request = session.req_header().clone();
    request.set_version(Version::HTTP_11);
    forward::rewrite(session, exchange, &mut request)?;
    upstream.write_request_header(Box::new(request)).await.map_err(Error::into_up)?;
    loop {
        let task = tokio::select! {
            biased;
            task = upstream.read_response_task() => task.map_err(Error::into_up)?,
            // Neither a body nor another request may come before the answer.
            left = session.downstream_session.read_body_or_idle(true) => {
                left.map_err(Error::into_down)?;
                continue;
            }
        };
        if hand_on(session, exchange, task).await? {
            return Ok(());
        }
    }
}

/// Hands on a part of an answer; true when it was the last.
async fn hand_on(session: &mut Session, exchange: &mut Exchange, mut task: HttpTask) -> Result<bool> {
    if let HttpTask::Header(header, is_end) = &mut task {
        response::arrived(exchange, header);
        response::frame(session, header, *is_end)?;
        response::clean(session, exchange, header)?;
    }
    let client = &mut session.downstream_session;
    match task {
        HttpTask::Header(header, false) => {
            client.write_response_header(header).await.map_err(Error::into_down)?;
            Ok(false)
        }
        HttpTask::Body(Some(body), is_end) => {
            client.write_response_body(body, is_end).await.map_err(Error::into_down)?;
            Ok(is_end)
        }
        other => client.response_duplex_vec(vec![other]).await,
    }
}
