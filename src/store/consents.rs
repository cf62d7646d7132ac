//! What users have agreed to, so that they are not asked again.
//!
//! A consent ends nothing by itself: who withdraws one revokes the families of that client and user first, then forgets the
//! consent, and looks for families once more. A crash in between leaves a consent that can be withdrawn again.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::StoreError;

/// What users have agreed to.
#[async_trait]
pub trait ConsentStore: Send + Sync {
    /// Adds the scopes of a resource to those that a user has agreed to for a client, and forgets those that he has declined.
    /// Where he declined something and nothing is left, the resource is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn remember_consent(&self, consent: &Consent) -> Result<(), StoreError>;

    /// What a user has agreed to for a client: resources, with their scopes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    async fn consent_of(&self, client: &str, subject: &str) -> Result<ConsentedScopes, StoreError>;

    /// Forgets what a user has agreed to for a client and a resource. False if it was nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be written.
    async fn withdraw_consent(&self, client: &str, subject: &str, resource: &str) -> Result<bool, StoreError>;
}

/// Scopes by the resource that they are of.
pub type ConsentedScopes = BTreeMap<String, BTreeSet<String>>;

/// What a user agrees to, and what he does not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Consent {
    /// For which client.
    pub client: String,
    /// Who agrees.
    pub subject: String,
    /// To the use of which resource; its indicator.
    pub resource: String,
    /// With which scopes; there may be none.
    pub scopes: BTreeSet<String>,
    /// Without which scopes, whatever he said before; none of `scopes`.
    pub declined: BTreeSet<String>,
}
