//! Listening, accepting, and stopping.
//!
//! Sockets are bound first, so that a busy port is an ordinary error; Pingora's own server retries for half a minute
//! and then lives on without the socket. Its `Server` is not used at all: one runtime, one accept loop a
//! listener, and each connection handed to Pingora's proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::ServerApp;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as TcpConnection;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::last_words;
use super::connection::Connection;
use super::door::{Admitted, Door};
use super::ending::Served;
use super::exchange::{UnderWay, random_hex};
use super::proxy::{ATTEMPTS, Gateway, Proxy};
use super::tls::{CertificateError, Certificates};
use super::watched::{Patience, Watched};
use crate::config::{Limits, Listener};
use crate::telemetry::metrics::ConnectionRefusal;

const BACKLOG: u32 = 1024;
/// How long an accept loop rests when the system has no descriptor to give.
const REST: Duration = Duration::from_millis(50);
/// How long answers that are written may still be on their way when everything else has ended.
const FLUSH: Duration = Duration::from_secs(1);
/// Idle connections to upstreams that are kept, all upstreams together.
const POOL: usize = 1024;

/// Why a listener cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be had.
    #[error("cannot listen on `{address}`")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// An address that is listened on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The address, with the port that the system chose if none was written.
    pub address: SocketAddr,
    /// Whether connections are encrypted.
    pub tls: bool,
}

/// Sockets that are bound; connections wait in them until [`Listening::serve`].
#[derive(Debug)]
pub struct Listening {
    sockets: Vec<Socket>,
}

#[derive(Debug)]
struct Socket {
    listener: TcpListener,
    bound: Bound,
    certificates: Option<Arc<Certificates>>,
}

impl Listening {
    /// Binds every listener, or none; call it on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`] for the first that cannot be bound.
    pub fn bind(listeners: &[Listener]) -> Result<Self, BindError> {
        let sockets = listeners.iter().map(Socket::bind).collect::<Result<_, _>>()?;
        Ok(Self { sockets })
    }

    /// Where connections are awaited.
    pub fn bound(&self) -> Vec<Bound> {
        self.sockets.iter().map(|socket| socket.bound).collect()
    }

    /// Begins to accept.
    pub fn serve(self, gateway: Gateway) -> Serving {
        // Pingora takes whatever provider is installed, and would install another one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let under_way = UnderWay::default();
        let proxy = http_proxy(&Arc::new(server_conf()), Proxy::new(gateway.clone(), under_way.clone()));
        let (stop, stopping) = watch::channel(false);
        let (cut, cutting) = watch::channel(false);
        let (open, all_closed) = mpsc::channel(1);
        let front = Front { proxy: Arc::new(proxy), gateway, door: Door::default(), stopping, cutting, open };
        let bound = self.bound();
        let mut certificates = Vec::new();
        for socket in self.sockets {
            certificates.push(socket.certificates.clone());
            tokio::spawn(socket.accept(front.clone()));
        }
        Serving { bound, certificates, proxy: front.proxy, under_way, stop, cut, all_closed }
    }
}

impl Socket {
    fn bind(listener: &Listener) -> Result<Self, BindError> {
        let failed = |source| BindError::Address { address: listener.address, source };
        let socket = if listener.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(failed)?;
        socket.set_reuseaddr(true).map_err(failed)?;
        socket.bind(listener.address).map_err(failed)?;
        let certificates = match listener.tls.as_slice() {
            [] => None,
            written => Some(Arc::new(Certificates::read(written)?)),
        };
        let listening = socket.listen(BACKLOG).map_err(failed)?;
        let address = listening.local_addr().map_err(failed)?;
        let bound = Bound { address, tls: certificates.is_some() };
        Ok(Self { listener: listening, bound, certificates })
    }

    async fn accept(self, front: Front) {
        let acceptor = self.certificates.as_ref().map(|certificates| Arc::new(certificates.acceptor()));
        let mut stopping = front.stopping.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, peer)) => front.admit(stream, peer, self.bound, acceptor.clone()),
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(REST).await;
                }
            }
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Front {
    proxy: Arc<HttpProxy<Proxy>>,
    gateway: Gateway,
    door: Door,
    stopping: watch::Receiver<bool>,
    cutting: watch::Receiver<bool>,
    /// Held by every connection; what is at the other end learns when the last one goes.
    open: mpsc::Sender<()>,
}

impl Front {
    fn admit(&self, stream: TcpStream, peer: SocketAddr, bound: Bound, acceptor: Option<Arc<Acceptor>>) {
        let snapshot = self.gateway.current.load();
        let limits = &snapshot.config.limits;
        let connection = Connection::new(peer, bound.address.port(), bound.tls);
        match self.door.admit(connection.peer(), snapshot.gate.trusts_proxy(connection.peer()), limits) {
            Ok(admitted) => {
                let patience = Patience::from(limits);
                tokio::spawn(self.clone().serve(stream, Arc::new(connection), admitted, patience, acceptor));
            }
            Err(refusal) => self.gateway.metrics.connection_refused(refusal),
        }
    }

    /// Serves one connection to its end, or until everything is cut.
    async fn serve(
        mut self,
        stream: TcpStream,
        connection: Arc<Connection>,
        _admitted: Admitted,
        patience: Patience,
        acceptor: Option<Arc<Acceptor>>,
    ) {
        let _open = self.open.clone();
        let mut cutting = self.cutting.clone();
        tokio::select! {
            () = self.converse(stream, connection, patience, acceptor) => {}
            _ = cutting.wait_for(|cut| *cut) => {}
        }
    }

    async fn converse(
        &mut self,
        stream: TcpStream,
        connection: Arc<Connection>,
        patience: Patience,
        acceptor: Option<Arc<Acceptor>>,
    ) {
        let mut stream = TcpConnection::from(stream);
        // Without it the last part of an answer may wait for the client's acknowledgement.
        let _ = stream.set_nodelay();
        let stream: Stream = match acceptor {
            None => Box::new(stream),
            Some(acceptor) => match timeout(patience.header, acceptor.tls_handshake(stream)).await {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(_)) | Err(_) => return self.gateway.metrics.connection_refused(ConnectionRefusal::Tls),
            },
        };
        let metrics = Arc::clone(&self.gateway.metrics);
        let answer = |refusal| last_words(refusal, &random_hex::<16>());
        let mut stream = Watched::new(stream, connection, patience, metrics, answer);
        let greeted = tokio::select! {
            greeted = stream.greets() => greeted,
            _ = self.stopping.wait_for(|stop| *stop) => false,
        };
        if greeted {
            let current = Arc::clone(&self.gateway.current);
            let limits = current.load().config.limits.clone();
            let served = Arc::new(Served::new(Arc::clone(&self.proxy), current, &limits));
            served.process_new(Box::new(stream), &self.stopping).await;
        }
    }
}

/// Listeners that are being served.
pub struct Serving {
    bound: Vec<Bound>,
    certificates: Vec<Option<Arc<Certificates>>>,
    proxy: Arc<HttpProxy<Proxy>>,
    under_way: UnderWay,
    stop: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    all_closed: mpsc::Receiver<()>,
}

impl Serving {
    /// Where connections are awaited.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// How many requests are under way.
    pub fn requests_under_way(&self) -> usize {
        self.under_way.count()
    }

    /// Shows the certificates of a new configuration from now on. Addresses do not change while the program runs.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] for the first that cannot be used; the listeners before it have their new ones.
    pub fn renew_certificates(&self, listeners: &[Listener]) -> Result<(), CertificateError> {
        for (certificates, listener) in self.certificates.iter().zip(listeners) {
            if let Some(certificates) = certificates
                && !listener.tls.is_empty()
            {
                certificates.renew(&listener.tls)?;
            }
        }
        Ok(())
    }

    /// Accepts no more, lets what is under way come to its end for as long as `limits.drain`, and cuts the rest. Says
    /// how many requests were cut.
    pub async fn drain(mut self, limits: &Limits) -> usize {
        let end = Instant::now() + limits.drain;
        let _ = self.stop.send(true);
        self.proxy.cleanup().await;
        let _ = timeout_at(end, self.under_way.none()).await;
        let left = self.under_way.count();
        let flushed = if left == 0 { (Instant::now() + FLUSH).min(end) } else { Instant::now() };
        // The accept loops and the connections hold the other end; nothing is ever sent.
        let _ = timeout_at(flushed, self.all_closed.recv()).await;
        let _ = self.cut.send(true);
        let _ = timeout(FLUSH, self.all_closed.recv()).await;
        left
    }
}

fn server_conf() -> ServerConf {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    ServerConf {
        threads,
        max_retries: ATTEMPTS,
        // Pingora multiplies it by the threads.
        upstream_keepalive_pool_size: POOL.div_ceil(threads),
        ..ServerConf::default()
    }
}
