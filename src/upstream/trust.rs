//! How servers are spoken to: what they must prove, what they are shown, and in which protocol.
//!
//! A connection is shared by requests only where all of this is equal. Pingora's own key of kept connections covers the
//! address, the scheme and the server's name, but neither the roots nor the protocol, and of a client certificate only
//! the serial number; so everything goes into [`Trust::identity`], and from there into every peer's `group_key`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::utils::tls::CertKey;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::roots::{RootsError, TrustedRoots, is_readable};
use crate::config::{Certificate, UpstreamProtocol, UpstreamTls};

/// How many requests share one HTTP/2 connection; Pingora's default is one.
const HTTP2_STREAMS: usize = 100;

/// Which certificates count, and which one is shown.
#[derive(Debug)]
pub(super) struct Trust {
    /// Equal where the files are, for as long as the process lives; keyed, so that it tells nothing about a key.
    pub(super) identity: u64,
    roots: Option<TrustedRoots>,
    certificate: Option<Arc<CertKey>>,
}

/// The `trusted_cas` of one configuration; they may be long, and are told apart by a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrustedCas<'c> {
    pem: Option<&'c [u8]>,
    identity: u64,
}

/// Every [`Trust`] that somebody holds: files are taken apart once for all upstreams that name them, also over a
/// reload.
#[derive(Debug, Default)]
pub(super) struct Trusts {
    hasher: RandomState,
    known: Mutex<HashMap<u64, Weak<Trust>>>,
}

impl Trusts {
    /// The `trusted_cas` of a configuration, read once for all of its upstreams.
    pub(super) fn trusted_cas<'c>(&self, pem: Option<&'c [u8]>) -> TrustedCas<'c> {
        TrustedCas { pem, identity: self.hasher.hash_one(pem) }
    }

    /// What holds for an upstream that says `tls`, in a configuration with these `trusted_cas`.
    pub(super) fn trust(&self, cas: &TrustedCas<'_>, tls: Option<&UpstreamTls>) -> Result<Arc<Trust>, RootsError> {
        let pinned = tls.and_then(|tls| tls.ca.as_deref());
        let shown = tls.and_then(|tls| tls.certificate.as_ref());
        let further = cas.pem.filter(|_| pinned.is_none());
        let written = shown.map(|certificate| (&certificate.cert_pem, certificate.key_pem.expose()));
        let identity = self.hasher.hash_one((further.map(|_| cas.identity), pinned, written));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trust) = known.get(&identity).and_then(Weak::upgrade) {
            return Ok(trust);
        }
        let roots = match (pinned, further) {
            (Some(pem), _) => Some(TrustedRoots::pinned(pem)?),
            (None, Some(pem)) => Some(TrustedRoots::read(pem)?),
            (None, None) => None,
        };
        let certificate = shown.map(shown_certificate).transpose()?.map(Arc::new);
        let trust = Arc::new(Trust { identity, roots, certificate });
        known.retain(|_, trust| trust.strong_count() > 0);
        known.insert(identity, Arc::downgrade(&trust));
        Ok(trust)
    }

    /// A number for what must be equal to be the same; keyed like [`Trust::identity`].
    pub(super) fn number(&self, parts: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(parts)
    }
}

/// The chain and the key as Pingora takes them. It panics where one of them cannot be read, so they are tried first.
fn shown_certificate(written: &Certificate) -> Result<CertKey, RootsError> {
    let (chain, key) = written.read().map_err(|_| RootsError::ClientCertificate)?;
    let der = key.secret_der().to_vec();
    if chain.is_empty() || !chain.iter().all(is_readable) || PrivateKeyDer::try_from(der.as_slice()).is_err() {
        return Err(RootsError::ClientCertificate);
    }
    let chain_der = chain.iter().map(|certificate| certificate.to_vec()).collect();
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|_| RootsError::ClientCertificate)?;
    Ok(CertKey::new(chain_der, der))
}

/// How one server is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) tls: bool,
    /// The name that the server is asked for and must prove. Never empty: Pingora takes that for "do not verify".
    pub(super) server_name: String,
    pub(super) protocol: UpstreamProtocol,
    pub(super) trust: Arc<Trust>,
}

impl Manner {
    /// A peer at an address; bounds are the caller's to set.
    pub(super) fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, self.tls, self.server_name.clone());
        peer.options.ca = self.trust.roots.as_ref().map(TrustedRoots::certificates);
        peer.client_cert_key = self.trust.certificate.clone();
        if self.protocol == UpstreamProtocol::Http2 {
            peer.options.set_http_version(2, 2);
            peer.options.max_h2_streams = HTTP2_STREAMS;
        }
        peer
    }

    /// What tells two manners apart.
    pub(super) fn parts(&self) -> (bool, &str, UpstreamProtocol, u64) {
        (self.tls, &self.server_name, self.protocol, self.trust.identity)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;
    use crate::secret::Secret;

    fn certificate() -> Certificate {
        let Made { cert, signing_key } = generate_simple_self_signed(["gate.example".to_owned()]).unwrap();
        Certificate {
            cert: "gate.pem".into(),
            cert_pem: cert.pem().into_bytes().into(),
            key_pem: Secret::new(signing_key.serialize_pem()),
        }
    }

    fn tls(ca: Option<&Certificate>, certificate: Option<&Certificate>) -> UpstreamTls {
        let ca = ca.map(|certificate| Arc::clone(&certificate.cert_pem));
        UpstreamTls { ca, server_name: None, certificate: certificate.cloned() }
    }

    #[test]
    fn whatever_differs_is_another_trust() {
        let trusts = Trusts::default();
        let (one, other) = (certificate(), certificate());
        let all = [
            trusts.trust(&trusts.trusted_cas(None), None),
            trusts.trust(&trusts.trusted_cas(Some(&one.cert_pem)), None),
            trusts.trust(&trusts.trusted_cas(Some(&other.cert_pem)), None),
            trusts.trust(&trusts.trusted_cas(None), Some(&tls(Some(&one), None))),
            trusts.trust(&trusts.trusted_cas(None), Some(&tls(None, Some(&one)))),
            trusts.trust(&trusts.trusted_cas(None), Some(&tls(None, Some(&other)))),
            trusts.trust(&trusts.trusted_cas(None), Some(&tls(Some(&one), Some(&one)))),
        ];
        let identities: std::collections::BTreeSet<_> =
            all.iter().map(|trust| trust.as_ref().unwrap().identity).collect();
        assert_eq!(identities.len(), all.len());
    }

    #[test]
    fn equal_files_are_taken_apart_once_and_a_pinned_ca_needs_no_other() {
        let trusts = Trusts::default();
        let (one, other) = (certificate(), certificate());
        let pinned = tls(Some(&one), None);
        let first = trusts.trust(&trusts.trusted_cas(None), Some(&pinned)).unwrap();
        assert!(Arc::ptr_eq(&first, &trusts.trust(&trusts.trusted_cas(Some(&other.cert_pem)), Some(&pinned)).unwrap()));
        assert_eq!(first.roots.as_ref().unwrap().certificates().len(), 1);
    }

    #[test]
    fn a_key_of_another_certificate_is_an_error() {
        let mut mixed = certificate();
        mixed.key_pem = certificate().key_pem;
        let trusts = Trusts::default();
        let refused = trusts.trust(&trusts.trusted_cas(None), Some(&tls(None, Some(&mixed))));
        assert!(matches!(refused, Err(RootsError::ClientCertificate)));
    }
}
