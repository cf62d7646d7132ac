//! The clients that ask for tokens: as little as HTTP/1.1 needs, because they are not measured.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One connection, which is kept.
struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    async fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the issuer accepts");
        stream.set_nodelay(true).expect("a socket takes options");
        Self { stream, answer: Vec::new() }
    }

    /// Sends a request and reads its answer, which must be a 200.
    async fn ask(&mut self, request: &[u8]) -> &str {
        self.stream.write_all(request).await.expect("the issuer reads");
        self.answer.clear();
        while !is_whole(&self.answer) {
            let read = self.stream.read_buf(&mut self.answer).await.expect("the issuer answers");
            assert!(read > 0, "the issuer closed: {}", String::from_utf8_lossy(&self.answer));
        }
        let answer = std::str::from_utf8(&self.answer).expect("an answer is text");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}

/// Sends every request, over `connections`, each after the answer to the one before.
pub async fn ask(address: SocketAddr, requests: &[String], connections: usize) {
    let mut clients = JoinSet::new();
    for share in requests.chunks(requests.len().div_ceil(connections)) {
        let share = share.to_vec();
        clients.spawn(async move {
            let mut client = Client::new(address).await;
            for request in share {
                client.ask(request.as_bytes()).await;
            }
        });
    }
    clients.join_all().await;
}

/// Refreshes each of these grants so often, each over a connection of its own; gives the tokens that they have then.
pub async fn refresh(address: SocketAddr, authorization: &str, tokens: &[String], times: usize) -> Vec<String> {
    let mut clients = JoinSet::new();
    for token in tokens {
        let (mut token, authorization) = (token.clone(), authorization.to_owned());
        clients.spawn(async move {
            let mut client = Client::new(address).await;
            for _ in 0..times {
                let request = post(&authorization, &format!("grant_type=refresh_token&refresh_token={token}"));
                let answer = client.ask(request.as_bytes()).await;
                let next = answer.split_once(r#""refresh_token":""#).and_then(|(_, rest)| rest.split_once('"'));
                token = next.expect("there is a successor").0.to_owned();
            }
            token
        });
    }
    clients.join_all().await
}

/// A request to the token endpoint.
pub fn post(authorization: &str, form: &str) -> String {
    format!(
        "POST /token HTTP/1.1\r\nHost: auth.example\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// Whether the head is there, and as much body as it announces.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}
