//! A grant against what its user consents to by now: a consent that was withdrawn takes with it what it was given for.

use std::collections::{BTreeMap, BTreeSet};

use super::GrantRecord;
use crate::issuer::{Asked, Policy};
use crate::oauth::ResourceIndicator;

/// What a user consents to for one client: the scopes of each resource, by its key.
type Consented = BTreeMap<String, BTreeSet<String>>;

/// Whether the user has consented to all that is asked for, so that nobody needs to ask him again.
pub fn consent_covers(asked: &Asked, policy: &Policy<'_>, consented: &Consented) -> bool {
    asked.grant.iter().all(|(resource, scopes)| {
        let key = policy.resource(*resource).map(|known| known.key.as_str());
        let had = key.and_then(|key| consented.get(key));
        had.is_some_and(|had| scopes.iter().all(|scope| had.contains(scope.as_str())))
    })
}

impl GrantRecord {
    /// Whether the grant says anything about the resource with this key.
    pub fn reaches(&self, key: &ResourceIndicator) -> bool {
        self.resources.contains_key(key)
    }

    /// What is left of the grant within what is still consented to; nothing if that is nothing.
    pub fn limited_to(mut self, consented: &Consented) -> Option<Self> {
        self.resources.retain(|key, scopes| {
            let Some(left) = consented.get(key.as_str()) else { return false };
            let declared_none = scopes.is_empty();
            scopes.retain(|scope| left.contains(scope.as_str()));
            declared_none || !scopes.is_empty()
        });
        (!self.resources.is_empty()).then_some(self)
    }
}
