//! TLS towards clients: which certificate is shown to whom, and which hosts a client may then ask for.
//!
//! The certificate is chosen by the name that the client asks for (SNI, RFC 6066 §3), among the names in the certificates
//! themselves: the exact name before a wildcard, of several certificates with one name the first. The first of all serves
//! everybody else: other names, clients that ask for none, and IP addresses, which nobody can ask for.
//!
//! Whoever was shown one certificate does not reach a host that another one stands for (RFC 9110 §7.4): [`Shown`] keeps
//! what the handshake used, so that a reload changes nothing for a connection that is open.
//!
//! A listener that changes gets a new [`Encryption`], and with it new keys for tickets and an empty store of sessions: no
//! session that began under a certificate, a version or a protocol that is gone can be resumed. Within one, rustls resumes
//! only under the same name, and the certificate is chosen anew each time.
//!
//! Deliberately absent: certificates of clients, and 0-RTT, which can be replayed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::l4::stream::Stream as TcpConnection;
use pingora_core::protocols::tls::TlsStream;
use pingora_core::protocols::{ALPN, Ssl};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::config::{Certificate, ClientProtocol, Tls, TlsVersion, certificate_names};
use crate::route::Authority;

tokio::task_local! {
    /// Where the resolver leaves what it chose: neither rustls nor Pingora tells it after the handshake.
    static CHOICE: RefCell<Option<Choice>>;
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file holds no PEM of the kind it should.
    #[error("`{}` cannot be read", path.display())]
    Pem {
        /// The chain's file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// The chain is empty, or the key is not its key.
    #[error("`{}` and its key do not belong together", path.display())]
    Mismatch {
        /// The chain's file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
}

/// How one listener speaks TLS, and what it remembers of its clients.
pub(super) struct Encryption {
    acceptor: Acceptor,
    certificates: Arc<Certificates>,
    /// Whether a client that names no protocol is served.
    speaks_http1: bool,
}

impl Encryption {
    /// Reads the certificates.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] for the first that cannot be used.
    pub(super) fn new(tls: &Tls) -> Result<Self, CertificateError> {
        let certificates = Arc::new(Certificates::read(&tls.certificates)?);
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certificates) as _;
        let versions: &[&SupportedProtocolVersion] = match tls.min_version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = tls.protocols.iter().map(|protocol| protocol.as_str().into()).collect();
        let acceptor = Acceptor::from_server_config(Arc::new(config));
        Ok(Self { acceptor, certificates, speaks_http1: tls.protocols.contains(&ClientProtocol::Http1) })
    }

    /// Performs one handshake; nothing if it fails, or if the client speaks nothing that is spoken here.
    pub(super) async fn handshake(&self, stream: TcpConnection) -> Option<(TlsStream<TcpConnection>, Shown)> {
        let handshake = async {
            let accepted = self.acceptor.tls_handshake(stream).await;
            (accepted, CHOICE.with(RefCell::take))
        };
        let (accepted, choice) = CHOICE.scope(RefCell::default(), handshake).await;
        let (stream, choice) = (accepted.ok()?, choice?);
        // A client that names no protocol passes rustls, and Pingora speaks HTTP/1.1 with it.
        let speaks = self.speaks_http1 || matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        speaks.then(|| (stream, Shown { certificates: Arc::clone(&self.certificates), choice }))
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Encryption").field(&self.certificates).finish()
    }
}

/// What a client was shown in its handshake, and what else it could have been shown.
#[derive(Debug)]
pub struct Shown {
    certificates: Arc<Certificates>,
    choice: Choice,
}

/// What one handshake chose.
#[derive(Debug)]
struct Choice {
    /// The name that the client asked for.
    name: Option<Box<str>>,
    /// The place of the certificate.
    at: usize,
}

impl Shown {
    /// Whether a client that asked for this authority would have been shown the same certificate.
    pub(super) fn fits(&self, authority: &Authority<'_>) -> bool {
        let host = authority.host();
        let is_only = self.certificates.keys.len() == 1;
        let is_name = || self.choice.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(host));
        is_only || is_name() || self.certificates.place(Some(host)) == self.choice.at
    }
}

/// The certificates of one listener, and the names in them.
struct Certificates {
    /// At least one; the first is the default.
    keys: Vec<Arc<CertifiedKey>>,
    /// Names, in lower case.
    exact: HashMap<Box<str>, usize>,
    /// What follows `*.` in wildcards, in lower case.
    wildcards: HashMap<Box<str>, usize>,
}

impl Certificates {
    fn read(certificates: &[Certificate]) -> Result<Self, CertificateError> {
        let keys = certificates.iter().map(|certificate| certified_key(certificate).map(Arc::new));
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        let (mut exact, mut wildcards) = (HashMap::new(), HashMap::new());
        for (at, key) in keys.iter().enumerate() {
            for name in key.cert.first().map_or_else(Vec::new, certificate_names) {
                match name.strip_prefix("*.") {
                    Some(parent) => wildcards.entry(parent.into()).or_insert(at),
                    None => exact.entry(name.into_boxed_str()).or_insert(at),
                };
            }
        }
        Ok(Self { keys, exact, wildcards })
    }

    /// The place of the certificate for a name, or of the default; an IP address is never asked for, so it has none.
    fn place(&self, name: Option<&str>) -> usize {
        let Some(name) = name.map(str::to_ascii_lowercase) else {
            return 0;
        };
        let wildcard = || self.wildcards.get(name.split_once('.')?.1);
        self.exact.get(name.as_str()).or_else(wildcard).copied().unwrap_or(0)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let choice = Choice { name: name.map(Into::into), at: self.place(name) };
        let key = self.keys.get(choice.at).cloned()?;
        // Outside of `Encryption::handshake` nobody would know what was shown.
        CHOICE.try_with(|chosen| chosen.replace(Some(choice))).ok()?;
        Some(key)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Certificates({})", self.keys.len())
    }
}

fn certified_key(certificate: &Certificate) -> Result<CertifiedKey, CertificateError> {
    let path = || certificate.cert.clone();
    let (chain, key) = certificate.read().map_err(|source| CertificateError::Pem { path: path(), source })?;
    CertifiedKey::from_der(chain, key, &default_provider())
        .map_err(|source| CertificateError::Mismatch { path: path(), source })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Generated, generate_simple_self_signed};

    use super::*;
    use crate::secret::Secret;

    fn certificate(names: &[&str]) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let Generated { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        Certificate {
            cert: "site.pem".into(),
            cert_pem: cert.pem().into_bytes().into(),
            key_pem: Secret::new(signing_key.serialize_pem()),
        }
    }

    fn several() -> Arc<Certificates> {
        let written = [
            certificate(&["a.example", "127.0.0.1"]),
            certificate(&["b.example", "*.c.example", "192.0.2.1"]),
            certificate(&["x.c.example", "b.example"]),
        ];
        Arc::new(Certificates::read(&written).unwrap())
    }

    #[test]
    fn the_name_in_the_certificate_chooses_and_the_first_is_the_default() {
        let certificates = several();
        for (name, at) in [
            ("a.example", 0),
            ("b.example", 1),
            ("B.EXAMPLE", 1),
            ("y.c.example", 1),
            ("x.c.example", 2),
            ("x.y.c.example", 0),
            ("c.example", 0),
            ("other.example", 0),
            ("192.0.2.1", 0),
        ] {
            assert_eq!(certificates.place(Some(name)), at, "{name}");
        }
        assert_eq!(certificates.place(None), 0);
    }

    fn fits(shown_for: Option<&str>, host: &str) -> bool {
        let certificates = several();
        let choice = Choice { name: shown_for.map(Into::into), at: certificates.place(shown_for) };
        Shown { certificates, choice }.fits(&Authority::parse(host).unwrap())
    }

    #[test]
    fn hosts_of_the_certificate_that_was_shown_fit_and_others_do_not() {
        for (shown_for, host) in [
            (Some("a.example"), "A.example:8443"),
            (Some("b.example"), "y.c.example"),
            (Some("other.example"), "other.example"),
            (Some("other.example"), "a.example"),
            (None, "a.example"),
            (None, "127.0.0.1:8443"),
            (None, "[::1]:8443"),
            (None, "unknown.example"),
        ] {
            assert!(fits(shown_for, host), "{shown_for:?} {host}");
        }
        for (shown_for, host) in [
            (Some("a.example"), "b.example"),
            (Some("b.example"), "a.example"),
            (Some("b.example"), "x.c.example"),
            (Some("x.c.example"), "b.example"),
            (Some("b.example"), "192.0.2.1"),
            (Some("other.example"), "b.example"),
            (None, "b.example"),
        ] {
            assert!(!fits(shown_for, host), "{shown_for:?} {host}");
        }
    }

    #[test]
    fn one_certificate_stands_for_every_host() {
        let certificates = Arc::new(Certificates::read(&[certificate(&["a.example"])]).unwrap());
        let shown = Shown { certificates, choice: Choice { name: Some("a.example".into()), at: 0 } };
        assert!(shown.fits(&Authority::parse("b.example").unwrap()));
    }

    #[test]
    fn a_key_of_another_certificate_is_an_error() {
        let mut broken = certificate(&["a.example"]);
        broken.key_pem = certificate(&["a.example"]).key_pem;
        assert!(matches!(Certificates::read(&[broken]), Err(CertificateError::Mismatch { .. })));
    }

    #[test]
    fn a_file_without_a_key_is_an_error() {
        let mut keyless = certificate(&["a.example"]);
        keyless.key_pem = Secret::new("");
        assert!(matches!(Certificates::read(&[keyless]), Err(CertificateError::Pem { .. })));
    }
}
