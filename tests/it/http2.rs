//! H2-8.2-1: HTTP/2 that no client library would send, frame by frame (RFC 9113 §8.2, §8.3). Nothing of it is forwarded.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::{Gateway, PATIENCE};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` in HPACK's static table.
const OK: u8 = 0x88;

type Field<'a> = (&'a str, &'a str);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HPACK without tables and without Huffman (RFC 7541 §6.2.2).
fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            let mut length = text.len();
            if length < 127 {
                bytes.push(length as u8);
            } else {
                bytes.push(127);
                length -= 127;
                while length >= 128 {
                    bytes.push((length % 128) as u8 | 128);
                    length /= 128;
                }
                bytes.push(length as u8);
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// Sends one request and says whether it was answered with 200.
async fn is_served(address: SocketAddr, fields: &[Field<'_>], body: Option<&[u8]>) -> bool {
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    let end = if body.is_none() { END_STREAM } else { 0 };
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block(fields)));
    if let Some(body) = body {
        bytes.extend(frame(DATA, END_STREAM, 1, body));
    }
    let answer = async {
        stream.write_all(&bytes).await.ok()?;
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.ok()?;
            match head[3] {
                // A table size update (0x20..0x3f) may stand before the status.
                HEADERS => return payload.iter().find(|byte| !(0x20..0x40).contains(*byte)).copied(),
                RST_STREAM | GOAWAY => return None,
                _ => {}
            }
        }
    };
    timeout(PATIENCE, answer).await.expect("the gateway answers, or ends the stream") == Some(OK)
}

#[tokio::test]
async fn what_no_client_would_send_is_not_forwarded() {
    let gateway = Gateway::start("forwarding.yaml").await;
    let bearer = format!("Bearer {}", gateway.issuer("ISSUER_CORP").token("https://api1.example.com", "x"));
    let good: [Field<'_>; 5] = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "api1.example.com"),
        (":path", "/x"),
        ("authorization", &bearer),
    ];
    assert!(is_served(gateway.address, &good, None).await, "the good one is");
    let before = gateway.forwarded();
    let with = |more: Field<'static>| [good.as_slice(), &[more]].concat();
    let instead = |name: &'static str, value: &'static str| {
        good.map(|field| if field.0 == name { (name, value) } else { field }).to_vec()
    };
    let without = |name: &'static str| good.into_iter().filter(|field| field.0 != name).collect::<Vec<_>>();
    let cases = [
        ("an upper-case name", with(("X-A", "1"))),
        ("connection", with(("connection", "close"))),
        ("transfer-encoding", with(("transfer-encoding", "chunked"))),
        ("keep-alive", with(("keep-alive", "1"))),
        ("proxy-connection", with(("proxy-connection", "keep-alive"))),
        ("upgrade", with(("upgrade", "h2c"))),
        ("a TE of something else", with(("te", "gzip"))),
        ("a line break in a value", with(("x-a", "1\r\nx-user: root"))),
        ("NUL in a value", with(("x-a", "1\0"))),
        ("a line break in a name", with(("x-a\r\nx-user", "root"))),
        ("a blank in a name", with(("x a", "root"))),
        ("a colon in a name", with(("x-a: b", "root"))),
        ("another Host", with(("host", "api2.example.com"))),
        ("a pseudo-header at the end", with((":path", "/y"))),
        ("an unknown pseudo-header", with((":x", "1"))),
        ("a second token", with(("authorization", "Bearer x"))),
        ("no path", without(":path")),
        ("no method", without(":method")),
        ("no authority", without(":authority")),
        ("an empty path", instead(":path", "")),
        ("a blank in the path", instead(":path", "/x y")),
        ("a line break in the path", instead(":path", "/x\r\nx-user: root")),
        ("no slash", instead(":path", "x")),
        ("absolute form", instead(":path", "http://api1.example.com/x")),
        ("a dot segment", instead(":path", "/a/../x")),
        ("a user in the authority", instead(":authority", "u@api1.example.com")),
        ("a path in the authority", instead(":authority", "api1.example.com/x")),
        ("two authorities", instead(":authority", "api1.example.com,api2.example.com")),
        ("a method that is none", instead(":method", "GE T")),
        ("CONNECT", instead(":method", "CONNECT")),
    ];
    for (what, fields) in &cases {
        assert!(!is_served(gateway.address, fields, None).await, "{what} was served");
        assert_eq!(gateway.forwarded(), before, "{what} was forwarded: {:?}", gateway.api("API_1").requests().pop());
    }
    for length in ["10", "3", "+4", "4, 4", "0x4", ""] {
        let fields = [instead(":method", "POST").as_slice(), &[("content-length", length)]].concat();
        assert!(!is_served(gateway.address, &fields, Some(b"body")).await, "length {length:?} was served");
        assert_eq!(gateway.forwarded(), before, "length {length:?} was forwarded");
    }
    let fields = [instead(":method", "POST").as_slice(), &[("content-length", "4"), ("content-length", "5")]].concat();
    assert!(!is_served(gateway.address, &fields, Some(b"body")).await, "two lengths were served");
    assert_eq!(gateway.forwarded(), before);
    // A fragment is gone before anybody here could see it: what is matched and what is forwarded is the path without it.
    assert!(is_served(gateway.address, &instead(":path", "/x#y"), None).await);
    assert_eq!(gateway.api("API_1").last().target(), "/x");
}
