//! What is written, and when it leaves.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::io::DuplexStream;

use super::*;

impl Wire for DuplexStream {
    fn id(&self) -> UniqueIDType {
        0
    }
}

/// A stream that notes each write, and takes as many bytes of it as it was told; nothing means that it is not ready.
#[derive(Default)]
struct Noted {
    takes: VecDeque<Option<usize>>,
    written: Vec<Vec<u8>>,
    flushes: usize,
}

impl Noted {
    fn taking(takes: impl IntoIterator<Item = Option<usize>>) -> Self {
        Self { takes: takes.into_iter().collect(), ..Self::default() }
    }
}

impl Wire for Noted {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl AsyncRead for Noted {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Noted {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all: Vec<u8> = bytes.iter().flat_map(|slice| slice.iter().copied()).collect();
        let Some(count) = this.takes.pop_front().unwrap_or(Some(all.len())) else {
            return Poll::Pending;
        };
        this.written.push(all[..count.min(all.len())].to_vec());
        Poll::Ready(Ok(count.min(all.len())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An outbox and its stream, both driven by hand.
struct Post {
    outbox: Outbox,
    wire: Noted,
}

impl Post {
    fn over(wire: Noted) -> Self {
        Self { outbox: Outbox::default(), wire }
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<usize> {
        let mut context = Context::from_waker(Waker::noop());
        self.outbox.poll_write(&mut self.wire, &mut context, bytes).map(Result::unwrap)
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        self.outbox.poll_flush(&mut self.wire, &mut Context::from_waker(Waker::noop()))
    }
}

#[test]
fn a_header_and_a_small_body_are_one_write() {
    let mut post = Post::over(Noted::default());
    assert_eq!(post.write(b"header"), Poll::Ready(6));
    assert_eq!(post.write(b"body"), Poll::Ready(4));
    assert!(post.wire.written.is_empty());
    assert!(post.flush().is_ready());
    assert_eq!(post.wire.written, [b"headerbody"]);
    assert_eq!(post.wire.flushes, 1);
}

#[test]
fn a_large_body_leaves_with_the_header_before_it_and_is_not_copied_twice() {
    let mut post = Post::over(Noted::default());
    let body = vec![b'x'; MOST];
    assert_eq!(post.write(b"header"), Poll::Ready(6));
    assert_eq!(post.write(&body), Poll::Ready(MOST));
    assert_eq!(post.wire.written.len(), 1);
    assert_eq!(post.wire.written[0].len(), 6 + MOST);
    assert!(post.outbox.waiting.is_empty());
}

#[test]
fn nothing_is_lost_or_doubled_where_the_stream_takes_little() {
    let takes = [Some(4), None, Some(1), Some(3), Some(1000), None, Some(3)];
    let mut post = Post::over(Noted::taking(takes));
    let body = vec![b'x'; MOST];
    assert_eq!(post.write(b"header"), Poll::Ready(6));
    assert_eq!(post.write(&body), Poll::Pending, "four bytes of the header have left");
    let mut rest = &body[..];
    let mut tail = &b"end"[..];
    while !tail.is_empty() {
        let next = if rest.is_empty() { &mut tail } else { &mut rest };
        if let Poll::Ready(taken) = post.write(next) {
            *next = &next[taken..];
        }
    }
    while post.flush().is_pending() {}
    assert_eq!(post.wire.written.concat(), [b"header", &body[..], b"end"].concat());
}

#[test]
fn whoever_has_nothing_to_send_does_not_flush() {
    let mut post = Post::over(Noted::default());
    assert!(post.flush().is_ready());
    assert_eq!(post.wire.flushes, 0);
    let _ = post.write(b"a");
    assert!(post.flush().is_ready());
    assert!(post.flush().is_ready());
    assert_eq!(post.wire.flushes, 1);
}

#[test]
fn a_stream_that_takes_nothing_is_an_error() {
    let mut post = Post::over(Noted::taking([Some(0)]));
    let _ = post.write(b"header");
    let Poll::Ready(Err(error)) = post.flush() else { panic!("it waits for ever") };
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

#[test]
fn an_idle_connection_keeps_no_buffer() {
    let mut post = Post::over(Noted::default());
    let _ = post.write(b"header");
    assert!(post.flush().is_ready());
    assert_eq!(post.outbox.waiting.capacity(), 0);
}
