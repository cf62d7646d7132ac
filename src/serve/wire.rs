//! What a client's bytes come by, and how ours leave: small pieces together, before anybody sleeps over them.
//!
//! Pingora writes the header of an answer and its body one after the other and flushes at the end; on a bare socket each
//! would be a system call and a packet, which costs more than the whole decision. Buffers of Pingora's own listeners are
//! not to be had here, and they keep 64 KiB for each connection; this one is gone once it is written.

use std::io;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use pingora_core::protocols::l4::stream::Stream as TcpConnection;
use pingora_core::protocols::tls::TlsStream;
use pingora_core::protocols::{ALPN, Ssl, UniqueID, UniqueIDType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A client's stream as it was accepted: plain, or decrypted.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    /// Tells it from every other stream that is open.
    fn id(&self) -> UniqueIDType;

    /// The protocol that the TLS handshake agreed on; nothing without TLS.
    fn protocol(&self) -> Option<ALPN> {
        None
    }

    /// Ready once there may be something to read, or the end. What had to be read to tell is added to `ahead`.
    ///
    /// # Errors
    ///
    /// What the stream says.
    fn poll_readable(&mut self, context: &mut Context<'_>, ahead: &mut BytesMut) -> Poll<io::Result<()>> {
        let mut first = [0; 1];
        let mut buffer = ReadBuf::new(&mut first);
        ready!(Pin::new(self).poll_read(context, &mut buffer))?;
        ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl Wire for TcpStream {
    fn id(&self) -> UniqueIDType {
        self.as_raw_fd()
    }

    fn poll_readable(&mut self, context: &mut Context<'_>, _: &mut BytesMut) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}

impl Wire for TlsStream<TcpConnection> {
    fn id(&self) -> UniqueIDType {
        UniqueID::id(self)
    }

    fn protocol(&self) -> Option<ALPN> {
        self.selected_alpn_proto()
    }
}

/// The most that waits: a header with a small body. What is longer goes out at once, together with what waits.
const MOST: usize = 4096;

/// What was written and has not left yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Vec<u8>,
    /// How much of it has left.
    sent: usize,
    /// Whether anything was written since the stream was flushed: TLS keeps records of its own.
    is_unflushed: bool,
}

impl Outbox {
    /// Takes bytes that are to be written; ready with how many were taken.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub(super) fn poll_write<W: Wire>(
        &mut self,
        wire: &mut W,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_unflushed = true;
        loop {
            let unsent = self.unsent();
            if unsent.len() + bytes.len() <= MOST {
                self.waiting.extend_from_slice(bytes);
                return Poll::Ready(Ok(bytes.len()));
            }
            if unsent.is_empty() {
                return Pin::new(wire).poll_write(context, bytes);
            }
            let both = [IoSlice::new(unsent), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut *wire).poll_write_vectored(context, &both))?;
            let taken = written.saturating_sub(unsent.len());
            self.has_left(written - taken)?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    /// Ready once everything has left, at once where nothing was written.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub(super) fn poll_flush<W: Wire>(&mut self, wire: &mut W, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_unflushed {
            return Poll::Ready(Ok(()));
        }
        while !self.unsent().is_empty() {
            let written = ready!(Pin::new(&mut *wire).poll_write(context, self.unsent()))?;
            self.has_left(written)?;
        }
        ready!(Pin::new(wire).poll_flush(context))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn unsent(&self) -> &[u8] {
        &self.waiting[self.sent..]
    }

    fn has_left(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sent += count;
        if self.sent == self.waiting.len() {
            // Most connections are idle most of the time: none of them keeps a buffer.
            (self.waiting, self.sent) = (Vec::new(), 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
