//! Where requests come in, and on which terms.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::secret::Secret;

/// An address where requests come in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// The address; port 0 asks the system for one.
    pub address: SocketAddr,
    /// What connections get there; all that can change while the program runs.
    pub purpose: Purpose,
}

/// What a listener is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// It serves resources without encryption.
    Http,
    /// It serves resources over TLS.
    Https(Tls),
    /// It serves nothing: whoever comes without encryption is sent to the same URL with it.
    Redirect {
        /// The port that the URL gets; 443 is not written.
        https_port: u16,
    },
}

/// How a listener speaks TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// Certificates; at least one. The first is shown to whoever asks for a name that none has, or for none.
    pub certificates: Vec<Certificate>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// What is spoken inside, the preferred one first; at least one.
    pub protocols: Vec<ClientProtocol>,
}

/// A version of TLS; no older one is spoken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What a client speaks with the gateway over TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A certificate chain and its key, as they were read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// The chain's file.
    pub cert: PathBuf,
    /// The chain: PEM, the leaf first.
    pub cert_pem: Arc<[u8]>,
    /// The key: PEM.
    pub key_pem: Secret,
}

impl Certificate {
    /// The chain and the key, taken out of their PEM. Whether they belong together is not looked at.
    ///
    /// # Errors
    ///
    /// [`pem::Error`] if one of them is none.
    pub fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), pem::Error> {
        let chain = CertificateDer::pem_slice_iter(&self.cert_pem).collect::<Result<Vec<_>, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_slice(self.key_pem.expose())?))
    }
}

impl Purpose {
    /// Whether connections are encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Https(_))
    }

    /// Where requests are sent instead of being served, if they are.
    pub fn redirects_to(&self) -> Option<u16> {
        match self {
            Self::Redirect { https_port } => Some(*https_port),
            Self::Http | Self::Https(_) => None,
        }
    }
}

impl Tls {
    /// TLS with these certificates, and everything else as it is when nobody says.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        let protocols = vec![ClientProtocol::Http2, ClientProtocol::Http1];
        Self { certificates, min_version: TlsVersion::Tls12, protocols }
    }
}

impl TlsVersion {
    /// The version as the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

impl ClientProtocol {
    /// The name in a handshake (RFC 7301 §6), and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        }
    }
}
