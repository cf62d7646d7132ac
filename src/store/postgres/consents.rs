//! What users have agreed to, in a database. Whose it is stands there as a digest: nobody lists it by client or user.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, Digest, SHA256};
use deadpool_postgres::Client;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Failure, PATIENCE, PostgresStore};
use crate::store::{Consent, ConsentStore, ConsentedScopes, StoreError};

/// Two who add to one consent add both: the second one waits, and adds to what the first one left.
const REMEMBER: &str = "INSERT INTO narrowgate_consents AS kept (whose, resource, scopes) VALUES ($1, $2, $3) \
                        ON CONFLICT (whose, resource) DO UPDATE SET scopes = \
                        ARRAY((SELECT unnest(kept.scopes) UNION SELECT unnest(excluded.scopes)) \
                        EXCEPT SELECT unnest($4::text[]))";
const FORGET: &str = "DELETE FROM narrowgate_consents WHERE whose = $1 AND resource = $2 AND scopes = '{}'";
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

/// A transaction, which is undone where it ends early. The row that it makes or changes is its own until then.
async fn remember(connection: &mut Client, consent: &Consent) -> Result<(), Failure> {
    let Consent { client, subject, resource, scopes, declined } = consent;
    let whose = whose(client, subject);
    let words = |scopes: &BTreeSet<String>| scopes.iter().cloned().collect::<Vec<_>>();
    let (whose, scopes, declined) = (whose.as_ref(), words(scopes), words(declined));
    let transaction = connection.transaction().await?;
    let values: [&(dyn ToSql + Sync); 4] = [&whose, resource, &scopes, &declined];
    transaction.execute(&transaction.prepare_cached(REMEMBER).await?, &values).await?;
    if !declined.is_empty() {
        transaction.execute(&transaction.prepare_cached(FORGET).await?, &values[..2]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

#[async_trait]
impl ConsentStore for PostgresStore {
    async fn remember_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let answer = timeout(PATIENCE, remember(&mut connection, consent)).await;
        self.outcome(connection, answer)
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
