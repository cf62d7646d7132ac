//! Which requests are sent again when a server behind the gateway fails, and what a failure says about the server.
//!
//! | what happened | who is sent again | to where |
//! | --- | --- | --- |
//! | no connection | everybody: nothing was sent | another address |
//! | a kept connection broke before the answer | idempotent methods (RFC 9110 §9.2.2) | anywhere |
//! | a new connection broke before the answer | idempotent methods | another address |
//! | silence longer than `read_timeout` | nobody: the server may still be at work | |
//!
//! Always three times in all at most, never a tunnel, and never where the body is no longer at hand: Pingora keeps its
//! first 64 KiB. A header that has arrived is an answer, even if the client has not seen it yet. A server that breaks off
//! while the client still owes a part of the body is not held to have failed: clients could shut servers out by that.

use std::sync::Arc;
use std::time::Instant;

use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use super::exchange::Exchange;
use super::proxy::ATTEMPTS;
use crate::config::Retry;
use crate::upstream::UpstreamPool;

/// After a connection that could not be had: any request may be tried elsewhere, but never at the address that just
/// failed.
pub(super) fn after_no_connection(exchange: &mut Exchange, pool: &Arc<UpstreamPool>, error: &mut Error) {
    let now = Instant::now();
    // A socket that we could not make says nothing about the server.
    if !matches!(error.etype(), ErrorType::BindError | ErrorType::SocketError | ErrorType::InternalError) {
        note_failure(exchange, pool, now);
    }
    exchange.next = match exchange.attempts < ATTEMPTS {
        true => pool.next(&mut exchange.tried, now),
        false => None,
    };
    error.set_retry(exchange.next.is_some());
}

/// After a connection that was had and broke.
pub(super) fn after_break(
    session: &mut Session,
    exchange: &mut Exchange,
    pool: &Arc<UpstreamPool>,
    error: &mut Error,
    was_kept: bool,
) {
    let broke_off = *error.esource() == ErrorSource::Upstream && !exchange.is_answered && is_break(error.etype());
    error.set_retry(false);
    if !broke_off {
        return;
    }
    let now = Instant::now();
    // A kept connection may have been closed just now, a stream may be reset for its own sake, and patience may end with
    // a client that is slow to send its body; none of these is a fault of the server.
    if !was_kept && *error.etype() != ErrorType::H2Error && session.as_mut().is_body_done() {
        note_failure(exchange, pool, now);
    }
    let may_repeat = pool.retry() == Retry::Idempotent
        && session.req_header().method.is_idempotent()
        && !session.as_ref().retry_buffer_truncated()
        && !exchange.wants_tunnel;
    if !may_repeat || exchange.attempts >= ATTEMPTS {
        return;
    }
    if was_kept {
        exchange.tried.forgive_last();
    }
    exchange.next = pool.next(&mut exchange.tried, now);
    exchange.body_bytes = 0;
    error.set_retry(exchange.next.is_some());
}

fn is_break(etype: &ErrorType) -> bool {
    matches!(etype, ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError | ErrorType::H2Error)
}

fn note_failure(exchange: &Exchange, pool: &Arc<UpstreamPool>, now: Instant) {
    if let Some(attempt) = &exchange.attempt {
        pool.failed(attempt, now);
    }
}
