//! The keys of one issuer.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::KeySet;
use crate::clock::Timestamp;
use crate::config::TrustedIssuer;

/// One issuer and its current keys.
#[derive(Debug)]
pub struct Keyring {
    issuer: TrustedIssuer,
    current: ArcSwapOption<KeySet>,
}

impl Keyring {
    /// A keyring that holds `keys`.
    pub fn holding(issuer: TrustedIssuer, keys: Option<KeySet>) -> Arc<Self> {
        Arc::new(Self { issuer, current: ArcSwapOption::from_pointee(keys) })
    }

    /// Whose keys these are.
    pub fn issuer(&self) -> &TrustedIssuer {
        &self.issuer
    }

    /// The keys that count now.
    pub fn current(&self, _now: Timestamp) -> Option<Arc<KeySet>> {
        self.current.load_full()
    }

    /// Whether reading the keys again may help.
    pub fn wants_refetch(&self, _now: Timestamp) -> bool {
        false
    }

    /// Reads the keys again.
    pub async fn refetch(&self) {}
}
