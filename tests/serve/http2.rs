//! HTTP/2 on both sides, with and without TLS.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use narrowgate::config::{Purpose, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::gateway::{Issuer, Running, certificate, public, public_before, start, start_public, start_with};
use crate::origin::{Origin, RawOrigin};

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn connect(gateway: &Running) -> SendRequest<Bytes> {
    handshake(TcpStream::connect(gateway.address).await.unwrap()).await
}

fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("https://api.example{path}")).body(()).unwrap()
}

async fn send(sender: &SendRequest<Bytes>, request: Request<()>, pieces: &[&'static [u8]]) -> Response<h2::RecvStream> {
    let mut sender = sender.clone().ready().await.unwrap();
    let (response, mut body) = sender.send_request(request, pieces.is_empty()).unwrap();
    for (at, piece) in pieces.iter().enumerate() {
        body.send_data(Bytes::from_static(piece), at + 1 == pieces.len()).unwrap();
    }
    response.await.unwrap()
}

async fn read(response: Response<h2::RecvStream>) -> (StatusCode, Vec<u8>, Option<HeaderMap>) {
    let status = response.status();
    let (mut bytes, mut body) = (Vec::new(), response.into_body());
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    (status, bytes, body.trailers().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http2_is_spoken_by_prior_knowledge() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let sender = connect(&gateway).await;
    let (status, body, _) = read(send(&sender, request(Method::GET, "/a?b=1"), &[]).await).await;
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &told["target"]), (StatusCode::OK, &"/a?b=1".into()));
    assert_eq!(told["fields"]["x-forwarded-host"][0], "api.example");
    assert_eq!(told["fields"]["host"][0], origin.address.to_string());
    assert_eq!(told["fields"]["via"][0], "2 narrowgate");
    let (_, body, _) = read(send(&sender, request(Method::POST, "/"), &[b"abc", b"def"]).await).await;
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["length"], &told["fields"]["transfer-encoding"][0]), (&6.into(), &"chunked".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_is_named_and_cookies_are_put_together() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let sender = connect(&gateway).await;
    let mut crumbs = request(Method::GET, "/");
    crumbs.headers_mut().append("cookie", "a=1".parse().unwrap());
    crumbs.headers_mut().append("cookie", "b=2".parse().unwrap());
    let (_, body, _) = read(send(&sender, crumbs, &[]).await).await;
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["fields"]["cookie"], serde_json::json!(["a=1; b=2"]));
    let asked = origin.asked();
    let mut two_hosts = request(Method::GET, "/");
    two_hosts.headers_mut().insert("host", "other.example".parse().unwrap());
    let (answer, _) = sender.clone().ready().await.unwrap().send_request(two_hosts, true).unwrap();
    assert!(answer.await.is_ok_and(|answer| answer.status() == StatusCode::BAD_REQUEST));
    assert_eq!(origin.asked(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_a_connection() {
    let origin = Origin::start(false).await;
    let gateway = start_public(origin.address).await;
    let sender = connect(&gateway).await;
    let mut under_way = Vec::new();
    for _ in 0..50 {
        let sender = sender.clone();
        under_way.push(tokio::spawn(async move { read(send(&sender, request(Method::GET, "/"), &[]).await).await.0 }));
    }
    for answer in under_way {
        assert_eq!(answer.await.unwrap(), StatusCode::OK);
    }
}

async fn tls(
    gateway: &Running,
    name: &str,
    root: &CertificateDer<'static>,
    alpn: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_and_http1_are_spoken_over_tls_with_the_certificate_that_fits() {
    let origin = Origin::start(false).await;
    let ((first, _), (second, root)) = (certificate("other.example"), certificate("api.example"));
    let gateway = start_with(&public(origin.address, ""), &Issuer::new(), move |config| {
        config.listeners[0].purpose = Purpose::Https(Tls::new(vec![first, second]));
    })
    .await;
    let sender = handshake(tls(&gateway, "api.example", &root, b"h2").await).await;
    let (status, body, _) = read(send(&sender, request(Method::GET, "/"), &[]).await).await;
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &told["fields"]["x-forwarded-proto"][0]), (StatusCode::OK, &"https".into()));

    let mut http1 = tls(&gateway, "api.example", &root, b"http/1.1").await;
    tokio::io::AsyncWriteExt::write_all(
        &mut http1,
        b"GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n",
    )
    .await
    .unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut http1, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_is_counted() {
    let origin = Origin::start(false).await;
    let (site, _) = certificate("api.example");
    let yaml = format!("limits: {{ header_timeout: 200ms }}\n{}", public(origin.address, ""));
    let tls = Purpose::Https(Tls::new(vec![site]));
    let gateway = start_with(&yaml, &Issuer::new(), move |config| config.listeners[0].purpose = tls).await;
    let mut plain = crate::client::Client::connect(gateway.address).await;
    plain.request("GET", "/", "").await;
    while plain.more().await {}
    let mut silent = crate::client::Client::connect(gateway.address).await;
    assert!(silent.is_closed().await);
    gateway.counts(r#"narrowgate_connections_refused_total{reason="tls"} 2"#).await;
}

/// Pingora's issue #935: an upload that ends in an empty DATA frame ended its chunked body twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_ends_in_an_empty_frame_leaves_the_upstream_in_step() {
    let mut origin = RawOrigin::start().await;
    let gateway = start_public(origin.address).await;
    let sender = connect(&gateway).await;
    // What counts is a connection that is used again; now and then the next request is there before it is back.
    let mut used_again = 0;
    for _ in 0..200 {
        let (status, _, _) = read(send(&sender, request(Method::POST, "/up"), &[b"abc", b""]).await).await;
        assert_eq!(status, StatusCode::OK);
        // With a body, too: requests without one have connections of their own.
        let (status, _, _) = read(send(&sender, request(Method::PUT, "/next"), &[b"abc"]).await).await;
        assert_eq!(status, StatusCode::OK);
        let (first, upload) = origin.heads.recv().await.unwrap();
        let (second, next) = origin.heads.recv().await.unwrap();
        assert!(upload.starts_with("post /up ") && next.starts_with("put /next "), "{upload:?} {next:?}");
        used_again += usize::from(first == second);
        if used_again == 20 {
            return;
        }
    }
    panic!("only {used_again} connections of 200 were used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_passes_with_its_trailers() {
    let origin = Origin::start(true).await;
    let yaml = public_before(&format!("urls: [\"http://{}\"], protocol: http2", origin.address));
    let gateway = start(&yaml).await;
    let sender = connect(&gateway).await;
    let mut call = request(Method::POST, "/trailers");
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let (status, body, trailers) = read(send(&sender, call, &[b"request"]).await).await;
    assert_eq!((status, body.as_slice()), (StatusCode::OK, b"message".as_slice()));
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    let mut plain = request(Method::POST, "/echo");
    plain.headers_mut().insert("te", "trailers".parse().unwrap());
    let (_, body, _) = read(send(&sender, plain, &[b"abc"]).await).await;
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["fields"]["te"][0], &told["length"]), (&"trailers".into(), &3.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_hold_for_http2_too() {
    let origin = Origin::start(false).await;
    let yaml = format!("limits: {{ headers: 5 }}\n{}", public(origin.address, "body_bytes: 1KiB"));
    let gateway = start(&yaml).await;
    let sender = connect(&gateway).await;
    let mut many = request(Method::GET, "/");
    for at in 0..6 {
        many.headers_mut().append("x", at.into());
    }
    assert_eq!(send(&sender, many, &[]).await.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let large: &'static [u8] = &[b'x'; 600];
    assert_eq!(
        send(&sender, request(Method::POST, "/"), &[large, large]).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let mut announced = request(Method::POST, "/");
    announced.headers_mut().insert("content-length", 1200.into());
    assert_eq!(send(&sender, announced, &[large, large]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(&sender, request(Method::GET, "/"), &[]).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stalls_is_the_clients_fault() {
    let origin = Origin::start(false).await;
    let yaml = public_before(&format!("urls: [\"http://{}\"], read_timeout: 200ms", origin.address));
    let gateway = start(&yaml).await;
    let mut sender = connect(&gateway).await.ready().await.unwrap();
    let (response, mut body) = sender.send_request(request(Method::POST, "/echo"), false).unwrap();
    body.send_data(Bytes::from_static(b"abc"), false).unwrap();
    let (status, told, _) = read(response.await.unwrap()).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&told).unwrap()["reason"], "request_timeout");
}
