//! What users have agreed to, in memory.

use std::collections::HashMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::store::{Consent, ConsentStore, ConsentedScopes, StoreError};

/// By client and user.
#[derive(Debug, Default)]
pub(super) struct Consents(HashMap<(String, String), ConsentedScopes>);

#[async_trait]
impl ConsentStore for MemoryStore {
    async fn remember_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        let Consent { client, subject, resource, scopes, declined } = consent.clone();
        let whose = (client, subject);
        let mut kept = self.kept();
        let agreed = kept.consents.0.entry(whose.clone()).or_default();
        let left = agreed.entry(resource.clone()).or_default();
        left.extend(scopes);
        left.retain(|scope| !declined.contains(scope));
        if left.is_empty() && !declined.is_empty() {
            agreed.remove(&resource);
        }
        if agreed.is_empty() {
            kept.consents.0.remove(&whose);
        }
        Ok(())
    }

    async fn consent_of(&self, client: &str, subject: &str) -> Result<ConsentedScopes, StoreError> {
        let whose = (client.to_owned(), subject.to_owned());
        Ok(self.kept().consents.0.get(&whose).cloned().unwrap_or_default())
    }

    async fn withdraw_consent(&self, client: &str, subject: &str, resource: &str) -> Result<bool, StoreError> {
        let whose = (client.to_owned(), subject.to_owned());
        let mut kept = self.kept();
        let Some(agreed) = kept.consents.0.get_mut(&whose) else { return Ok(false) };
        let was_there = agreed.remove(resource).is_some();
        if agreed.is_empty() {
            kept.consents.0.remove(&whose);
        }
        Ok(was_there)
    }
}
