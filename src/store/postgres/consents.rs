//! What users have agreed to, in a database. Whose it is stands there as a digest: nobody lists it by client or user.

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, Digest, SHA256};
use tokio_postgres::Row;

use super::{Failure, PostgresStore};
use crate::store::{Consent, ConsentStore, ConsentedScopes, StoreError};

/// Two who add to one consent add both: the second one waits, and adds to what the first one left.
const REMEMBER: &str = "INSERT INTO narrowgate_consents AS kept (whose, resource, scopes) VALUES ($1, $2, $3) \
                        ON CONFLICT (whose, resource) DO UPDATE SET scopes = \
                        ARRAY(SELECT unnest(kept.scopes) UNION SELECT unnest(excluded.scopes))";
const AGREED: &str = "SELECT resource, scopes FROM narrowgate_consents WHERE whose = $1";
const WITHDRAW: &str = "DELETE FROM narrowgate_consents WHERE whose = $1 AND resource = $2";

/// Client and user as one key; the length keeps their border.
fn whose(client: &str, subject: &str) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(&client.len().to_be_bytes());
    context.update(client.as_bytes());
    context.update(subject.as_bytes());
    context.finish()
}

#[async_trait]
impl ConsentStore for PostgresStore {
    async fn remember_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        let Consent { client, subject, resource, scopes } = consent;
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        self.change(REMEMBER, &[&whose(client, subject).as_ref(), resource, &scopes]).await.map(|_| ())
    }

    async fn consent_of(&self, client: &str, subject: &str) -> Result<ConsentedScopes, StoreError> {
        let rows = self.rows(AGREED, &[&whose(client, subject).as_ref()]).await?;
        let agreed = |row: &Row| {
            let scopes: Vec<String> = row.try_get("scopes")?;
            Ok::<_, Failure>((row.try_get("resource")?, scopes.into_iter().collect()))
        };
        rows.iter().map(agreed).collect::<Result<_, _>>().map_err(|failure| self.failed(failure))
    }

    async fn withdraw_consent(&self, client: &str, subject: &str, resource: &str) -> Result<bool, StoreError> {
        Ok(self.change(WITHDRAW, &[&whose(client, subject).as_ref(), &resource]).await? == 1)
    }
}
