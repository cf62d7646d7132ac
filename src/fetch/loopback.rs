//! A server on the loopback address for tests: answers as a test says, badly if that is asked, and counts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use url::Url;

/// One answer.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A status, header lines and a body.
    Answer(u16, Vec<String>, Vec<u8>),
    /// An answer that waits until the test lets it go.
    Held(Arc<Semaphore>, Box<Reply>),
    /// A body that comes byte by byte and never ends.
    Drip,
    /// A body that comes as fast as it is read and never ends.
    Flood,
    /// Nothing at all.
    Silence,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer(200, Vec::new(), body.into())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    /// The same answer with one more header line.
    pub(crate) fn with(self, line: &str) -> Self {
        match self {
            Self::Answer(status, mut lines, body) => {
                lines.push(line.to_owned());
                Self::Answer(status, lines, body)
            }
            other => other,
        }
    }
}

type Answers = dyn Fn(&str) -> Reply + Send + Sync;

/// The server; it ends with this value.
pub(crate) struct Loopback {
    url: Url,
    requests: watch::Receiver<Vec<String>>,
    serving: AbortHandle,
}

impl Loopback {
    /// Serves what `answers` says to each path.
    pub(crate) async fn start(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(Arc::new(answers), None).await
    }

    /// The same behind TLS, with a certificate of its own for `127.0.0.1`; that certificate, as PEM.
    pub(crate) async fn start_tls(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Self, String) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("the backend makes certificates");
        let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("the key is the certificate's");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        (Self::serve(Arc::new(answers), Some(acceptor)).await, own.cert.pem())
    }

    async fn serve(answers: Arc<Answers>, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = listener.local_addr().expect("it is bound");
        let url = Url::parse(&format!("{scheme}://{address}")).expect("an address makes a URL");
        let (asked, requests) = watch::channel(Vec::new());
        let asked = Arc::new(Mutex::new(asked));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, asked, tls) = (Arc::clone(&answers), Arc::clone(&asked), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &*answers, &asked).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &*answers, &asked).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { url, requests, serving: accepting.abort_handle() }
    }

    /// The URL of `path` here.
    pub(crate) fn at(&self, path: &str) -> Url {
        self.url.join(path).expect("tests write paths")
    }

    /// How often `path` was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        let line = format!("GET {path} ");
        self.requests.borrow().iter().filter(|request| request.starts_with(&line)).count()
    }

    /// The heads of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.borrow().clone()
    }

    /// Waits until there were `times` requests.
    pub(crate) async fn was_asked(&self, times: usize) {
        let mut requests = self.requests.clone();
        let asked = requests.wait_for(|requests| requests.len() >= times);
        tokio::time::timeout(Duration::from_secs(20), asked).await.expect("the requests come").expect("it serves");
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Reads one request and answers it; nothing when the connection breaks.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &Answers,
    asked: &Mutex<watch::Sender<Vec<String>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut reply = answers(head.split(' ').nth(1)?);
    asked.lock().ok()?.send_modify(|requests| requests.push(head));
    while let Reply::Held(gate, then) = reply {
        gate.acquire().await.ok()?.forget();
        reply = *then;
    }
    match reply {
        Reply::Answer(status, lines, body) => {
            let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{lines}\r\n", body.len());
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&body).await.ok()?;
            stream.flush().await.ok()
        }
        Reply::Flood => {
            stream.write_all(b"HTTP/1.1 200 X\r\n\r\n").await.ok()?;
            loop {
                stream.write_all(&[b' '; 4096]).await.ok()?;
            }
        }
        Reply::Drip => {
            stream.write_all(b"HTTP/1.1 200 X\r\n\r\n").await.ok()?;
            let mut beat = tokio::time::interval(Duration::from_millis(5));
            loop {
                beat.tick().await;
                stream.write_all(b" ").await.ok()?;
            }
        }
        Reply::Silence | Reply::Held(..) => std::future::pending().await,
    }
}
