//! An HTTP/1 client that sends exactly what it is told, over TCP or whatever else carries bytes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a test waits for what should come at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub struct Client {
    stream: Box<dyn Bytes>,
    unread: Vec<u8>,
}

/// What carries bytes both ways.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Speaks over a connection that is there already.
    pub fn over(stream: impl Bytes + 'static) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    /// Sends bytes as they are. A server that has closed already is no fault of the client's.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Sends a request for `https://api.example` with these fields, each line ended with CR LF.
    pub async fn request(&mut self, method: &str, target: &str, fields: &str) {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: api.example\r\n{fields}\r\n")).await;
    }

    /// The answer to a request for `/` of another host.
    pub async fn ask(&mut self, host: &str, fields: &str) -> Reply {
        self.ask_at("/", host, fields).await
    }

    /// The answer to a request for a target of another host.
    pub async fn ask_at(&mut self, target: &str, host: &str, fields: &str) -> Reply {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).await;
        self.reply().await
    }

    /// The next answer, with its body.
    pub async fn reply(&mut self) -> Reply {
        let head = self.head().await;
        let mut reply = Reply { status: head[9..12].parse().unwrap(), head, body: Vec::new() };
        if let Some(length) = reply.field("content-length") {
            let length = length.parse().unwrap();
            while self.unread.len() < length {
                assert!(self.more().await, "the body was cut off");
            }
            reply.body = self.unread.drain(..length).collect();
        } else if reply.field("transfer-encoding").is_some() {
            while !self.unread.ends_with(b"0\r\n\r\n") {
                assert!(self.more().await, "the body was cut off");
            }
            reply.body = dechunked(&std::mem::take(&mut self.unread));
        }
        reply
    }

    /// The next header section.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "closed before a header: {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// Exactly this many bytes.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more().await, "closed after {:?}", String::from_utf8_lossy(&self.unread));
        }
        self.unread.drain(..count).collect()
    }

    /// Whether the server has closed, with nothing more to say.
    pub async fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.more().await
    }

    /// Whether the server says that it closes, which over TLS is more than to be gone (RFC 8446 §6.1).
    pub async fn hears_the_end(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await.expect("nothing came");
        matches!(read, Ok(0))
    }

    /// Reads on; false at the end.
    pub async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await.expect("nothing came");
        read.is_ok_and(|count| count > 0)
    }
}

impl Reply {
    /// A header field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&self.body)))
    }
}

fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
}
