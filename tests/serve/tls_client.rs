//! A client that speaks TLS, and remembers its sessions.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;

/// What a client offers, and what it trusts.
pub struct TlsClient(Arc<ClientConfig>);

/// What was agreed on.
#[derive(Debug)]
pub struct Agreed {
    pub version: ProtocolVersion,
    pub protocol: Option<Vec<u8>>,
    pub certificate: CertificateDer<'static>,
    pub kind: HandshakeKind,
}

impl TlsClient {
    /// A client of TLS 1.2 and 1.3 that names no protocol.
    pub fn trusting(roots: &[&CertificateDer<'static>]) -> Self {
        Self::speaking(rustls::ALL_VERSIONS, roots)
    }

    /// A client of these versions.
    pub fn speaking(versions: &[&'static SupportedProtocolVersion], roots: &[&CertificateDer<'static>]) -> Self {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add((*root).clone()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(store)
            .with_no_client_auth();
        Self(Arc::new(config))
    }

    /// The same client, which offers these protocols.
    pub fn offering(&self, protocols: &[&str]) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self(Arc::new(config))
    }

    /// The same client, which does not say whom it wants to talk to.
    pub fn naming_nobody(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.enable_sni = false;
        Self(Arc::new(config))
    }

    /// A connection to the server of this name, or why there is none.
    pub async fn try_connect(&self, address: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }

    /// A connection for HTTP/1, and what was agreed on.
    pub async fn connect(&self, address: SocketAddr, name: &str) -> (Client, Agreed) {
        let stream = self.try_connect(address, name).await.unwrap();
        let agreed = agreed(&stream);
        (Client::over(stream), agreed)
    }

    /// A connection for HTTP/2.
    pub async fn connect_http2(&self, address: SocketAddr, name: &str) -> SendRequest<Bytes> {
        let stream = self.offering(&["h2"]).try_connect(address, name).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

/// The status and the body of the answer to a `GET` of this URL.
pub async fn get(sender: &SendRequest<Bytes>, url: &str, token: Option<&str>) -> (http::response::Parts, Vec<u8>) {
    let mut request = http::Request::get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut sender = sender.clone().ready().await.unwrap();
    let (answer, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
    let (parts, mut body) = answer.await.unwrap().into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    (parts, bytes)
}

fn agreed(stream: &TlsStream<TcpStream>) -> Agreed {
    let connection = stream.get_ref().1;
    Agreed {
        version: connection.protocol_version().unwrap(),
        protocol: connection.alpn_protocol().map(Into::into),
        certificate: connection.peer_certificates().unwrap()[0].clone(),
        kind: connection.handshake_kind().unwrap(),
    }
}
