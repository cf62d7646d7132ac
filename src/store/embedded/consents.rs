//! What users have agreed to, in a file.

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition};

use super::EmbeddedStore;
use super::writer::Ending;
use crate::store::{Consent, ConsentStore, ConsentedScopes, StoreError};

/// Scopes, by clients, users and resources.
pub(super) const CONSENTS: TableDefinition<(&str, &str, &str), Vec<&str>> = TableDefinition::new("consents");

#[async_trait]
impl ConsentStore for EmbeddedStore {
    async fn remember_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        let Consent { client, subject, resource, scopes, declined } = consent.clone();
        self.write(move |transaction| {
            let (mut consents, mut scopes) = (transaction.open_table(CONSENTS)?, scopes.clone());
            let key = (&*client, &*subject, &*resource);
            if let Some(before) = consents.get(key)? {
                scopes.extend(before.value().into_iter().map(str::to_owned));
            }
            let scopes: Vec<_> = scopes.difference(&declined).map(String::as_str).collect();
            match scopes.is_empty() && !declined.is_empty() {
                true => consents.remove(key)?,
                false => consents.insert(key, scopes)?,
            };
            Ok(Ending::Kept(()))
        })
        .await
    }

    async fn consent_of(&self, client: &str, subject: &str) -> Result<ConsentedScopes, StoreError> {
        let (client, subject) = (client.to_owned(), subject.to_owned());
        self.read(move |transaction| {
            let mut agreed = ConsentedScopes::new();
            for entry in transaction.open_table(CONSENTS)?.range((&*client, &*subject, "")..)? {
                let (key, scopes) = entry?;
                let (of_client, of_subject, resource) = key.value();
                if (of_client, of_subject) != (&*client, &*subject) {
                    break;
                }
                agreed.insert(resource.to_owned(), scopes.value().into_iter().map(str::to_owned).collect());
            }
            Ok(agreed)
        })
        .await
    }

    async fn withdraw_consent(&self, client: &str, subject: &str, resource: &str) -> Result<bool, StoreError> {
        let (client, subject, resource) = (client.to_owned(), subject.to_owned(), resource.to_owned());
        self.write(move |transaction| {
            let was_there = transaction.open_table(CONSENTS)?.remove((&*client, &*subject, &*resource))?.is_some();
            Ok(if was_there { Ending::Kept(true) } else { Ending::Unchanged(false) })
        })
        .await
    }
}
