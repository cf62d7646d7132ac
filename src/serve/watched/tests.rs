//! The stream below Pingora, driven by hand.

use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::*;

fn watched(patience: Patience) -> (Watched<DuplexStream>, DuplexStream, Arc<Connection>, Arc<Metrics>) {
    let (client, server) = tokio::io::duplex(1 << 20);
    let connection = Arc::new(Connection::new("192.0.2.1:4711".parse().unwrap(), 80, false));
    let metrics = Arc::new(Metrics::default());
    let answer: RefusalAnswer = |refusal| Bytes::from_static(refusal.as_str().as_bytes());
    let watched = Watched::new(server, Arc::clone(&connection), patience, Arc::clone(&metrics), answer);
    (watched, client, connection, metrics)
}

fn patience() -> Patience {
    Patience { header: Duration::from_secs(10), idle: Duration::from_secs(60), header_bytes: 1024 }
}

async fn rest(mut client: DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn a_header_that_drips_has_one_deadline_for_all_of_it() {
    let (mut watched, mut client, _, metrics) = watched(patience());
    let begun = Instant::now();
    let drip = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nHost: a.example\r\nX: aaaaaaaaaaaaaaaaaa" {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        client
    });
    let mut head = Vec::new();
    watched.read_to_end(&mut head).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert!(!head.is_empty());
    Shutdown::shutdown(&mut watched).await;
    drop(watched);
    assert!(metrics.encode().contains(r#"connections_refused_total{reason="header_timeout"} 1"#));
    assert_eq!(rest(drip.await.unwrap()).await, "header_timeout");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_without_a_word() {
    let (mut watched, mut client, connection, metrics) = watched(patience());
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut buffer = [0; 64];
    assert_eq!(watched.read(&mut buffer).await.unwrap(), 18);
    connection.head_arrived();
    connection.exchange_ends();
    let begun = Instant::now();
    assert_eq!(watched.read(&mut buffer).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert!(!metrics.encode().contains("connections_refused_total{"));
    drop(watched);
    assert_eq!(rest(client).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_has_no_deadline_here() {
    let (mut watched, mut client, connection, _) = watched(patience());
    client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut buffer = [0; 64];
    assert_eq!(watched.read(&mut buffer).await.unwrap(), 19);
    connection.head_arrived();
    let slow = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        client.write_all(b"body").await.unwrap();
        client
    });
    assert_eq!(watched.read(&mut buffer).await.unwrap(), 4);
    slow.await.unwrap();
}

#[tokio::test]
async fn a_header_that_does_not_end_is_cut_off() {
    let (mut watched, mut client, _, _) = watched(patience());
    let flood = tokio::spawn(async move {
        let _ = client.write_all(&vec![b'a'; 1024 + BODY_SLACK + 1]).await;
        client
    });
    let mut head = Vec::new();
    watched.read_to_end(&mut head).await.unwrap();
    assert!(head.len() <= 1024 + BODY_SLACK);
    Shutdown::shutdown(&mut watched).await;
    drop(watched);
    assert_eq!(rest(flood.await.unwrap()).await, "header_too_large");
}

#[tokio::test]
async fn what_pingora_refuses_by_itself_is_answered_in_our_words() {
    for (written, answered) in [("HTTP/1.1 400 Bad Request\r\n", "malformed"), ("HTTP/1.1 405 Not\r\n", "method")] {
        let (mut watched, mut client, _, metrics) = watched(patience());
        client.write_all(b"rubbish\r\n\r\n").await.unwrap();
        let mut buffer = [0; 64];
        watched.read_exact(&mut buffer[..11]).await.unwrap();
        watched.write_all(written.as_bytes()).await.unwrap();
        AsyncWriteExt::shutdown(&mut client).await.unwrap();
        Shutdown::shutdown(&mut watched).await;
        drop(watched);
        assert_eq!(rest(client).await, answered);
        assert!(metrics.encode().contains(&format!(r#"connections_refused_total{{reason="{answered}"}} 1"#)));
    }
}

#[tokio::test]
async fn the_shortest_request_is_not_taken_for_the_beginning_of_http2() {
    let (mut watched, mut client, connection, _) = watched(patience());
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(watched.greets().await);
    let mut peeked = [0xff; 24];
    assert!(watched.try_peek(&mut peeked).await.unwrap());
    assert_ne!(peeked, HTTP2_PREFACE);
    assert_eq!(connection.stage(), Stage::Waiting);
    let mut head = [0; 18];
    watched.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(connection.stage(), Stage::Head);
}

#[tokio::test]
async fn http2_passes_through() {
    let (mut watched, mut client, connection, _) = watched(patience());
    client.write_all(HTTP2_PREFACE).await.unwrap();
    assert!(watched.greets().await);
    assert_eq!(connection.stage(), Stage::Multiplexed);
    let mut preface = [0; 24];
    watched.read_exact(&mut preface).await.unwrap();
    watched.write_all(b"HTTP/1.1 400 is a frame here").await.unwrap();
    watched.flush().await.unwrap();
    drop(watched);
    assert_eq!(rest(client).await, "HTTP/1.1 400 is a frame here");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_given_up() {
    let (mut watched, _client, _, _) = watched(patience());
    assert!(!watched.greets().await);
}
