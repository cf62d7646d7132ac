//! The upstream that answers and the load that asks: as little as HTTP/1.1 needs, because neither is measured.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Answers every request that has no body.
pub async fn answer(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let mut head = Vec::new();
            while let Ok(1..) = stream.read_buf(&mut head).await {
                while let Some(end) = find(&head, HEAD_END) {
                    head.drain(..end + HEAD_END.len());
                    if stream.write_all(ANSWER).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// Sends `requests` over `connections`, each after the answer to the one before; every answer must be a 200.
pub async fn ask(address: SocketAddr, request: &str, requests: usize, connections: usize) {
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let request = request.to_owned();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("the proxy accepts");
            stream.set_nodelay(true).expect("a socket takes options");
            let mut answer = Vec::new();
            for _ in 0..requests / connections {
                stream.write_all(request.as_bytes()).await.expect("the proxy reads");
                answer.clear();
                while !answer.ends_with(b"Hello, world!") {
                    let read = stream.read_buf(&mut answer).await.expect("the proxy answers");
                    assert!(read > 0, "the proxy closed: {}", String::from_utf8_lossy(&answer));
                }
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            }
        });
    }
    clients.join_all().await;
}

fn find(text: &[u8], sought: &[u8]) -> Option<usize> {
    text.windows(sought.len()).position(|window| window == sought)
}
