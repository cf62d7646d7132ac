//! What was taken back before its end: single tokens and whole grants of our own issuer (RFC 7009).
//!
//! A token is told by its `jti`, never by its text: an ECDSA signature has two spellings. A grant is told by the root
//! that every `jti` made from it begins with. Whoever keeps revocations fills this in; the gate only looks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::clock::Timestamp;

/// Every revocation that still matters, as names with their ends.
#[derive(Debug, Default)]
pub struct Revocations {
    /// Names of tokens (`jti`) and of grants (the root of a `jti`), and when the last token that they end would end.
    names: RwLock<HashMap<Box<str>, Timestamp>>,
    /// How many there are: most gates have none, and then nothing is locked.
    count: AtomicUsize,
}

impl Revocations {
    /// Takes a token or a grant back; it is forgotten once `until` has passed.
    pub fn add(&self, name: &str, until: Timestamp) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let known = names.entry(name.into()).or_insert(until);
        *known = until.max(*known);
        self.count.store(names.len(), Ordering::Release);
    }

    /// Whether the token with this `jti`, or the grant at its root, was taken back.
    pub fn contain(&self, jti: &str) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let root = jti.split_once('.').map(|(root, _)| root);
        names.contains_key(jti) || root.is_some_and(|root| names.contains_key(root))
    }

    /// Forgets what has passed at `now`.
    pub fn sweep(&self, now: Timestamp) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, until| *until >= now);
        self.count.store(names.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_ends_every_token_of_its_grant_and_a_jti_one() {
        let revocations = Revocations::default();
        assert!(!revocations.contain("root.a"));
        revocations.add("root.a", Timestamp(10));
        assert!(revocations.contain("root.a") && !revocations.contain("root.b"));
        revocations.add("root", Timestamp(20));
        assert!(revocations.contain("root.b") && !revocations.contain("other.a") && !revocations.contain("a.root"));
    }

    #[test]
    fn what_has_passed_is_forgotten_and_the_later_end_counts() {
        let revocations = Revocations::default();
        revocations.add("root", Timestamp(20));
        revocations.add("root", Timestamp(10));
        revocations.sweep(Timestamp(20));
        assert!(revocations.contain("root.a"));
        revocations.sweep(Timestamp(21));
        assert!(!revocations.contain("root.a"));
    }
}
