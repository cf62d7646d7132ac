//! The signing keys for those who look at them, rotate them, and sign by them: while the gateway runs, and while nobody uses the store.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;

use super::StartError;
use super::key_files::signing_keys;
use super::office::{Office, OpenStore, listed};
use super::vault::{KeysError, Vault};
use crate::clock::Timestamp;
use crate::config::{AuthorizationServer, Config, KeyOrigin, StoreLocation};
use crate::serve::admin::KeyKeeper;
use crate::token::mint::{KeyPolicy, ListedKey, SigningKeys};

/// Our own issuer as it is now, for whoever asks while reloads go by. It also keeps its task going.
#[derive(Clone, Debug, Default)]
pub(super) struct CurrentOffice(pub(super) Arc<ArcSwapOption<Office>>);

#[async_trait]
impl KeyKeeper for CurrentOffice {
    async fn list(&self) -> Option<Vec<ListedKey>> {
        let office = self.0.load_full()?;
        Some(office.list().await)
    }

    async fn rotate(&self) -> Option<Result<Vec<ListedKey>, String>> {
        let office = self.0.load_full()?;
        Some(office.rotate().await.map_err(|error| error.to_string()))
    }
}

/// The keys of an issuer that does not run; none is made for it. In a database they are those of the nodes that run.
///
/// # Errors
///
/// [`StartError`] if they cannot be read, as [`crate::store::StoreError::InUse`] while it runs.
pub async fn list(config: &Config, server: &AuthorizationServer) -> Result<Vec<ListedKey>, StartError> {
    let rotate_every = match &server.signing.keys {
        KeyOrigin::Files(files) => return Ok(listed(&signing_keys(files, &KeyPolicy::of(server, &config.resources))?)),
        KeyOrigin::Store { rotate_every } => *rotate_every,
    };
    let location = match &config.store {
        Some(location @ StoreLocation::File(path)) if path.exists() => location,
        Some(location @ StoreLocation::Postgres(_)) => location,
        Some(StoreLocation::File(_) | StoreLocation::Memory) | None => return Ok(Vec::new()),
    };
    let open = OpenStore::open(location, config.trusted_cas.as_deref()).await?;
    if open.store.key_ring().await.map_err(KeysError::from)?.is_none() {
        return Ok(Vec::new());
    }
    let root = open.root(server.signing.encryption.as_ref()).await?;
    let vault = Vault::new(open.store, &root, rotate_every);
    Ok(vault.read(None).await?.ring.list(Timestamp::now()))
}

/// The keys that sign for an issuer that does not run; made where there are none, as when it starts.
///
/// # Errors
///
/// [`StartError`] if they cannot be had, as [`crate::store::StoreError::InUse`] while it runs.
pub async fn signing(config: &Config, server: &AuthorizationServer) -> Result<SigningKeys, StartError> {
    let policy = KeyPolicy::of(server, &config.resources);
    match &server.signing.keys {
        KeyOrigin::Files(files) => Ok(signing_keys(files, &policy)?),
        KeyOrigin::Store { rotate_every } => {
            let location = config.store.as_ref().unwrap_or(&StoreLocation::Memory);
            let open = OpenStore::open(location, config.trusted_cas.as_deref()).await?;
            let root = open.root(server.signing.encryption.as_ref()).await?;
            Ok(open.adopt(*rotate_every, &root, &policy).await?.0)
        }
    }
}

/// Lets the next keys of an issuer that does not run sign from now on, and says what is published then.
///
/// # Errors
///
/// [`StartError`] if they cannot be changed, as [`crate::store::StoreError::InUse`] while it runs.
pub async fn rotate(config: &Config, server: &AuthorizationServer) -> Result<Vec<ListedKey>, StartError> {
    let KeyOrigin::Store { rotate_every } = &server.signing.keys else {
        return Err(KeysError::FromFiles.into());
    };
    let location = config.store.as_ref().unwrap_or(&StoreLocation::Memory);
    let open = OpenStore::open(location, config.trusted_cas.as_deref()).await?;
    let root = open.root(server.signing.encryption.as_ref()).await?;
    let vault = Vault::new(open.store, &root, *rotate_every);
    let rotated = vault.rotate(&KeyPolicy::of(server, &config.resources)).await?;
    Ok(rotated.ring.list(Timestamp::now()))
}
