//! The certificates that an upstream's own must lead to: further ones beside the platform's (`trusted_cas`), or others
//! in their place (`ca` of an upstream).

use std::fmt;
use std::sync::Arc;

use pingora_core::protocols::tls::CaType;
use pingora_core::tls::load_native_certs;
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{CertificateError, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Why the certificates towards upstreams cannot be used. The loader finds all of this first, with its place.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file holds something else than certificates.
    #[error("`trusted_cas` or an upstream's `ca` holds no PEM certificates")]
    Pem(#[from] pem::Error),
    /// A certificate is none.
    #[error("`trusted_cas` or an upstream's `ca` holds a certificate that cannot be read")]
    Certificate(#[from] rustls::Error),
    /// The file holds nothing.
    #[error("`trusted_cas` or an upstream's `ca` is empty")]
    Empty,
    /// What an upstream is shown is no certificate with its key.
    #[error("the certificate that an upstream is shown cannot be used")]
    ClientCertificate,
}

/// A list of certificates: Pingora takes a peer's in place of the platform's.
#[derive(Clone)]
pub(super) struct TrustedRoots(Arc<CaType>);

impl TrustedRoots {
    /// Reads `trusted_cas`, and adds what the platform trusts.
    ///
    /// # Errors
    ///
    /// [`RootsError`] if `pem` holds no certificates, or one that is none.
    pub(super) fn read(pem: &[u8]) -> Result<Self, RootsError> {
        // A platform may have no list, and its list may hold certificates that nobody can read; both are no fault.
        Self::with(pem, load_native_certs().unwrap_or_default())
    }

    /// Reads an upstream's own `ca`: nothing else counts there.
    pub(super) fn pinned(pem: &[u8]) -> Result<Self, RootsError> {
        Self::with(pem, Vec::new())
    }

    fn with(pem: &[u8], platform: Vec<CertificateDer<'static>>) -> Result<Self, RootsError> {
        let own = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
        if own.is_empty() {
            return Err(RootsError::Empty);
        }
        let mut store = RootCertStore::empty();
        for certificate in &own {
            store.add(certificate.clone())?;
            if !is_readable(certificate) {
                return Err(rustls::Error::from(CertificateError::BadEncoding).into());
            }
        }
        let is_usable = |each: &CertificateDer<'static>| store.add(each.clone()).is_ok() && is_readable(each);
        let readable: Vec<_> = platform.into_iter().filter(is_usable).collect();
        let wrapped = own.into_iter().chain(readable).map(|der| WrappedX509::new(der.to_vec(), parse_x509));
        Ok(Self(wrapped.collect::<Vec<_>>().into()))
    }

    /// The certificates, as a peer takes them.
    pub(super) fn certificates(&self) -> Arc<CaType> {
        Arc::clone(&self.0)
    }
}

/// Whether Pingora can read a certificate; it panics at one that it cannot.
pub(super) fn is_readable(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok()
}

impl fmt::Debug for TrustedRoots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TrustedRoots({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    #[test]
    fn the_platforms_stay_beside_trusted_cas_and_not_beside_a_pinned_one() {
        let made = generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let platform = generate_simple_self_signed(["platform.example".to_owned()]).unwrap();
        let pem = made.cert.pem();
        let roots = TrustedRoots::with(pem.as_bytes(), vec![platform.cert.der().clone()]).unwrap();
        let shown: Vec<_> = roots.0.iter().map(|each| each.borrow_raw_cert().as_slice()).collect();
        assert_eq!(shown, [made.cert.der().as_ref(), platform.cert.der().as_ref()]);
        assert_eq!(TrustedRoots::pinned(pem.as_bytes()).unwrap().0.len(), 1);
    }

    #[test]
    fn a_certificate_that_pingora_would_panic_at_is_an_error_or_left_out() {
        let made = generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let mut der = made.cert.der().to_vec();
        // The month of the first UTCTime: nobody looks at it in a root, and Pingora's parser does.
        let time = der.windows(2).position(|pair| pair == [0x17, 13]).unwrap();
        der[time + 4..time + 6].copy_from_slice(b"99");
        let odd = CertificateDer::from(der);
        assert!(RootCertStore::empty().add(odd.clone()).is_ok());
        let pem = made.cert.pem();
        assert_eq!(TrustedRoots::with(pem.as_bytes(), vec![odd.clone()]).unwrap().0.len(), 1);
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &odd);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
        assert!(matches!(TrustedRoots::pinned(pem.as_bytes()), Err(RootsError::Certificate(_))));
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        assert!(matches!(TrustedRoots::read(b""), Err(RootsError::Empty)));
        let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(TrustedRoots::read(rubbish.as_bytes()), Err(RootsError::Certificate(_))));
    }
}
