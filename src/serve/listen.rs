//! Listening, accepting, and stopping.
//!
//! Sockets are bound first, so that a busy port is an ordinary error; Pingora's own server retries for half a minute
//! and then lives on without the socket. Its `Server` is not used at all: one runtime, one accept loop a
//! listener, and each connection handed to Pingora's proxy.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::ServerApp;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::protocols::l4::stream::Stream as TcpConnection;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::last_words;
use super::connection::Connection;
use super::door::{Admitted, Door};
use super::ending::Served;
use super::exchange::UnderWay;
use super::http1;
use super::identifier::RequestId;
use super::proxy::{ATTEMPTS, Gateway, Proxy};
use super::relay::Relay;
use super::terms::{Offer, Offers, Prepared, Terms};
use super::tls::CertificateError;
use super::watched::{Patience, Watched};
use super::wire::Wire;
use crate::config::{Limits, Listener};
use crate::snapshot::Current;
use crate::telemetry::metrics::ConnectionRefusal;
use crate::upstream::MOST_KEPT;

const BACKLOG: u32 = 1024;
/// How long an accept loop rests when the system has no descriptor to give.
const REST: Duration = Duration::from_millis(50);
/// How long answers that are written may still be on their way when everything else has ended.
const FLUSH: Duration = Duration::from_secs(1);
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
    address: SocketAddr,
    offer: Arc<Offer>,
}

impl Listening {
    /// Binds every listener, or none; call it on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`] for the first that cannot be bound.
    pub fn bind(listeners: &[Listener]) -> Result<Self, BindError> {
        let offers = Prepared::new(listeners)?.into_offers();
        let sockets = listeners.iter().zip(offers).map(|(listener, offer)| Socket::bind(listener.address, offer));
        Ok(Self { sockets: sockets.collect::<Result<_, _>>()? })
    }

    /// Where connections are awaited.
    pub fn bound(&self) -> Vec<Bound> {
        self.sockets.iter().map(|socket| Bound::of(socket.address, &socket.offer)).collect()
    }

    /// Begins to accept.
    pub fn serve(self, gateway: Gateway) -> Serving {
        // Pingora takes whatever provider is installed, and would install another one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let under_way = UnderWay::default();
        let conf = server_conf();
        let relay = Relay::new(ConnectorOptions::from_server_conf(&conf));
        let mut proxy = http_proxy(&Arc::new(conf), Proxy::new(gateway.clone(), under_way.clone(), relay));
        proxy.server_options = Some(Served::options());
        let (stop, stopping) = watch::channel(false);
        let (cut, cutting) = watch::channel(false);
        let (open, all_closed) = mpsc::channel(1);
        tokio::spawn(tell_endings(Arc::clone(&gateway.current), under_way.clone(), stopping.clone()));
        let front = Front { proxy: Arc::new(proxy), gateway, door: Door::default(), stopping, cutting, open };
        let addresses = self.sockets.iter().map(|socket| socket.address).collect();
        let offers = self.sockets.iter().map(|socket| Arc::clone(&socket.offer)).collect();
        for socket in self.sockets {
            tokio::spawn(socket.accept(front.clone()));
        }
        Serving { addresses, offers, proxy: front.proxy, under_way, stop, cut, all_closed }
    }
}

impl Bound {
    fn of(address: SocketAddr, offer: &Offer) -> Self {
        Self { address, tls: offer.current().encryption().is_some() }
    }
}

impl Socket {
    fn bind(address: SocketAddr, offer: Offer) -> Result<Self, BindError> {
        let (listener, address) = bind(address, BACKLOG).map_err(|source| BindError::Address { address, source })?;
        Ok(Self { listener, address, offer: Arc::new(offer) })
    }

    /// Accepts until it is told to stop, and goes on until its connections have ended or everything is cut.
    async fn accept(self, front: Front) {
        let (mut stopping, mut cutting) = (front.stopping.clone(), front.cutting.clone());
        // Connections that are under way; to drop the set is to cut them. None has to listen for that by itself.
        let mut served = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = served.join_next() => continue,
                _ = stopping.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(connection) = front.admit(stream, peer, self.address.port(), self.offer.current()) {
                        served.spawn(connection);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(REST).await;
                }
            }
        }
        drop(self.listener);
        let ended = async { while served.join_next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            _ = cutting.wait_for(|cut| *cut) => {}
        }
    }
}

/// A socket that listens, and its address with the port that the system chose if none was written.
pub(super) fn bind(address: SocketAddr, backlog: u32) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(backlog)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A connection from its first request on.
type Conversation = Pin<Box<dyn Future<Output = ()> + Send>>;

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
    /// What serves a connection, if it may come in.
    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        own_port: u16,
        terms: Arc<Terms>,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let snapshot = self.gateway.current.load();
        let limits = &snapshot.config.limits;
        let is_tls = terms.encryption().is_some();
        let connection = Connection::new(peer, own_port, is_tls).redirected_to(terms.redirects_to());
        match self.door.admit(connection.peer(), snapshot.gate.trusts_proxy(connection.peer()), limits) {
            Ok(admitted) => {
                let patience = Patience::from(limits);
                Some(self.clone().serve(stream, Arc::new(connection), admitted, patience, terms))
            }
            Err(refusal) => {
                self.gateway.metrics.connection_refused(refusal);
                None
            }
        }
    }

    /// Serves one connection to its end.
    async fn serve(
        self,
        stream: TcpStream,
        connection: Arc<Connection>,
        _admitted: Admitted,
        patience: Patience,
        terms: Arc<Terms>,
    ) {
        let _open = self.open.clone();
        // Without it the last part of an answer may wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        if let Some(conversation) = self.begin(stream, connection, patience, terms).await {
            conversation.await;
        }
    }

    /// What is left of a connection once it is one: nothing of a handshake stays where it waits for requests.
    async fn begin(
        self,
        stream: TcpStream,
        connection: Arc<Connection>,
        patience: Patience,
        terms: Arc<Terms>,
    ) -> Option<Conversation> {
        let Some(encryption) = terms.encryption() else {
            return Some(self.speak(stream, connection, patience));
        };
        let handshake = Box::pin(encryption.handshake(TcpConnection::from(stream)));
        match timeout(patience.header, handshake).await {
            Ok(Some((stream, shown))) => {
                connection.was_shown(shown);
                Some(self.speak(stream, connection, patience))
            }
            Ok(None) | Err(_) => {
                self.gateway.metrics.connection_refused(ConnectionRefusal::Tls);
                None
            }
        }
    }

    /// Hands what a client says to Pingora, once it has begun.
    fn speak(self, wire: impl Wire, connection: Arc<Connection>, patience: Patience) -> Conversation {
        let metrics = Arc::clone(&self.gateway.metrics);
        let answer = |refusal| last_words(refusal, &RequestId::random());
        let mut stream = Box::new(Watched::new(wire, connection, patience, metrics, answer));
        let Self { proxy, gateway, mut stopping, .. } = self;
        Box::pin(async move {
            let greeted = tokio::select! {
                greeted = stream.greets() => greeted,
                _ = stopping.wait_for(|stop| *stop) => false,
            };
            if !greeted {
                return;
            }
            let served = gateway.current.look(|snapshot| Served::new(proxy, &snapshot.config.limits));
            let served = Arc::new(served);
            match stream.is_http2() {
                true => drop(served.process_new(stream, &stopping).await),
                false => http1::converse(served, stream, stopping).await,
            }
        })
    }
}

/// Listeners that are being served.
pub struct Serving {
    addresses: Vec<SocketAddr>,
    offers: Offers,
    proxy: Arc<HttpProxy<Proxy>>,
    under_way: UnderWay,
    stop: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    all_closed: mpsc::Receiver<()>,
}

impl Serving {
    /// Where connections are awaited.
    pub fn bound(&self) -> Vec<Bound> {
        self.addresses.iter().zip(self.offers.iter()).map(|(address, offer)| Bound::of(*address, offer)).collect()
    }

    /// How many requests are under way.
    pub fn requests_under_way(&self) -> usize {
        self.under_way.count()
    }

    /// The terms of all sockets, which can be replaced.
    pub fn offers(&self) -> &Offers {
        &self.offers
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

/// Tells what is under way of every reload, until the listeners stop.
async fn tell_endings(current: Arc<Current>, under_way: UnderWay, mut stopping: watch::Receiver<bool>) {
    let mut replacements = current.replacements();
    loop {
        tokio::select! {
            replaced = replacements.changed() => match replaced {
                Ok(()) => under_way.endings().reconsider(&current.load()),
                Err(_) => return,
            },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

fn server_conf() -> ServerConf {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    ServerConf { threads, max_retries: ATTEMPTS, upstream_keepalive_pool_size: MOST_KEPT, ..ServerConf::default() }
}
