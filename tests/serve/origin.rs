//! Servers behind the gateway: one that speaks HTTP well, and one that shows every byte.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use narrowgate::config::Certificate;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;

/// A well-behaved server.
#[derive(Clone)]
pub struct Origin {
    pub address: SocketAddr,
    pub asked: Arc<AtomicUsize>,
    /// Lets the answers at `/held` and the second event of `/events` go.
    pub release: Arc<Notify>,
    /// Tells that a request has arrived at `/held`.
    pub held: Arc<Notify>,
}

impl Origin {
    /// A server of HTTP/1.1, or of HTTP/2 by prior knowledge.
    pub async fn start(http2: bool) -> Self {
        Self::serve_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), http2)
    }

    /// A server of HTTP/1.1 at an address that was free a moment ago.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::serve_on(TcpListener::bind(address).await.unwrap(), false)
    }

    fn serve_on(listener: TcpListener, http2: bool) -> Self {
        let origin = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            release: Arc::default(),
            held: Arc::default(),
        };
        let serving = origin.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream, http2));
            }
        });
        origin
    }

    /// A server of HTTP/1.1 and HTTP/2 over TLS, with this certificate.
    pub async fn start_tls(certificate: &Certificate) -> Self {
        Self::start_tls_for(certificate, None).await
    }

    /// The same; where `clients` are given, only those who show one of them are let in.
    pub async fn start_tls_for(certificate: &Certificate, clients: Option<&Certificate>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = clients.map_or_else(WebPkiClientVerifier::no_client_auth, |clients| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(&clients.cert_pem).unwrap()).unwrap();
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap()
        });
        let chain = CertificateDer::pem_slice_iter(&certificate.cert_pem).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.expose()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            release: Arc::default(),
            held: Arc::default(),
        };
        let serving = origin.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, serving) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
                        serving.serve(stream, http2).await;
                    }
                });
            }
        });
        origin
    }

    /// How many requests have arrived.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) {
        let service = service_fn(move |request| self.clone().answer(request));
        let io = TokioIo::new(stream);
        if http2 {
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
        } else {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match request.uri().path() {
            "/held" => {
                self.held.notify_one();
                self.release.notified().await;
                Ok(Response::new(text("released")))
            }
            "/events" => Ok(Response::new(events(self.release))),
            "/trailers" => {
                request.into_body().collect().await?;
                Ok(Response::new(with_trailers()))
            }
            "/unauthorized" => Ok(refusal(401)),
            "/forbidden" => Ok(refusal(403)),
            _ => echo(request).await,
        }
    }
}

/// Tells what arrived: the request as JSON, with the length of its body.
async fn echo(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let (head, mut body) = request.into_parts();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len);
    }
    let mut fields = Map::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match fields.entry(name.as_str()).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(values) => values.push(Value::String(value)),
            _ => unreachable!("every entry is an array"),
        }
    }
    let told = json!({
        "method": head.method.as_str(), "target": head.uri.to_string(), "fields": fields, "length": length,
        "version": format!("{:?}", head.version),
    });
    let mut response = Response::new(text(told.to_string()));
    for (name, value) in [
        ("server", "origin"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "etag"),
        ("vary", "accept"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
    ] {
        if head.version == http::Version::HTTP_11 || name != "connection" && name != "keep-alive" {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}

fn text(text: impl Into<Bytes>) -> BoxBody<Bytes, Infallible> {
    Full::new(text.into()).boxed()
}

fn refusal(status: u16) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(text("theirs"));
    *response.status_mut() = status.try_into().unwrap();
    let challenge = HeaderValue::from_static("Bearer resource_metadata=\"https://elsewhere.example\"");
    response.headers_mut().insert("www-authenticate", challenge);
    response
}

fn events(release: Arc<Notify>) -> BoxBody<Bytes, Infallible> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _ = sender.send(Frame::data(Bytes::from_static(b"data: 1\n\n"))).await;
        release.notified().await;
        let _ = sender.send(Frame::data(Bytes::from_static(b"data: 2\n\n"))).await;
    });
    Frames(receiver).boxed()
}

fn with_trailers() -> BoxBody<Bytes, Infallible> {
    let (sender, receiver) = mpsc::channel(2);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    sender.try_send(Frame::data(Bytes::from_static(b"message"))).unwrap();
    sender.try_send(Frame::trailers(trailers)).unwrap();
    Frames(receiver).boxed()
}

/// A body whose frames come from elsewhere.
struct Frames(mpsc::Receiver<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// A server that tells every head as it arrived, whatever stands before it, with the number of its connection.
pub struct RawOrigin {
    pub address: SocketAddr,
    pub heads: mpsc::UnboundedReceiver<(usize, String)>,
}

impl RawOrigin {
    /// Answers every request with 200, or an upgrade with 101 and two bytes, after which it echoes.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, heads) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                tokio::spawn(converse(stream, number, told.clone()));
            }
        });
        Self { address, heads }
    }
}

async fn converse(mut stream: TcpStream, number: usize, told: mpsc::UnboundedSender<(usize, String)>) {
    stream.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    loop {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let head: Vec<u8> = bytes.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let _ = told.send((number, head.clone()));
        if head.contains("upgrade: websocket") {
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi";
            let _ = stream.write_all(answer.as_bytes()).await;
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
            return;
        }
        if head.contains("transfer-encoding: chunked") {
            while !bytes.windows(5).any(|window| window == b"0\r\n\r\n") {
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let end = bytes.windows(5).position(|window| window == b"0\r\n\r\n").unwrap();
            bytes.drain(..end + 5);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    }
}
