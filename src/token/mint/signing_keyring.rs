//! The keys of our own issuer as they are now: what signs, and what verifies, changed together.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{SigningKeys, SigningKeysFault};
use crate::config::TrustedIssuer;
use crate::fetch::Fetcher;
use crate::token::Keyring;
use crate::token::keys::KeySet;

/// The current keys of our own issuer; what holds this sees every rotation.
#[derive(Debug)]
pub struct SigningKeyring {
    signing: ArcSwap<SigningKeys>,
    verifying: Arc<Keyring>,
}

impl SigningKeyring {
    /// Begins with these keys; `issuer` is how the gate sees our own issuer.
    ///
    /// # Errors
    ///
    /// [`SigningKeysFault::Unverifiable`] if the gate could not verify with what is published.
    pub fn new(issuer: TrustedIssuer, fetcher: Fetcher, keys: SigningKeys) -> Result<Self, SigningKeysFault> {
        let verifying = Keyring::of_our_own(issuer, fetcher, verifying(&keys)?);
        Ok(Self { signing: ArcSwap::from_pointee(keys), verifying })
    }

    /// The same keys after a change of the configuration.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn succeed(&self, issuer: TrustedIssuer, fetcher: Fetcher) -> Result<Self, SigningKeysFault> {
        Self::new(issuer, fetcher, SigningKeys::clone(&self.load()))
    }

    /// Takes other keys in place of these. The gate can verify with them before anything is signed.
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; nothing has changed then.
    pub fn replace(&self, keys: SigningKeys) -> Result<(), SigningKeysFault> {
        self.verifying.publish(verifying(&keys)?);
        self.signing.store(Arc::new(keys));
        Ok(())
    }

    /// What signs now.
    pub fn load(&self) -> Arc<SigningKeys> {
        self.signing.load_full()
    }

    /// What the gate verifies with.
    pub fn verifying(&self) -> &Arc<Keyring> {
        &self.verifying
    }
}

fn verifying(keys: &SigningKeys) -> Result<KeySet, SigningKeysFault> {
    let algorithms: Vec<_> =
        crate::oauth::SigningAlgorithm::ALL.iter().map(|algorithm| algorithm.algorithm()).collect();
    KeySet::of_our_own(keys.jwk_set().as_bytes(), &algorithms).map_err(|_| SigningKeysFault::Unverifiable)
}
