//! Removal bites at once: no connection, kept or new, is served by what is no more (THREATS I23).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::client::answer;

/// An origin that answers a WebSocket with 101, everything else with an answer that has no end, and says `hi`.
async fn endless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
                let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi";
                let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";
                let is_upgrade = String::from_utf8_lossy(&head).to_ascii_lowercase().contains("upgrade: websocket");
                let _ = stream.write_all(if is_upgrade { upgrade } else { chunks }.as_bytes()).await;
                // Silent from here on, until the gateway goes.
                let _ = stream.read_to_end(&mut head).await;
            });
        }
    });
    address
}

fn streaming(origin: SocketAddr, more: &str) -> String {
    format!("https://api2.example.com: {{ public: true, upstream: \"http://{origin}\", upgrade: [websocket]{more} }}")
}

/// Sends a request over HTTP/1.1 and reads until `hi` has come.
async fn begun(place: &Workplace, fields: &str) -> TcpStream {
    let mut stream = TcpStream::connect(place.gateway.address).await.expect("the gateway listens");
    let request = format!("GET / HTTP/1.1\r\nHost: {API2}\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.expect("the request is taken");
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("hi") {
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("it goes on").expect("it is open");
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&answer));
    }
    stream
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn ends(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it comes to an end");
    assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "an answer that was cut must not look whole");
    drop(ended);
}

#[tokio::test]
async fn a_kept_connection_is_judged_by_what_is_there_now() {
    let place = Workplace::start(&yaml(&[FIRST, SECOND])).await;
    let token = place.gateway.issuer("ISSUER_CORP").token("https://api2.example.com", "x");
    let mut stream = TcpStream::connect(place.gateway.address).await.expect("the gateway listens");
    let stream2 = TcpStream::connect(place.gateway.address).await.expect("the gateway listens");
    let (mut client, connection) = h2::client::handshake(stream2).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let request = format!("GET / HTTP/1.1\r\nHost: {API2}\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut both = async || {
        stream.write_all(request.as_bytes()).await.expect("the connection was kept");
        let (status, closes) = answer(&mut stream).await.expect("an answer comes");
        assert!(!closes);
        let uri = format!("http://{API2}/");
        let request = http::Request::get(uri).header("authorization", format!("Bearer {token}")).body(());
        let (answer2, _) = client.send_request(request.expect("it is one"), true).expect("the connection was kept");
        let status2 = answer2.await.expect("an answer comes").status().as_u16();
        (status, status2)
    };
    assert_eq!(both().await, (200, 200));
    place.adopt(&yaml(&[FIRST])).await;
    assert_eq!(both().await, (421, 421));
    place.adopt(&yaml(&[FIRST, SECOND])).await;
    assert_eq!(both().await, (200, 200));
    place.adopt(&yaml(&[FIRST, &SECOND.replace("scopes: [x]", "scopes: [x, y], required_scopes: [y]")])).await;
    assert_eq!(both().await, (403, 403));
}

#[tokio::test]
async fn what_is_under_way_ends_at_once_where_the_resource_said_so() {
    let origin = endless().await;
    let place = Workplace::start(&yaml(&[FIRST, &streaming(origin, ", on_removal: close")])).await;
    let (tunnel, stream) = (begun(&place, UPGRADE).await, begun(&place, "").await);
    place.adopt(&yaml(&[FIRST])).await;
    ends(tunnel).await;
    ends(stream).await;
    place.gateway.line("the resource was removed").await;
}

#[tokio::test]
async fn what_is_under_way_ends_within_the_age_of_tunnels() {
    let origin = endless().await;
    let text = |resources: &[&str]| format!("limits: {{ tunnel_age: 2s }}\n{}", yaml(resources));
    let place = Workplace::start(&text(&[FIRST, &streaming(origin, "")])).await;
    let stream = begun(&place, "").await;
    place.adopt(&text(&[FIRST])).await;
    let begun = std::time::Instant::now();
    ends(stream).await;
    assert!(begun.elapsed() > Duration::from_secs(1), "it had its time");
}

#[tokio::test]
async fn over_http2_the_other_streams_of_the_connection_go_on() {
    let origin = endless().await;
    let other = streaming(origin, "").replace("api2", "api3");
    let place = Workplace::start(&yaml(&[&other, &streaming(origin, ", on_removal: close")])).await;
    let stream = TcpStream::connect(place.gateway.address).await.expect("the gateway listens");
    let (mut client, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let mut open = async |host: &str| {
        let request = http::Request::get(format!("http://{host}/")).body(()).expect("it is one");
        let (answer, _) = client.send_request(request, true).expect("the connection is open");
        let mut body = answer.await.expect("an answer comes").into_body();
        assert_eq!(body.data().await.expect("it begins").expect("with this"), "hi");
        body
    };
    let (mut removed, mut kept) = (open(API2).await, open("api3.example.com").await);
    place.adopt(&yaml(&[&other])).await;
    let end = timeout(PATIENCE, removed.data()).await.expect("it comes to an end");
    assert!(end.expect("it is told").is_err_and(|error| error.is_reset()));
    assert!(timeout(Duration::from_millis(300), kept.data()).await.is_err(), "the other one goes on");
    assert!(!open("api3.example.com").await.is_end_stream());
}

#[tokio::test]
async fn an_issuer_that_is_no_more_vouches_no_more() {
    let both = yaml(&[FIRST])
        .replace("resources:", "  partner: { issuer: \"${ISSUER_PARTNER}\", algorithms: [ES256] }\nresources:");
    let place = Workplace::start(&both).await;
    let token = place.gateway.issuer("ISSUER_PARTNER").token("https://api1.example.com", "x");
    let verdict = async || place.gateway.get(API1, "/", &token).send().await.verdict();
    assert_eq!(verdict().await, "200");
    place.adopt(&yaml(&[FIRST])).await;
    assert_eq!(verdict().await, "401 issuer_untrusted");
    let changed = place.adopt(&both).await;
    assert!(changed.contains(&"trusted issuer partner: added".to_owned()), "{changed:?}");
    assert_eq!(verdict().await, "200", "its keys were tried before it was trusted");
}

#[tokio::test]
async fn what_was_counted_for_a_removed_resource_is_forgotten() {
    let place = Workplace::start(&yaml(&[FIRST, SECOND])).await;
    assert_eq!(place.verdict(API2).await, "200");
    let metrics = async || Ask::new(place.gateway.admin, "GET", "localhost", "/metrics").send().await.body;
    assert!(metrics().await.contains("https://api2.example.com"));
    place.adopt(&yaml(&[FIRST])).await;
    let forgotten = async {
        while metrics().await.contains("https://api2.example.com") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, forgotten).await.expect("it is forgotten once nothing is under way");
}
