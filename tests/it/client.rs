//! Clients: raw bytes over HTTP/1.1, and HTTP/2 by prior knowledge. No client library may tidy what a test sends.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::PATIENCE;

/// The protocols that every case is asked by.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    address: SocketAddr,
    method: String,
    host: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    trailers: HeaderMap,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Ask {
    pub fn new(address: SocketAddr, method: &str, host: &str, target: &str) -> Self {
        let (method, host, target) = (method.to_owned(), host.to_owned(), target.to_owned());
        Self { address, method, host, target, fields: Vec::new(), body: Vec::new(), trailers: HeaderMap::new() }
    }

    /// The same request with one more field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same request with a body, and nothing that says how long it is.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The same request with a trailer behind its body; over HTTP/2 only.
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.append(name, HeaderValue::from_static(value));
        self
    }

    /// Sends it over HTTP/1.1.
    pub async fn send(&self) -> Response {
        self.send_by(Protocol::Http1).await
    }

    /// Sends it over HTTP/1.1, as a task of its own may.
    pub async fn send_owned(self) -> Response {
        self.send().await
    }

    /// Sends it.
    pub async fn send_by(&self, protocol: Protocol) -> Response {
        let sent = async {
            match protocol {
                Protocol::Http1 => raw(self.address, &self.bytes()).await,
                Protocol::Http2 => self.send_http2().await,
            }
        };
        timeout(PATIENCE, sent).await.unwrap_or_else(|_| panic!("no answer to {self:?}"))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.method, self.target, self.host);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    async fn send_http2(&self) -> Response {
        let stream = TcpStream::connect(self.address).await.expect("somebody listens");
        let (mut client, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("http://{}{}", self.host, self.target))
            .body(())
            .expect("the request can be written in HTTP/2");
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).expect("a field has a name");
            request.headers_mut().append(name, HeaderValue::from_str(value).expect("and a value"));
        }
        client = client.ready().await.expect("a stream is free");
        let (response, mut stream) = client.send_request(request, self.body.is_empty()).expect("the request is sent");
        if !self.body.is_empty() {
            let _ = stream.send_data(self.body.clone().into(), self.trailers.is_empty());
            if !self.trailers.is_empty() {
                let _ = stream.send_trailers(self.trailers.clone());
            }
        }
        let response = response.await.expect("an answer comes");
        let (parts, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        while let Some(Ok(data)) = incoming.data().await {
            let _ = incoming.flow_control().release_capacity(data.len());
            body.extend_from_slice(&data);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Response { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl Response {
    /// `reason` of a refusal's body; the status where there is none.
    pub fn reason(&self) -> String {
        let body: Option<Value> = serde_json::from_str(&self.body).ok();
        let reason = body.as_ref().and_then(|body| body["reason"].as_str());
        reason.map_or_else(|| self.status.to_string(), ToOwned::to_owned)
    }

    /// The status, and the reason if it was refused: `401 audience_mismatch`.
    pub fn verdict(&self) -> String {
        match self.reason() {
            reason if reason == self.status.to_string() => reason,
            reason => format!("{} {reason}", self.status),
        }
    }

    /// A field's only value; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().expect("fields are ASCII"));
        assert!(values.next().is_none(), "`{name}` came twice: {:?}", self.headers);
        value
    }

    /// `WWW-Authenticate`.
    pub fn challenge(&self) -> &str {
        self.field("www-authenticate")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends exactly these bytes over HTTP/1.1, and reads until the other side closes.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> Response {
    let answer = async {
        let mut stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.write_all(bytes).await.expect("the request is taken");
        let mut answer = Vec::new();
        // A peer that refuses may reset what it has not read; what it said before counts.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let answer = timeout(PATIENCE, answer).await.expect("the connection is closed in the end");
    parse(&answer)
}

/// The status of the next answer on a kept connection, and whether the connection ends with it; nothing if it ended.
pub async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u16, bool)> {
    let mut buffer = Vec::new();
    loop {
        if timeout(PATIENCE, stream.read_buf(&mut buffer)).await.ok()?.ok()? == 0 {
            return None;
        }
        let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let response = parse(&buffer);
        let length = response.field("content-length").parse::<usize>().expect("every answer says how long it is");
        if buffer.len() >= end + 4 + length {
            return Some((response.status, response.field("connection") == "close"));
        }
    }
}

/// The first response in `bytes`.
pub fn parse(bytes: &[u8]) -> Response {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a field has a name");
        headers.append(name, HeaderValue::from_str(value.trim()).expect("and a value"));
    }
    let body = bytes.get(end + 4..).unwrap_or_default();
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let body = if chunked { unchunked(body) } else { body.to_vec() };
    Response { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let (Some(size), Some(data)) = (size.filter(|size| *size > 0), rest.get(end + 2..)) else { break };
        let size = size.min(data.len());
        body.extend_from_slice(&data[..size]);
        rest = data.get(size + 2..).unwrap_or_default();
    }
    body
}
