//! What a user is asked, or was granted by a code that nobody has taken yet, against what he consents to by now. A grant that
//! stands is not held against it: whoever withdraws a consent ends the grant.

use std::collections::{BTreeMap, BTreeSet};

use super::GrantRecord;
use crate::issuer::{Asked, Policy};

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
