//! The stream below Pingora: it keeps time until a request has arrived, and answers where Pingora would give up.
//!
//! Pingora bounds each read of a header section, not the section (a byte a minute is enough for it), and takes a
//! megabyte of it. It repairs request lines that it cannot parse, so that a blank or a control character in a target
//! shows up as an innocent `%20` or `%00`. And what it refuses by itself it answers in its own words, before any hook
//! runs. All of that is decided here, on the bytes, for HTTP/1; HTTP/2 passes through.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::connection::{Connection, Stage};
use super::request_line::{LineState, RequestLine};
use super::wire::{Outbox, Wire};
use crate::alarm::Alarm;
use crate::config::Limits;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ConnectionRefusal;

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What may follow a header section in the same read: the beginning of a body.
const BODY_SLACK: usize = 64 << 10;
/// How long, and how much, is read from a client that is still sending when its connection is closed.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1 << 20;

/// What a connection is held to until a request has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a header section to its last.
    pub header: Duration,
    /// From one request to the next.
    pub idle: Duration,
    /// The longest header section.
    pub header_bytes: usize,
}

impl From<&Limits> for Patience {
    fn from(limits: &Limits) -> Self {
        Self { header: limits.header_timeout, idle: limits.idle_timeout, header_bytes: limits.header_bytes }
    }
}

/// Writes the whole HTTP/1 answer to a connection that is refused.
pub type RefusalAnswer = fn(ConnectionRefusal) -> Bytes;

/// A client's stream, plain or decrypted.
pub struct Watched<W> {
    inner: W,
    outbox: Outbox,
    connection: Arc<Connection>,
    digest: Arc<ProxyDigest>,
    metrics: Arc<Metrics>,
    answer: RefusalAnswer,
    patience: Patience,
    /// Read already, to tell which protocol it is; Pingora gets it first.
    ahead: BytesMut,
    /// The stage that is timed.
    timed: Option<Stage>,
    alarm: Alarm,
    head_bytes: usize,
    line: RequestLine,
    refusal: Option<ConnectionRefusal>,
    is_closing: bool,
    closing: Closing,
}

impl<W: Wire> Watched<W> {
    /// Watches over `inner`.
    pub fn new(
        inner: W,
        connection: Arc<Connection>,
        patience: Patience,
        metrics: Arc<Metrics>,
        answer: RefusalAnswer,
    ) -> Self {
        let digest = connection.as_digest();
        Self {
            inner,
            outbox: Outbox::default(),
            connection,
            digest,
            metrics,
            answer,
            patience,
            ahead: BytesMut::new(),
            timed: None,
            alarm: Alarm::default(),
            head_bytes: 0,
            line: RequestLine::default(),
            refusal: None,
            is_closing: false,
            closing: Closing::Answer(None),
        }
    }

    /// Waits for enough bytes to tell the protocol; false when the client left, or took too long.
    ///
    /// Pingora would wait for as many bytes as the HTTP/2 preface has, which the shortest HTTP/1 request has not.
    pub async fn greets(&mut self) -> bool {
        let read = async {
            while self.ahead.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&self.ahead) {
                match self.inner.read_buf(&mut self.ahead).await {
                    Ok(0) | Err(_) => return false,
                    Ok(_) => {}
                }
            }
            true
        };
        let greeted = matches!(timeout(self.patience.header, read).await, Ok(true));
        let http2 = match self.inner.protocol() {
            Some(protocol) => matches!(protocol, ALPN::H2),
            None => !self.connection.is_tls() && self.ahead.starts_with(HTTP2_PREFACE),
        };
        if http2 {
            self.connection.is_multiplexed();
        }
        greeted
    }

    /// Waits for the next request to begin, as long as the client may be idle; false when it left, or took too long.
    pub async fn begins(&mut self) -> bool {
        poll_fn(|context| {
            if !self.ahead.is_empty() {
                return Poll::Ready(true);
            }
            self.keep_time(self.connection.stage());
            match self.inner.poll_readable(context, &mut self.ahead) {
                Poll::Ready(readable) => Poll::Ready(readable.is_ok()),
                Poll::Pending if self.alarm.poll_rings(context).is_ready() => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Whether HTTP/2 is spoken here. Known once the client has greeted.
    pub fn is_http2(&self) -> bool {
        self.connection.stage() == Stage::Multiplexed
    }

    fn refuse(&mut self, refusal: ConnectionRefusal) {
        if self.refusal.is_none() {
            self.refusal = Some(refusal);
            self.metrics.connection_refused(refusal);
        }
    }

    /// Begins the time that belongs to the stage, once a stage.
    fn keep_time(&mut self, stage: Stage) {
        if self.timed == Some(stage) {
            return;
        }
        let fresh = self.timed.is_none();
        self.timed = Some(stage);
        self.alarm.set(match stage {
            Stage::Waiting if fresh => Some(self.patience.header),
            Stage::Waiting => Some(self.patience.idle),
            Stage::Head => Some(self.patience.header),
            Stage::Exchange | Stage::Multiplexed => None,
        });
        if stage == Stage::Waiting {
            self.head_bytes = 0;
            self.line = RequestLine::default();
        }
    }

    /// Judges bytes of a header section; false when there are too many of them.
    fn judge(&mut self, bytes: &[u8]) -> bool {
        self.head_bytes += bytes.len();
        if self.line.read(bytes) == LineState::Odd {
            self.connection.request_line_is_odd();
        }
        self.head_bytes <= self.patience.header_bytes + BODY_SLACK
    }
}

impl<W: Wire> AsyncRead for Watched<W> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let count = this.ahead.len().min(buffer.remaining());
        buffer.put_slice(&this.ahead[..count]);
        this.ahead.advance(count);
        this.keep_time(this.connection.stage());
        match Pin::new(&mut this.inner).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {}
            // The rest of what was read ahead, with nothing behind it yet.
            _ if buffer.filled().len() > before => {}
            Poll::Pending => {
                // Whoever waits for the client now may not write for a while.
                let _ = this.outbox.poll_flush(&mut this.inner, context)?;
                if this.alarm.poll_rings(context).is_ready() {
                    if this.connection.stage() == Stage::Head {
                        this.refuse(ConnectionRefusal::HeaderTimeout);
                    }
                    return Poll::Ready(Ok(()));
                }
                return Poll::Pending;
            }
            failed => return failed,
        }
        if matches!(this.connection.stage(), Stage::Waiting | Stage::Head) && buffer.filled().len() > before {
            this.connection.head_begins();
            this.keep_time(Stage::Head);
            if !this.judge(&buffer.filled()[before..]) {
                this.refuse(ConnectionRefusal::HeaderTooLarge);
                buffer.set_filled(before);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: Wire> AsyncWrite for Watched<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.connection.stage() == Stage::Head {
            // No hook has seen the request, so this is Pingora's own refusal. Ours is written when it shuts down.
            let method = bytes.starts_with(b"HTTP/1.1 405");
            this.refuse(if method { ConnectionRefusal::Method } else { ConnectionRefusal::Malformed });
            return Poll::Ready(Ok(bytes.len()));
        }
        this.outbox.poll_write(&mut this.inner, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.outbox.poll_flush(&mut this.inner, context)
    }

    /// Pingora shuts a connection down here. What it refused by itself is answered first; and where a client is still
    /// sending, it is listened to for a moment, or the system would take the answer back (RFC 9112 §9.6).
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_closing {
            this.is_closing = true;
            this.alarm.set(Some(LINGER));
        }
        match this.poll_close(context) {
            // Whoever does not read in time is not waited for.
            Poll::Pending if this.alarm.poll_rings(context).is_ready() => Poll::Ready(Ok(())),
            other => other,
        }
    }
}

/// How far the end of a connection has come.
#[derive(Debug)]
enum Closing {
    /// Our last words, as far as they are not written.
    Answer(Option<Bytes>),
    Flush,
    Shutdown,
    /// What the client may still send before it is cut off.
    Linger(usize),
    Done,
}

impl<W: Wire> Watched<W> {
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.closing = match &mut self.closing {
                Closing::Answer(None) => match self.refusal {
                    Some(refusal) => Closing::Answer(Some((self.answer)(refusal))),
                    None => Closing::Flush,
                },
                Closing::Answer(Some(rest)) if rest.is_empty() => Closing::Flush,
                Closing::Answer(Some(rest)) => {
                    let written = ready!(self.outbox.poll_write(&mut self.inner, context, rest))?;
                    rest.advance(written);
                    continue;
                }
                Closing::Flush => {
                    ready!(self.outbox.poll_flush(&mut self.inner, context))?;
                    Closing::Shutdown
                }
                Closing::Shutdown => {
                    ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
                    let lingers = self.refusal.is_some() || self.connection.has_unread_body();
                    if lingers { Closing::Linger(LINGER_BYTES) } else { Closing::Done }
                }
                Closing::Linger(left) => {
                    let mut bytes = [0; 4096];
                    let mut buffer = ReadBuf::new(&mut bytes);
                    ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer))?;
                    let count = buffer.filled().len();
                    if count == 0 || count >= *left { Closing::Done } else { Closing::Linger(*left - count) }
                }
                Closing::Done => return Poll::Ready(Ok(())),
            };
        }
    }
}

#[async_trait]
impl<W: Wire> Shutdown for Watched<W> {
    async fn shutdown(&mut self) {
        // Nobody is left to be told of an error.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

#[async_trait]
impl<W: Wire> Peek for Watched<W> {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        // What `greets` has read tells the protocol; where it is shorter, it is not the one that is looked for.
        let count = self.ahead.len().min(buffer.len());
        buffer.fill(0);
        buffer[..count].copy_from_slice(&self.ahead[..count]);
        Ok(true)
    }
}

// Without a digest Pingora would look for HTTP/2 without ALPN in TLS, too; it gets only what `greets` has told to be HTTP/2.
impl<W: Wire> Ssl for Watched<W> {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.protocol()
    }
}

impl<W: Wire> UniqueID for Watched<W> {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl<W: Wire> GetTimingDigest for Watched<W> {
    // Pingora asks at every request; nobody reads what it would be told.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<W: Wire> GetProxyDigest for Watched<W> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl<W: Wire> GetSocketDigest for Watched<W> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl<W> fmt::Debug for Watched<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watched").field("connection", &self.connection).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
