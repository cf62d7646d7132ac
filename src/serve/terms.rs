//! On which terms a listener takes connections: all of it but its address, in one value that can be replaced.
//!
//! New values are all made before the first is put in place, so that a certificate that cannot be used changes nothing
//! anywhere. A connection keeps the terms that it was accepted on.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::tls::{CertificateError, Encryption};
use crate::config::{Listener, Purpose};

/// What connections of one listener get.
#[derive(Debug)]
pub(super) struct Terms {
    purpose: Purpose,
    encryption: Option<Encryption>,
}

impl Terms {
    fn new(purpose: &Purpose) -> Result<Self, CertificateError> {
        let encryption = match purpose {
            Purpose::Https(tls) => Some(Encryption::new(tls)?),
            Purpose::Http | Purpose::Redirect { .. } => None,
        };
        Ok(Self { purpose: purpose.clone(), encryption })
    }

    /// How connections are encrypted, if they are.
    pub(super) fn encryption(&self) -> Option<&Encryption> {
        self.encryption.as_ref()
    }

    /// Where requests are sent instead of being served, if they are.
    pub(super) fn redirects_to(&self) -> Option<u16> {
        self.purpose.redirects_to()
    }
}

/// The terms that a socket offers now.
#[derive(Debug)]
pub(super) struct Offer {
    /// The address as the configuration writes it, before the system chose a port.
    written: SocketAddr,
    current: ArcSwap<Terms>,
}

impl Offer {
    /// What connections get that are accepted now.
    pub(super) fn current(&self) -> Arc<Terms> {
        self.current.load_full()
    }
}

/// The terms of all sockets; whoever holds this can replace them while they listen.
#[derive(Clone, Debug)]
pub struct Offers(Arc<[Arc<Offer>]>);

impl Offers {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Offer>> {
        self.0.iter()
    }

    /// Puts what was prepared in place, for connections to come; those that are open keep what they have. Addresses do
    /// not change while the program runs: a socket whose address is no longer written goes on as it is, and a written
    /// address without a socket is passed over.
    pub fn adopt(&self, prepared: Prepared) {
        prepared.replace(&*self.0);
    }
}

impl FromIterator<Arc<Offer>> for Offers {
    fn from_iter<I: IntoIterator<Item = Arc<Offer>>>(offers: I) -> Self {
        Self(offers.into_iter().collect())
    }
}

/// The terms of a whole configuration, ready to be put in place.
#[derive(Debug)]
pub struct Prepared(Vec<(SocketAddr, Arc<Terms>)>);

impl Prepared {
    /// Makes all that listeners need beyond their sockets: certificates, versions, protocols, and whether they encrypt or
    /// redirect at all. Nothing is changed yet.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] for the first certificate that cannot be used.
    pub fn new(listeners: &[Listener]) -> Result<Self, CertificateError> {
        let terms = |listener: &Listener| Ok((listener.address, Arc::new(Terms::new(&listener.purpose)?)));
        listeners.iter().map(terms).collect::<Result<_, _>>().map(Self)
    }

    /// The first offers, one a listener.
    pub(super) fn into_offers(self) -> impl Iterator<Item = Offer> {
        self.0.into_iter().map(|(written, terms)| Offer { written, current: ArcSwap::new(terms) })
    }

    /// Puts the terms in place of those of the same written address; where several have one address, in their order. Where
    /// nothing changed, everything stays, also what the listener remembers of its clients.
    pub(super) fn replace<'o>(mut self, offers: impl IntoIterator<Item = &'o Arc<Offer>>) {
        for offer in offers {
            let Some(at) = self.0.iter().position(|(address, _)| *address == offer.written) else {
                continue;
            };
            let (_, terms) = self.0.remove(at);
            if terms.purpose != offer.current.load().purpose {
                offer.current.store(terms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirecting(address: &str, https_port: u16) -> Listener {
        Listener { address: address.parse().unwrap(), purpose: Purpose::Redirect { https_port } }
    }

    fn offers(listeners: &[Listener]) -> Vec<Arc<Offer>> {
        Prepared::new(listeners).unwrap().into_offers().map(Arc::new).collect()
    }

    fn ports(offers: &[Arc<Offer>]) -> Vec<u16> {
        offers.iter().map(|offer| offer.current().redirects_to().unwrap()).collect()
    }

    #[test]
    fn equal_written_addresses_are_replaced_in_their_order() {
        let offers = offers(&[redirecting("127.0.0.1:0", 1), redirecting("127.0.0.1:0", 2), redirecting("[::1]:0", 3)]);
        let next = [redirecting("[::1]:0", 13), redirecting("127.0.0.1:0", 11), redirecting("127.0.0.1:0", 12)];
        Prepared::new(&next).unwrap().replace(&offers);
        assert_eq!(ports(&offers), [11, 12, 13]);
    }

    #[test]
    fn what_is_no_longer_written_stays_and_what_has_no_socket_is_passed_over() {
        let offers = offers(&[redirecting("127.0.0.1:80", 1), redirecting("127.0.0.1:81", 2)]);
        Prepared::new(&[redirecting("127.0.0.1:82", 12), redirecting("127.0.0.1:81", 11)]).unwrap().replace(&offers);
        assert_eq!(ports(&offers), [1, 11]);
    }

    #[test]
    fn what_did_not_change_is_the_same_value() {
        let offers = offers(&[redirecting("127.0.0.1:80", 1)]);
        let before = offers[0].current();
        Prepared::new(&[redirecting("127.0.0.1:80", 1)]).unwrap().replace(&offers);
        assert!(Arc::ptr_eq(&before, &offers[0].current()));
    }
}
