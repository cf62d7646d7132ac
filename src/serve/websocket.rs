//! A workaround for tunnels that Pingora 0.9.1 tears down (its issue #946).
//!
//! A request to upgrade has no body, and Pingora tells its upstream half so by an empty task. If an upstream answers
//! 101 before that half has seen the task, the task is taken for the end of the tunnel, and both sides are closed at
//! random: about one in ten against a quick upstream on the same machine. A stream that is not ready at once, the first
//! time it is read after each write, lets the task be seen first. The regression test in `tests/serve` tells when this
//! can go.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_error::{Error, ErrorType, OrErr, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Connects to an upstream of which a WebSocket is asked.
#[derive(Debug)]
pub(super) struct UpgradeConnector;

#[async_trait]
impl L4Connect for UpgradeConnector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectError, "an upstream is not an internet address");
        };
        let stream = TcpStream::connect(address).await.or_err(ErrorType::ConnectError, "connecting for an upgrade")?;
        stream.set_nodelay(true).or_err(ErrorType::SocketError, "setting TCP_NODELAY")?;
        Ok(VirtualSocketStream::new(Box::new(YieldsAfterWrite { stream, has_written: false })).into())
    }
}

/// A stream whose first read after a write comes one turn of the scheduler later.
#[derive(Debug)]
struct YieldsAfterWrite<S> {
    stream: S,
    has_written: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for YieldsAfterWrite<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.has_written) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for YieldsAfterWrite<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_written = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl VirtualSocket for YieldsAfterWrite<TcpStream> {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // Keep-alive probes: a tunnel is bounded by its token, so nothing is lost without them.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_first_read_after_a_write_yields_once() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut stream = YieldsAfterWrite { stream: far, has_written: false };
        near.write_all(b"abc").await.unwrap();
        stream.write_all(b"x").await.unwrap();
        let mut buffer = [0; 1];
        let first = std::future::poll_fn(|context| {
            Poll::Ready(Pin::new(&mut stream).poll_read(context, &mut ReadBuf::new(&mut buffer)).is_pending())
        });
        assert!(first.await);
        let mut rest = [0; 3];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"abc");
    }
}
