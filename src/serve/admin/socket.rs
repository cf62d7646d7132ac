//! The operators' connections: few at a time, none for long, so that whoever holds them open takes nothing from the
//! requests of clients.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// The most open connections; further ones wait in the system until one ends.
const CONNECTIONS: usize = 64;
/// How long a connection may be open, whatever it is doing: several times what a reload takes.
const LONGEST: Duration = Duration::from_secs(60);

/// A socket that lets a few in at a time.
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl Listener for Bounded {
    type Io = Timed<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        (Timed { stream, end: Box::pin(sleep(LONGEST)), _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection whose time is up at some point.
pub(super) struct Timed<S> {
    stream: S,
    end: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S> Timed<S> {
    /// An error once the time is up; until then whoever asks is woken by the end, too.
    fn in_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_time(context)?;
        Poll::Ready(ready!(Pin::new(&mut self.stream).poll_write(context, bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_ends() {
        let (_silent, stream) = tokio::io::duplex(8);
        let begun = Instant::now();
        let mut timed = Timed { stream, end: Box::pin(sleep(LONGEST)), _place: None };
        let error = timed.read_u8().await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed() >= LONGEST), (io::ErrorKind::TimedOut, true));
    }

    #[tokio::test]
    async fn a_few_are_let_in_and_the_next_one_once_one_has_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut bounded = Bounded::new(listener);
        let address = bounded.local_addr().unwrap();
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push((TcpStream::connect(address).await.unwrap(), bounded.accept().await));
        }
        let _waiting = TcpStream::connect(address).await.unwrap();
        assert!(timeout(Duration::from_millis(50), bounded.accept()).await.is_err());
        held.pop();
        bounded.accept().await;
    }
}
