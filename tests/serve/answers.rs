//! What a server answers, byte for byte: where an answer ends, and which connection the next request gets.
//!
//! Requests with a body and without one go different ways to an upstream; whatever is shown here is shown of both.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::client::Client;
use crate::gateway::{Running, public, public_before, start};

/// The two ways: a method, and the fields and the body that go with it.
const WAYS: [(&str, &str, &str); 2] = [("GET", "", ""), ("PUT", "Content-Length: 3\r\n", "abc")];

/// A piece of an answer: how long the server waits before, and what it says then.
type Piece = (u64, &'static str);

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What is said at a target; a piece that is empty closes the connection.
fn script(target: &str) -> &'static [Piece] {
    match target {
        "/ok" => &[(0, OK)],
        "/more" => {
            &[(0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")]
        }
        "/later" => &[(0, OK), (100, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")],
        "/leaves" => &[(0, OK), (50, "")],
        "/last" => &[(0, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")],
        "/old" => &[(0, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")],
        "/endless" => &[(0, "HTTP/1.1 200 OK\r\n\r\n"), (20, "one"), (20, "two"), (20, "")],
        "/cut" => &[(0, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\none"), (20, "")],
        "/torn" => &[(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"), (20, "")],
        "/stalls" => &[(0, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\none"), (5_000, "")],
        "/chunks" => &[
            (0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"),
            (200, "3\r\ntwo\r\n"),
            (20, "0\r\n\r\n"),
        ],
        "/drips" => &[(0, "HTTP/1.1 2"), (20, "00 OK\r\nContent-"), (20, "Length: 2\r\n\r"), (20, "\no"), (20, "k")],
        "/hints" => &[
            (0, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"),
            (20, "HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ],
        "/none" => &[(0, "HTTP/1.1 204 No Content\r\n\r\n")],
        "/same" => &[(0, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"1\"\r\n\r\n")],
        "/noise" => &[(0, "HTP/1.1 200 OK\r\n\r\n"), (20, "")],
        "/two-lengths" => &[(0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"), (20, "")],
        "/switches" => {
            &[(0, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nevil"), (20, "")]
        }
        "/phrase" => &[(0, "HTTP/1.1 200 As You Like\r\nX-Cased: Kept\r\nContent-Length: 2\r\n\r\nok")],
        other => panic!("nothing is said at {other}"),
    }
}

/// Starts a server that answers by [`script`], and says in each header which connection it came over.
async fn scripted() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 1.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(converse(stream, number));
        }
    });
    address
}

async fn converse(mut stream: TcpStream, number: usize) {
    stream.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(end) = text.find("\r\n\r\n") else {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let body = if text.to_ascii_lowercase().contains("content-length: 3") { 3 } else { 0 };
        while bytes.len() < end + 4 + body {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        bytes.drain(..end + 4 + body);
        let target = text.split(' ').nth(1).unwrap();
        for (wait, said) in script(target) {
            sleep(Duration::from_millis(*wait)).await;
            let numbered = said.replacen("\r\n", &format!("\r\nX-Connection: {number}\r\n"), 1);
            let is_head = said.starts_with("HTTP/") && said.contains("\r\n") && !said.contains(" 103 ");
            let said = if is_head { numbered.as_str() } else { said };
            if said.is_empty() || stream.write_all(said.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn before_scripted() -> Running {
    start(&public(scripted().await, "")).await
}

async fn ask(client: &mut Client, (method, fields, body): (&str, &str, &str), target: &str) {
    client.request(method, target, fields).await;
    client.send(body).await;
}

/// The connection over which `/ok` is answered, as it should be.
async fn connection(client: &mut Client, way: (&str, &str, &str)) -> String {
    ask(client, way, "/ok").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]));
    reply.field("x-connection").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_leaves_a_connection_for_the_next_request() {
    let gateway = before_scripted().await;
    for way in WAYS {
        let mut client = Client::connect(gateway.address).await;
        let first = connection(&mut client, way).await;
        for target in ["/ok", "/chunks", "/drips", "/hints", "/none", "/same", "/phrase"] {
            ask(&mut client, way, target).await;
            if target == "/same" {
                // A length, and no body that has it (RFC 9110 §15.4.5).
                assert!(client.head().await.starts_with("HTTP/1.1 304 "));
            } else {
                let mut reply = client.reply().await;
                while reply.status == 103 {
                    reply = client.reply().await;
                }
                assert!(matches!(reply.status, 200 | 204), "{target}: {reply:?}");
            }
            // Pingora's own way gives a connection back a moment after the answer.
            sleep(Duration::from_millis(20)).await;
            assert_eq!(connection(&mut client, way).await, first, "after {target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_behind_an_answer_is_nobodys() {
    let gateway = before_scripted().await;
    for way in WAYS {
        for target in ["/more", "/later", "/leaves", "/last", "/old"] {
            let mut client = Client::connect(gateway.address).await;
            ask(&mut client, way, target).await;
            let reply = client.reply().await;
            assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]), "{target}");
            sleep(Duration::from_millis(150)).await;
            let used = reply.field("x-connection").unwrap();
            assert_ne!(connection(&mut client, way).await, used, "after {target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_with_its_connection_is_whole_for_the_client() {
    let gateway = before_scripted().await;
    for way in WAYS {
        let mut client = Client::connect(gateway.address).await;
        ask(&mut client, way, "/endless").await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"onetwo"[..]));
        assert_eq!(reply.field("transfer-encoding"), Some("chunked"));
        connection(&mut client, way).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_off_is_cut_off_for_the_client() {
    let gateway = before_scripted().await;
    for way in WAYS {
        for target in ["/cut", "/torn"] {
            let mut client = Client::connect(gateway.address).await;
            ask(&mut client, way, target).await;
            assert!(client.head().await.starts_with("HTTP/1.1 200 "), "{target}");
            let begun = if target == "/torn" { "3\r\none\r\n" } else { "one" };
            assert_eq!(client.bytes(begun.len()).await, begun.as_bytes());
            assert!(client.is_closed().await, "{target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stalls_in_its_answer_is_left() {
    let address = scripted().await;
    let gateway = start(&public_before(&format!("urls: [\"http://{address}\"], read_timeout: 200ms"))).await;
    for way in WAYS {
        let mut client = Client::connect(gateway.address).await;
        ask(&mut client, way, "/stalls").await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(client.bytes(3).await, b"one");
        assert!(client.is_closed().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_an_answer_reach_the_client_as_they_come() {
    let gateway = before_scripted().await;
    for way in WAYS {
        let mut client = Client::connect(gateway.address).await;
        ask(&mut client, way, "/chunks").await;
        client.head().await;
        assert_eq!(client.bytes(8).await, b"3\r\none\r\n");
        let begun = std::time::Instant::now();
        assert_eq!(client.bytes(13).await, b"3\r\ntwo\r\n0\r\n\r\n");
        assert!(begun.elapsed() > Duration::from_millis(100), "both pieces came at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_come_before_the_answer() {
    let gateway = before_scripted().await;
    for way in WAYS {
        let mut client = Client::connect(gateway.address).await;
        ask(&mut client, way, "/hints").await;
        for link in ["</a.css>", "</b.css>"] {
            let hint = client.reply().await;
            assert_eq!((hint.status, hint.field("link")), (103, Some(link)));
        }
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]));
        // HTTP/1.0 knows none.
        let mut old = Client::connect(gateway.address).await;
        let (method, fields, body) = way;
        old.send(format!("{method} /hints HTTP/1.0\r\nHost: api.example\r\n{fields}\r\n{body}")).await;
        assert_eq!(old.reply().await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_502() {
    let gateway = before_scripted().await;
    for way in WAYS {
        for target in ["/noise", "/two-lengths", "/switches"] {
            let mut client = Client::connect(gateway.address).await;
            ask(&mut client, way, target).await;
            let reply = client.reply().await;
            assert_eq!((reply.status, &reply.json()["reason"]), (502, &"upstream_unavailable".into()), "{target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_keeps_its_phrase_and_its_values() {
    let gateway = before_scripted().await;
    for way in WAYS {
        let mut client = Client::connect(gateway.address).await;
        ask(&mut client, way, "/phrase").await;
        let reply = client.reply().await;
        assert!(reply.head.starts_with("HTTP/1.1 200 As You Like\r\n"), "{}", reply.head);
        assert!(reply.head.contains("\r\nx-cased: Kept\r\n"), "{}", reply.head);
    }
}
