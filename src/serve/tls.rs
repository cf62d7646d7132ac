//! TLS towards clients: which certificate is shown to whom, and how a new one takes the place of an old one.
//!
//! The certificate is chosen by the name that the client asks for (SNI), among the names in the certificates
//! themselves; the first one serves everybody else. Deliberately absent: certificates of clients.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::listeners::tls::Acceptor;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::Certificate;

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

/// The certificates of one listener; they can be renewed while it listens.
pub struct Certificates(ArcSwap<Vec<Arc<CertifiedKey>>>);

impl Certificates {
    /// Reads them; the first one is the default.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] for the first that cannot be used.
    pub fn read(certificates: &[Certificate]) -> Result<Self, CertificateError> {
        Ok(Self(ArcSwap::from_pointee(certified_keys(certificates)?)))
    }

    /// Puts others in their place, for handshakes to come; on an error nothing changes.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] for the first that cannot be used.
    pub fn renew(&self, certificates: &[Certificate]) -> Result<(), CertificateError> {
        self.0.store(Arc::new(certified_keys(certificates)?));
        Ok(())
    }

    /// What performs handshakes with these certificates: TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
    pub(super) fn acceptor(self: &Arc<Self>) -> Acceptor {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Acceptor::from_server_config(Arc::new(config))
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let keys = self.0.load();
        let named = name.and_then(|name| {
            let name = ServerName::try_from(name).ok()?;
            keys.iter().find(|key| is_for(key, &name))
        });
        named.or(keys.first()).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Certificates({})", self.0.load().len())
    }
}

fn certified_keys(certificates: &[Certificate]) -> Result<Vec<Arc<CertifiedKey>>, CertificateError> {
    certificates.iter().map(|certificate| certified_key(certificate).map(Arc::new)).collect()
}

fn certified_key(certificate: &Certificate) -> Result<CertifiedKey, CertificateError> {
    let path = || certificate.cert.clone();
    let chain = CertificateDer::pem_slice_iter(&certificate.cert_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| CertificateError::Pem { path: path(), source })?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.expose())
        .map_err(|source| CertificateError::Pem { path: path(), source })?;
    CertifiedKey::from_der(chain, key, &default_provider())
        .map_err(|source| CertificateError::Mismatch { path: path(), source })
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = key.cert.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    leaf.is_some_and(|leaf| verify_server_name(&leaf, name).is_ok())
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

    fn shown(certificates: &Certificates, name: Option<&str>) -> Vec<u8> {
        certificates.choose(name).unwrap().cert[0].to_vec()
    }

    #[test]
    fn the_name_in_the_certificate_chooses_and_the_first_is_the_default() {
        let written = [certificate(&["a.example"]), certificate(&["b.example", "*.c.example"])];
        let certificates = Certificates::read(&written).unwrap();
        let (first, second) = (shown(&certificates, Some("a.example")), shown(&certificates, Some("b.example")));
        assert_ne!(first, second);
        assert_eq!(shown(&certificates, Some("B.EXAMPLE")), second);
        assert_eq!(shown(&certificates, Some("x.c.example")), second);
        assert_eq!(shown(&certificates, Some("x.y.c.example")), first);
        assert_eq!(shown(&certificates, Some("other.example")), first);
        assert_eq!(shown(&certificates, None), first);
    }

    #[test]
    fn a_certificate_can_be_renewed_and_a_bad_one_changes_nothing() {
        let certificates = Certificates::read(&[certificate(&["a.example"])]).unwrap();
        let before = shown(&certificates, None);
        let mut broken = certificate(&["a.example"]);
        broken.key_pem = certificate(&["a.example"]).key_pem;
        assert!(matches!(certificates.renew(&[broken]), Err(CertificateError::Mismatch { .. })));
        assert_eq!(shown(&certificates, None), before);
        certificates.renew(&[certificate(&["a.example"])]).unwrap();
        assert_ne!(shown(&certificates, None), before);
    }

    #[test]
    fn a_file_without_a_key_is_an_error() {
        let mut keyless = certificate(&["a.example"]);
        keyless.key_pem = Secret::new("");
        assert!(matches!(Certificates::read(&[keyless]), Err(CertificateError::Pem { .. })));
    }
}
