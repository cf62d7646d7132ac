//! The certificates that an upstream's own must lead to, where the operator names further ones.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pingora_core::protocols::tls::CaType;
use pingora_core::tls::load_native_certs;
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// Why `trusted_cas` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file holds something else than certificates.
    #[error("`trusted_cas` holds no PEM certificates")]
    Pem(#[from] pem::Error),
    /// A certificate is none.
    #[error("`trusted_cas` holds a certificate that cannot be read")]
    Certificate(#[from] rustls::Error),
    /// The file holds nothing.
    #[error("`trusted_cas` is empty")]
    Empty,
}

/// The certificates of `trusted_cas`, together with the platform's: Pingora takes the list of a peer in place of its
/// own.
#[derive(Clone)]
pub struct TrustedRoots {
    certificates: Arc<CaType>,
    /// How many of them, at the front, are the operator's.
    own: usize,
}

impl TrustedRoots {
    /// Reads `trusted_cas`, and adds what the platform trusts.
    ///
    /// # Errors
    ///
    /// [`RootsError`] if `pem` holds no certificates, or one that is none.
    pub fn read(pem: &[u8]) -> Result<Self, RootsError> {
        let own = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
        if own.is_empty() {
            return Err(RootsError::Empty);
        }
        let mut store = RootCertStore::empty();
        for certificate in &own {
            store.add(certificate.clone())?;
        }
        // A platform may have no list, and its list may hold certificates that nobody can read; both are no fault.
        let platform = load_native_certs().unwrap_or_default();
        let readable: Vec<_> =
            platform.into_iter().filter(|certificate| store.add(certificate.clone()).is_ok()).collect();
        let own_count = own.len();
        let wrapped = own.into_iter().chain(readable).map(|der| WrappedX509::new(der.to_vec(), parse_x509));
        Ok(Self { certificates: wrapped.collect::<Vec<_>>().into(), own: own_count })
    }

    /// The operator's own certificates, as DER.
    pub(super) fn own(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates[..self.own].iter().map(|certificate| certificate.borrow_raw_cert().as_slice())
    }

    /// The certificates, as a peer takes them.
    pub(super) fn certificates(&self) -> Arc<CaType> {
        Arc::clone(&self.certificates)
    }
}

impl Hash for TrustedRoots {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for certificate in self.certificates.iter() {
            certificate.borrow_raw_cert().hash(state);
        }
    }
}

impl fmt::Debug for TrustedRoots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TrustedRoots({})", self.certificates.len())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    #[test]
    fn the_operators_certificates_come_first_and_the_platforms_stay() {
        let made = generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let roots = TrustedRoots::read(made.cert.pem().as_bytes()).unwrap();
        assert_eq!(roots.own().collect::<Vec<_>>(), [made.cert.der().as_ref()]);
        assert!(roots.certificates().len() > load_native_certs().unwrap_or_default().len().min(1));
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        assert!(matches!(TrustedRoots::read(b""), Err(RootsError::Empty)));
        let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(TrustedRoots::read(rubbish.as_bytes()), Err(RootsError::Certificate(_))));
    }
}
