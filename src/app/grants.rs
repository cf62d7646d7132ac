//! What users have granted, for an operator while the gateway does not run, or shares its database.

use serde_json::{Value, json};

use super::StartError;
use super::office::OpenStore;
use super::vault::KeysError;
use crate::clock::Timestamp;
use crate::config::{AuthorizationServer, Config, LONGEST_ACCESS_TOKEN, StoreLocation};
use crate::serve::admin::grants::{Ending, Which, document, end, endings, recall_codes};
use crate::store::sealing::Seals;
use crate::store::{FAMILY_PAGE, StoreError};

/// The store; nothing if there never was any. What is in memory only whoever runs can tell.
async fn opened(config: &Config) -> Result<Option<OpenStore>, StartError> {
    let location = match config.store.as_ref().unwrap_or(&StoreLocation::Memory) {
        StoreLocation::Memory => {
            return Err(StartError::Store { place: StoreLocation::Memory.to_string(), source: StoreError::InUse });
        }
        StoreLocation::File(path) if !path.exists() => return Ok(None),
        location => location,
    };
    OpenStore::open(location, config.trusted_cas.as_deref()).await.map(Some)
}

/// One page of the grants of a client or a user, from behind a root.
///
/// # Errors
///
/// [`StartError`] if they cannot be read, as [`crate::store::StoreError::InUse`] while the gateway runs.
pub async fn list(
    config: &Config,
    server: &AuthorizationServer,
    which: &Which,
    after: Option<&str>,
) -> Result<Value, StartError> {
    let (Some(open), Some(whose)) = (opened(config).await?, which.whose()) else {
        return Ok(json!({ "grants": [], "next": null }));
    };
    let root = open.root(server.signing.encryption.as_ref()).await?;
    let families = open.store.families(whose, after, Timestamp::now()).await.map_err(KeysError::from)?;
    Ok(document(&Seals::under(&root.key), &families))
}

/// Ends grants; nodes that share the database refuse their tokens soon.
///
/// # Errors
///
/// [`StartError`] if they cannot be ended, as [`crate::store::StoreError::InUse`] while the gateway runs.
pub async fn revoke(config: &Config, which: &Which) -> Result<Vec<Ending>, StartError> {
    let mut done = Vec::new();
    let Some(open) = opened(config).await? else { return Ok(done) };
    recall_codes(&*open.store, which, Timestamp::now()).await.map_err(KeysError::from)?;
    loop {
        let page =
            endings(&*open.store, which, LONGEST_ACCESS_TOKEN, Timestamp::now()).await.map_err(KeysError::from)?;
        for ending in &page {
            end(&*open.store, ending).await.map_err(KeysError::from)?;
        }
        let is_last = page.len() < FAMILY_PAGE;
        done.extend(page);
        if is_last {
            return Ok(done);
        }
    }
}
