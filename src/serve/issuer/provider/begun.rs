//! A login begins: the user is sent to the provider, and what his answer will be held against is kept.

use std::time::Instant;

use axum::response::Response;
use tokio::time::timeout;

use super::refused::NotLoggedIn;
use super::way::{Provider, Way};
use super::{ATTEMPT_SECONDS, LOGIN, PATIENCE};
use crate::clock::Timestamp;
use crate::issuer::{Endpoint, LoginAttempt, ProviderMetadata, Transaction};
use crate::oauth::IssuerName;
use crate::secret::Secret;
use crate::serve::issuer::browser::kept::digest;
use crate::serve::issuer::browser::{redirect, superseded};
use crate::serve::issuer::{Call, Desk};
use crate::store::sealing::SealingKey;

/// Sends the user to a provider, to come back to `/login/callback`. `text` is the transaction as his browser has it, which
/// is the browser that the transaction names.
pub(in crate::serve::issuer) async fn begin(
    desk: &Desk,
    call: &Call,
    text: &str,
    transaction: &Transaction,
    provider: &IssuerName,
) -> Response {
    let snapshot = &call.snapshot;
    if let Some(wait) = desk.throttle.begin_login(call.peer, Instant::now()) {
        return NotLoggedIn::Throttled { seconds: wait.as_secs() + 1 }.answer(call, None);
    }
    let way = match Way::of(snapshot, transaction) {
        _ if !desk.gateway.current.is(snapshot) => return superseded(),
        Err(refused) => return refused.answer(call, None),
        Ok(way) => way,
    };
    let asking = async {
        let provider = Provider::named(&snapshot.config, provider).ok_or(NotLoggedIn::NoProvider)?;
        let metadata = desk.providers.metadata(&snapshot.config, provider.trusted).await?;
        Ok::<_, NotLoggedIn>((provider, metadata))
    };
    let asked = timeout(PATIENCE, asking).await.unwrap_or(Err(NotLoggedIn::TooSlow));
    if !desk.gateway.current.is(snapshot) {
        return superseded();
    }
    let sent = match asked {
        Err(refused) => Err(refused),
        Ok((provider, metadata)) => keep(call, text, transaction, &provider, &metadata, &way).await,
    };
    match sent {
        Ok(location) => redirect(&location),
        Err(refused) => refused.answer(call, Some(&way)),
    }
}

/// Keeps the attempt, and gives where the user is sent.
async fn keep(
    call: &Call,
    text: &str,
    transaction: &Transaction,
    provider: &Provider<'_>,
    metadata: &ProviderMetadata,
    way: &Way,
) -> Result<Secret, NotLoggedIn> {
    let snapshot = &call.snapshot;
    let (server, issuing) = (snapshot.config.issuer.as_ref(), snapshot.issuing.as_ref());
    let (server, issuing) = server.zip(issuing).ok_or(NotLoggedIn::NoProvider)?;
    let broken = |_| NotLoggedIn::Broken("the system has no randomness to give");
    let name = provider.trusted.name.clone();
    let attempt = LoginAttempt::new(text, &transaction.browser, name, &metadata.issuer).map_err(broken)?;
    let state = Secret::random_token().map_err(broken)?;
    let sealed = SealingKey::of_token(&state, LOGIN)
        .seal(&attempt.to_json())
        .map_err(|_| NotLoggedIn::Broken("the system has no randomness to give"))?;
    let until = Timestamp(Timestamp::now().0 + ATTEMPT_SECONDS);
    if !issuing.store.put_once(&format!("{LOGIN}|{}", digest(&state)), &sealed, until).await? {
        return Err(NotLoggedIn::Broken("a state came twice"));
    }
    let redirect_uri = Endpoint::LoginCallback.url(server);
    let state = String::from_utf8_lossy(state.expose());
    Ok(Secret::new(way.demand.location(metadata, provider.login, &redirect_uri, &attempt, &state)))
}
