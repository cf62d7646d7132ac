//! Several servers behind one resource: what is sent again, to where, and which server is passed over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Client, Reply};
use crate::gateway::{Issuer, Running, certificate, public, public_before, start, start_with};
use crate::origin::Origin;

/// A server that reads each request whole and closes without a word.
struct Mute {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Mute {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mute = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = Arc::clone(&mute.requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(listen_to(stream, Arc::clone(&requests)));
            }
        });
        mute
    }

    fn asked(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn listen_to(mut stream: TcpStream, requests: Arc<AtomicUsize>) {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        if bytes[0] == 0x16 {
            // The beginning of a TLS handshake, which comes to nothing either.
            return;
        }
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        // Of HTTP/2 the preface is enough: whatever comes behind it stays without an answer.
        let whole = text.find("\r\n\r\n").map(|head| {
            let length = text[..head].split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            head + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap())
        });
        if whole.is_some_and(|whole| bytes.len() >= whole) {
            requests.fetch_add(1, Ordering::SeqCst);
            return;
        }
    }
}

async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn before(servers: &[SocketAddr], more: &str) -> String {
    let urls: Vec<String> = servers.iter().map(|address| format!("\"http://{address}\"")).collect();
    public_before(&format!("urls: [{}], {more}", urls.join(", ")))
}

async fn ask(gateway: &Running, method: &str, body: usize) -> Reply {
    let mut client = Client::connect(gateway.address).await;
    client.request(method, "/", &format!("Content-Length: {body}\r\n")).await;
    client.send("x".repeat(body)).await;
    client.reply().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_sent_again_elsewhere_and_a_post_never_is() {
    let (mute, origin) = (Mute::start().await, Origin::start(false).await);
    let gateway = start(&before(&[mute.address, origin.address], "eject: never")).await;
    for _ in 0..4 {
        assert_eq!(ask(&gateway, "GET", 0).await.status, 200);
    }
    assert_eq!(origin.asked(), 4);
    assert!(mute.asked() >= 2, "it had its turns");
    let sent = mute.asked() + origin.asked();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&gateway, "POST", 3).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
    assert_eq!(mute.asked() + origin.asked() - sent, 4, "each was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_sent_again_whole_or_not_at_all() {
    for (body, status) in [(40_000, 200), (200_000, 502)] {
        let (mute, origin) = (Mute::start().await, Origin::start(false).await);
        let gateway = start(&before(&[mute.address, origin.address], "eject: never")).await;
        let reply = ask(&gateway, "PUT", body).await;
        assert_eq!((mute.asked(), reply.status), (1, status));
        if status == 200 {
            assert_eq!(reply.json()["length"], body);
        } else {
            assert_eq!(origin.asked(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_again_where_the_configuration_says_never() {
    let (mute, origin) = (Mute::start().await, Origin::start(false).await);
    let gateway = start(&before(&[mute.address, origin.address], "eject: never, retry: never")).await;
    assert_eq!(ask(&gateway, "GET", 0).await.status, 502);
    assert_eq!((mute.asked(), origin.asked()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_three_times_at_most_and_once_to_an_only_server() {
    let mutes = [Mute::start().await, Mute::start().await, Mute::start().await, Mute::start().await];
    let gateway = start(&before(&mutes.each_ref().map(|mute| mute.address), "eject: never")).await;
    assert_eq!(ask(&gateway, "GET", 0).await.status, 502);
    assert_eq!(mutes.iter().map(Mute::asked).collect::<Vec<_>>(), [1, 1, 1, 0]);

    let gateway = start(&public(mutes[3].address, "")).await;
    assert_eq!(ask(&gateway, "GET", 0).await.status, 502);
    assert_eq!(mutes[3].asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_may_still_be_at_work() {
    let (silent, origin) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Origin::start(false).await);
    let servers = [silent.local_addr().unwrap(), origin.address];
    let gateway = start(&before(&servers, "read_timeout: 200ms, eject: { after: 1 }")).await;
    assert_eq!(ask(&gateway, "GET", 0).await.status, 504);
    assert_eq!(origin.asked(), 0);
    gateway.until_server(0, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_passed_over_and_tried_when_there_is_no_other() {
    for failing in [nowhere().await, Mute::start().await.address] {
        let origin = Origin::start(false).await;
        let gateway = start(&before(&[failing, origin.address], "eject: { after: 1, for: 1h }")).await;
        gateway.until_server(0, true).await;
        assert_eq!(ask(&gateway, "GET", 0).await.status, 200);
        gateway.until_server(0, false).await;
        for _ in 0..3 {
            assert_eq!(ask(&gateway, "POST", 3).await.status, 200);
        }
    }
    let (one, other) = (Mute::start().await, Mute::start().await);
    let gateway = start(&before(&[one.address, other.address], "eject: { after: 1, for: 1h }")).await;
    for _ in 0..2 {
        assert_eq!(ask(&gateway, "GET", 0).await.status, 502);
    }
    assert_eq!((one.asked(), other.asked()), (2, 2), "nobody is ever shut out");
}

/// A server that waits for no body.
async fn impatient() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_keeps_its_body_back_makes_no_server_look_bad() {
    let servers = [impatient().await, impatient().await];
    let gateway = start(&before(&servers, "eject: { after: 1, for: 1h }, retry: never")).await;
    for _ in 0..4 {
        let mut client = Client::connect(gateway.address).await;
        client.request("POST", "/", "Content-Length: 9\r\n").await;
        assert_eq!(client.reply().await.status, 502);
    }
    gateway.until_server(0, true).await;
    gateway.until_server(1, true).await;
    assert_eq!(ask(&gateway, "GET", 0).await.status, 502, "a request that arrived whole counts");
    assert_eq!(ask(&gateway, "GET", 0).await.status, 502);
    gateway.until_server(0, false).await;
    gateway.until_server(1, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_comes_back_by_one_request() {
    let address = nowhere().await;
    let origin = Origin::start(false).await;
    let gateway = start(&before(&[address, origin.address], "eject: { after: 1, for: 100ms }")).await;
    assert_eq!(ask(&gateway, "GET", 0).await.status, 200);
    gateway.until_server(0, false).await;
    let back = Origin::start_at(address).await;
    while back.asked() == 0 {
        assert_eq!(ask(&gateway, "GET", 0).await.status, 200);
    }
    gateway.until_server(0, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_has_turns_checks_and_further_tries() {
    let (shown, _) = certificate("127.0.0.1");
    for (scheme, protocol, version) in [
        ("http", "http1", "HTTP/1.1"),
        ("http", "http2", "HTTP/2.0"),
        ("https", "http1", "HTTP/1.1"),
        ("https", "http2", "HTTP/2.0"),
    ] {
        let (one, other) = match scheme {
            "https" => (Origin::start_tls(&shown).await, Origin::start_tls(&shown).await),
            _ => (Origin::start(protocol == "http2").await, Origin::start(protocol == "http2").await),
        };
        let (mute, down) = (Mute::start().await, nowhere().await);
        let urls = [down, mute.address, one.address, other.address].map(|address| format!("\"{scheme}://{address}\""));
        let check = "health_check: { path: /health, interval: 100ms, unhealthy_after: 1 }, eject: never";
        let yaml = public_before(&format!("urls: [{}], protocol: {protocol}, {check}", urls.join(", ")));
        let gateway =
            start_with(&yaml, &Issuer::new(), |config| config.trusted_cas = Some(shown.cert_pem.clone())).await;
        for _ in 0..8 {
            let reply = ask(&gateway, "GET", 0).await;
            assert_eq!((reply.status, &reply.json()["version"]), (200, &version.into()), "{scheme} {protocol}");
        }
        for (number, healthy) in [(0, false), (1, false), (2, true), (3, true)] {
            gateway.until_server(number, healthy).await;
        }
        let checked = one.asked();
        while one.asked() == checked {
            tokio::task::yield_now().await;
        }
        gateway.until_server(2, true).await;
    }
}

/// How a server of HTTP/2 ends a request without an answer.
#[derive(Clone, Copy)]
enum End {
    /// The whole connection.
    Connection,
    /// This stream alone.
    Stream,
}

/// A server of HTTP/2 that takes each request and ends it so.
async fn mute_http2(end: End) -> Mute {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = Mute { address: listener.local_addr().unwrap(), requests: Arc::default() };
    let requests = Arc::clone(&mute.requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    requests.fetch_add(1, Ordering::SeqCst);
                    match end {
                        End::Connection => return,
                        End::Stream => answer.send_reset(h2::Reason::INTERNAL_ERROR),
                    }
                }
            });
        }
    });
    mute
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_as_well_a_get_is_sent_again_elsewhere_and_a_post_never_is() {
    for (end, is_fault) in [(End::Connection, true), (End::Stream, false)] {
        let (mute, origin) = (mute_http2(end).await, Origin::start(true).await);
        let gateway =
            start(&before(&[mute.address, origin.address], "protocol: http2, eject: { after: 2, for: 1h }")).await;
        assert_eq!(ask(&gateway, "GET", 0).await.status, 200);
        assert_eq!((mute.asked(), origin.asked()), (1, 1));
        let mut statuses = [ask(&gateway, "POST", 3).await.status, ask(&gateway, "POST", 3).await.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 502]);
        assert_eq!((mute.asked(), origin.asked()), (2, 2));
        // A connection that breaks tells of its server; a stream that is reset, of its request only.
        gateway.until_server(0, !is_fault).await;
    }
}
