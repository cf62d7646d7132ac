//! An API behind the gateway: it keeps every request byte for byte, and answers with its own name.
//!
//! It speaks HTTP/1.1 and, by prior knowledge, HTTP/2; there the "bytes" are the decoded fields. What a request asks for
//! in its path (`/answers/401`) is what it gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Request line and fields, with every CRLF.
    pub head: String,
    /// All bytes behind the head, chunk sizes and trailers included.
    pub body: Vec<u8>,
}

impl Seen {
    /// The request target.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Every value of a field, in any case.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The names of all fields, as they were written.
    pub fn names(&self) -> Vec<&str> {
        self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect()
    }
}

/// An API on a loopback port.
pub struct Api {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Seen>>>,
    serving: JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Api {
    /// An API that answers every request with `name`.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, name) = (Arc::clone(&requests), name.to_owned());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), name.clone()));
            }
        });
        Self { address, requests, serving }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.requests.lock().expect("nobody panics with it").clone()
    }

    /// The latest request.
    pub fn last(&self) -> Seen {
        self.requests().pop().expect("the API was asked")
    }
}

async fn serve(stream: TcpStream, kept: Arc<Mutex<Vec<Seen>>>, name: String) {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0";
    let mut start = [0; PREFACE.len()];
    let is_http2 = matches!(stream.peek(&mut start).await, Ok(length) if start[..length] == *PREFACE);
    match is_http2 {
        true => serve_http2(stream, kept, &name).await,
        false => serve_http1(stream, kept, &name).await.unwrap_or_default(),
    }
}

async fn serve_http1(mut stream: TcpStream, kept: Arc<Mutex<Vec<Seen>>>, name: &str) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            match buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => read_more(&mut stream, &mut buffer).await?,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let mut seen = Seen { head, body: Vec::new() };
        let is_complete = |body: &[u8]| match seen.values("content-length").first() {
            Some(length) => body.len() >= length.parse().unwrap_or(0),
            None if seen.values("transfer-encoding").is_empty() => true,
            // The last chunk, its trailers, and the empty line.
            None => body.ends_with(b"\r\n\r\n") && (body == b"0\r\n\r\n" || find(body, b"\r\n0\r\n")),
        };
        while !is_complete(&buffer[end..]) {
            read_more(&mut stream, &mut buffer).await?;
        }
        seen.body = buffer.split_off(end);
        buffer.clear();
        let status = status_asked(seen.target());
        kept.lock().expect("nobody panics with it").push(seen);
        let answer = format!("HTTP/1.1 {status} Asked\r\n{CHALLENGE}content-length: {}\r\n\r\n{name}", name.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// A challenge that would lead clients elsewhere, beside a field of the API's own.
const CHALLENGE: &str = "www-authenticate: Bearer resource_metadata=\"https://evil.example/prm\"\r\nx-api: yes\r\n";

async fn serve_http2(stream: TcpStream, kept: Arc<Mutex<Vec<Seen>>>, name: &str) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (parts, mut body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let mut head = format!("{} {target} HTTP/2\r\n", parts.method);
        if let Some(authority) = parts.uri.authority() {
            head.push_str(&format!("host: {authority}\r\n"));
        }
        for (field, value) in &parts.headers {
            head.push_str(&format!("{field}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
        let (kept, name, status) = (Arc::clone(&kept), name.to_owned(), status_asked(target));
        tokio::spawn(async move {
            let mut seen = Seen { head: head + "\r\n", body: Vec::new() };
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                seen.body.extend_from_slice(&data);
            }
            if let Ok(Some(trailers)) = body.trailers().await {
                for (field, value) in &trailers {
                    let line = format!("{field}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
                    seen.body.extend_from_slice(line.as_bytes());
                }
            }
            kept.lock().expect("nobody panics with it").push(seen);
            let answer = http::Response::builder().status(status).body(()).expect("a status is a response");
            if let Ok(mut stream) = respond.send_response(answer, false) {
                let _ = stream.send_data(name.into(), true);
            }
        });
    }
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let length = stream.read_buf(buffer).await.ok()?;
    (length > 0).then_some(())
}

fn find(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The status in `/answers/401`.
fn status_asked(target: &str) -> u16 {
    target.split("/answers/").nth(1).and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(200)
}
