//! The short way to an upstream, which most requests go: without a body, to an HTTP/1 server, over a connection that waits.
//!
//! Pingora runs the two sides of an exchange as two futures with channels between them, because a body may come while an
//! answer goes. Without a body there is nothing to come but the client's end, so here one future reads the answer and
//! writes it, with Pingora's own reader and writer of messages; that halves what forwarding costs. Whatever is out of the
//! ordinary (bodies, tunnels, further tries, fields that `Connection` names, HTTP/2 upstreams) goes Pingora's way.

use std::future::pending;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Method};
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;
use tokio::io::AsyncWriteExt;

use super::exchange::{Begun, Exchange};
use super::{forward, response, retry};
use crate::alarm::Alarm;
use crate::config::UpstreamProtocol;
use crate::upstream::{Attempt, ServerConnection, UpstreamPool};

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
        let Begun { pool, attempt, at } = exchange.begin_attempt()?;
        let (connection, was_kept) = match self.connection(&pool, &attempt, at).await {
            Ok(connection) => connection,
            Err(error) => {
                let mut error = error.into_up();
                retry::after_no_connection(exchange, &pool, &mut error);
                return or_again(error);
            }
        };
        match converse(session, exchange, connection, pool.read_timeout()).await {
            Ok((upstream, alarm)) => {
                if let Some(stream) = upstream.reuse().await {
                    pool.keep(&attempt, ServerConnection { stream, alarm }, Instant::now());
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
    async fn connection(
        &self,
        pool: &UpstreamPool,
        attempt: &Attempt,
        now: Instant,
    ) -> Result<(ServerConnection, bool)> {
        match pool.take_kept(attempt, now) {
            Some(connection) => Ok((connection, true)),
            // Apart, so that the future of every request is not as large as that of a handshake.
            None => Ok((Box::pin(self.0.new_stream(&pool.peer(attempt))).await?.into(), false)),
        }
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
    // That an answer has no body although it says how long one is, is told by a request that Pingora has written.
    let is_head = session.req_header().method == Method::HEAD;
    protocol == Some(UpstreamProtocol::Http1)
        && !is_head
        && !exchange.wants_tunnel
        && headers.get_all(CONNECTION).iter().all(says_nothing)
        && !headers.contains_key(TRANSFER_ENCODING)
        && session.as_mut().is_body_done()
}

/// Sends the request and hands its answer on; what is left is the upstream's side, which tells whether it can be kept.
async fn converse(
    session: &mut Session,
    exchange: &mut Exchange,
    ServerConnection { mut stream, mut alarm }: ServerConnection,
    patience: Duration,
) -> Result<(HttpSession, Alarm)> {
    let head = forward::head(session, exchange)?;
    let written = async {
        stream.write_all(&head).await?;
        stream.flush().await
    };
    match alarm.within(patience, written).await {
        Some(written) => written.or_err(ErrorType::WriteError, "while writing a request"),
        None => Error::e_explain(ErrorType::WriteTimedout, "while writing a request"),
    }
    .map_err(Error::into_up)?;
    let mut upstream = HttpSession::new(stream);
    loop {
        let answer = async {
            tokio::select! {
                biased;
                task = upstream.read_response_task() => task.map_err(Error::into_up),
                gone = leaves(session) => Err(gone),
            }
        };
        let late = || Err(Error::explain(ErrorType::ReadTimedout, "while reading an answer").into_up());
        let task = alarm.within(patience, answer).await.unwrap_or_else(late)?;
        if hand_on(session, exchange, task).await? {
            upstream.respect_keepalive();
            return Ok((upstream, alarm));
        }
    }
}

/// Says that the client has left, once it has, or that it says more than its request before it is answered.
async fn leaves(session: &mut Session) -> Box<Error> {
    match session.downstream_session.read_body_or_idle(true).await {
        Err(error) => error.into_down(),
        Ok(_) => pending().await,
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
