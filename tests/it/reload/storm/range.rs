//! The load of the storm: kept connections, plain, encrypted and of HTTP/2, that ask without a pause.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::{API1, API2, Workplace};
use super::Site;
use super::world::{KINDS, Kind, World};
use crate::client::answer;
use crate::gateway::PATIENCE;

/// How many requests an encrypted connection carries before the next handshake.
const REQUESTS_A_HANDSHAKE: usize = 20;

/// A request that was answered.
pub struct Answered {
    pub kind: Kind,
    pub status: u16,
    /// The newest generation that was acknowledged when it was sent.
    pub acknowledged: u64,
}

/// Answers by the number in the request's path.
pub type Answers = HashMap<u64, Answered>;

/// What all who ask share.
pub struct Range {
    plain: SocketAddr,
    encrypted: SocketAddr,
    tls: TlsConnector,
    certificates: [CertificateDer<'static>; 2],
    requests: Vec<(Kind, &'static str, String)>,
    numbers: AtomicU64,
    acknowledged: AtomicU64,
    is_over: AtomicBool,
}

impl Range {
    pub fn new(place: &Workplace, sites: &[Site; 2]) -> Self {
        let (corp, partner) = (place.gateway.issuer("ISSUER_CORP"), place.gateway.issuer("ISSUER_PARTNER"));
        let (first, second) = ("https://api1.example.com", "https://api2.example.com");
        let large = corp.token(first, "x y");
        let forged = format!("{}.{}", &large[..large.rfind('.').expect("a token has parts")], "A".repeat(86));
        let requests = KINDS.map(|kind| match kind {
            Kind::Small => (kind, API1, corp.token(first, "x")),
            Kind::Large => (kind, API1, large.clone()),
            Kind::Partner => (kind, API1, partner.token(first, "x y")),
            Kind::Second => (kind, API2, corp.token(second, "x")),
            Kind::SecondByFirst => (kind, API2, large.clone()),
            Kind::FirstBySecond => (kind, API1, corp.token(second, "x")),
            Kind::Forged => (kind, API1, forged.clone()),
        });
        let mut roots = RootCertStore::empty();
        for site in sites {
            roots.add(site.certificate.clone()).expect("it is a certificate");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let output = place.gateway.output();
        let encrypted = output.lines().find_map(|line| line.strip_prefix("listening on https://")?.split(' ').next());
        Self {
            plain: place.gateway.address,
            encrypted: encrypted.expect("it listens with TLS").parse().expect("at an address"),
            tls: TlsConnector::from(Arc::new(config)),
            certificates: [0, 1].map(|at| sites[at].certificate.clone()),
            requests: requests.into(),
            numbers: AtomicU64::new(0),
            acknowledged: AtomicU64::new(1),
            is_over: AtomicBool::new(false),
        }
    }

    /// Whoever ordered this configuration was told that it serves.
    pub fn acknowledge(&self, generation: u64) {
        self.acknowledged.store(generation, Ordering::SeqCst);
    }

    /// Nobody asks any more.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// One plain connection, request after request.
    pub async fn ask_plainly(self: Arc<Self>, first: usize) -> Answers {
        let mut answers = Answers::new();
        let mut stream = TcpStream::connect(self.plain).await.expect("the gateway listens");
        let mut at = first;
        while !self.is_over.load(Ordering::Relaxed) {
            if self.ask(&mut stream, at, &mut answers).await {
                stream = TcpStream::connect(self.plain).await.expect("the gateway still listens");
            }
            at += 1;
        }
        answers
    }

    /// One encrypted connection after the other.
    pub async fn ask_encrypted(self: Arc<Self>, first: usize) -> Answers {
        let mut answers = Answers::new();
        let mut at = first;
        while !self.is_over.load(Ordering::Relaxed) {
            let mut stream = self.shake_hands().await;
            for _ in 0..REQUESTS_A_HANDSHAKE {
                let closes = self.ask(&mut stream, at, &mut answers).await;
                at += 1;
                if closes {
                    break;
                }
            }
        }
        answers
    }

    /// One connection of HTTP/2, request after request.
    pub async fn ask_by_http2(self: Arc<Self>, first: usize) -> Answers {
        let mut answers = Answers::new();
        let stream = TcpStream::connect(self.plain).await.expect("the gateway listens");
        let (mut client, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let mut at = first;
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let acknowledged = self.acknowledged.load(Ordering::SeqCst);
            let (kind, host, token) = &self.requests[at % self.requests.len()];
            let request = http::Request::get(format!("http://{host}/{number}"));
            let request = request.header("authorization", format!("Bearer {token}")).body(()).expect("it is a request");
            client = client.ready().await.expect("the connection is kept");
            let (answer, _) = client.send_request(request, true).expect("a request is taken");
            let mut answer = timeout(PATIENCE, answer).await.expect("in time").expect("a request is answered");
            let status = answer.status().as_u16();
            while let Some(data) = answer.body_mut().data().await {
                let length = data.expect("an answer is whole").len();
                let _ = answer.body_mut().flow_control().release_capacity(length);
            }
            answers.insert(number, Answered { kind: *kind, status, acknowledged });
            at += 1;
        }
        answers
    }

    /// A handshake, with the certificate of a configuration that is, or is about to be, in force.
    async fn shake_hands(&self) -> TlsStream<TcpStream> {
        let before = self.acknowledged.load(Ordering::SeqCst);
        let stream = TcpStream::connect(self.encrypted).await.expect("the gateway listens");
        let name = ServerName::try_from(API1).expect("it is a name");
        let stream = self.tls.connect(name, stream).await.expect("a handshake succeeds");
        let after = self.acknowledged.load(Ordering::SeqCst) + 1;
        let shown = &stream.get_ref().1.peer_certificates().expect("it showed one")[0];
        let mut due = (before..=after).map(|generation| World::of(generation as usize).certificate);
        assert!(due.any(|at| self.certificates[at] == *shown), "neither {before} nor {after} shows this certificate");
        stream
    }

    /// One request; says whether the connection ends with its answer.
    async fn ask(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), at: usize, answers: &mut Answers) -> bool {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let (kind, host, token) = &self.requests[at % self.requests.len()];
        let request = format!("GET /{number} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request is taken");
        let (status, closes) = answer(stream).await.expect("a request is answered");
        answers.insert(number, Answered { kind: *kind, status, acknowledged });
        closes
    }
}
