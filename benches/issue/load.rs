//! The clients that ask for tokens: as little as HTTP/1.1 needs, because they are not measured.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Posts every form to the token endpoint, over `connections`, each after the answer to the one before; every answer must
/// bring a token.
pub async fn ask(address: SocketAddr, authorization: &str, forms: &[String], connections: usize) {
    let mut clients = JoinSet::new();
    for share in forms.chunks(forms.len().div_ceil(connections)) {
        let requests: Vec<String> = share.iter().map(|form| request(authorization, form)).collect();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("the issuer accepts");
            stream.set_nodelay(true).expect("a socket takes options");
            let mut answer = Vec::new();
            for request in requests {
                stream.write_all(request.as_bytes()).await.expect("the issuer reads");
                answer.clear();
                while !is_whole(&answer) {
                    let read = stream.read_buf(&mut answer).await.expect("the issuer answers");
                    assert!(read > 0, "the issuer closed: {}", String::from_utf8_lossy(&answer));
                }
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            }
        });
    }
    clients.join_all().await;
}

fn request(authorization: &str, form: &str) -> String {
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
