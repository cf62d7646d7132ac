//! What a client holds of a user's grant: the family of its refresh tokens, and how both end.
//!
//! Every code gives a family, also where its client may not refresh: then nobody has the family's token, and it ends with the
//! access token. So whatever a user has granted is found, and can be ended. What a family knows of its grant is sealed, and
//! counts only in the family that it was sealed for.
//!
//! A grant ends when its record does. Before that, a refresh token that nobody used for a third of a grant's lifetime, and at
//! least an hour, is good no more.

use std::time::Duration;

use super::refused::{NoGrant, Refused};
use crate::clock::Timestamp;
use crate::config::AuthorizationServer;
use crate::issuer::{GrantRecord, Policy};
use crate::secret::Secret;
use crate::snapshot::{Issuing, Snapshot};
use crate::store::sealing::Seals;
use crate::store::{Family, Revocation, StoreError};
use crate::token::mint::MintedToken;

/// What a successor is sealed as, under the token that it follows.
pub(super) const SUCCESSOR: &str = "refresh token";

/// The shortest time for which a refresh token is good that nobody uses.
const SHORTEST_IDLE: Duration = Duration::from_secs(3600);

/// What a client gets: a token, and the refresh token for the next one where it may refresh.
pub(super) struct Given {
    pub(super) minted: MintedToken,
    pub(super) refresh_token: Option<Secret>,
}

/// What rules, and what the issuer has.
pub(super) fn issuer(snapshot: &Snapshot) -> Result<(Policy<'_>, &Issuing), Refused> {
    snapshot.policy().zip(snapshot.issuing.as_deref()).ok_or(Refused::NoIssuer)
}

/// Until when a refresh token is good that is given at `now` with an access token that ends at `tokens_until`, if nobody uses
/// it: a client that comes back once its access token has ended finds it good.
pub(super) fn idle_until(
    server: &AuthorizationServer,
    record: &GrantRecord,
    now: Timestamp,
    tokens_until: Timestamp,
) -> Timestamp {
    let idle = (server.refresh_token_lifetime / 3).max(SHORTEST_IDLE);
    Timestamp(now.0.saturating_add(idle.as_secs())).max(tokens_until).min(record.ends())
}

/// A record as its family keeps it.
pub(super) fn sealed(issuing: &Issuing, record: &GrantRecord) -> Result<Vec<u8>, Refused> {
    let sealed = issuing.seals.grants.seal(&record.to_json());
    sealed.map_err(|fault| Refused::Unavailable(fault.to_string()))
}

/// What a family knows of its grant; nothing if that is not the family's own.
pub(in crate::serve) fn opened(seals: &Seals, family: &Family) -> Option<GrantRecord> {
    let json = seals.grants.open(&family.record).ok()?;
    let record = GrantRecord::from_json(json.expose()).ok()?;
    let is_its = record.root().to_string() == family.root
        && record.client() == family.client
        && record.subject().to_string() == family.subject;
    is_its.then_some(record)
}

/// The same, for whoever needs it.
///
/// # Errors
///
/// [`Refused::Unreadable`], which is nobody's fault who asks.
pub(super) fn record(issuing: &Issuing, family: &Family) -> Result<GrantRecord, Refused> {
    opened(&issuing.seals, family).ok_or_else(|| {
        tracing::error!(
            root = family.root,
            "what a refresh family knows of its grant cannot be read; was the key of the store replaced?"
        );
        Refused::Unreadable
    })
}

/// Whether a grant is still good.
pub(super) fn check_time(record: &GrantRecord, now: Timestamp) -> Result<(), NoGrant> {
    (now < record.ends()).then_some(()).ok_or(NoGrant::Ended)
}

/// Ends a grant, with every token of it that ends by `until`, or whenever its family says: for good first, then at once here.
///
/// # Errors
///
/// [`StoreError`] if it would not survive the process; nothing has changed then.
pub(in crate::serve) async fn end(issuing: &Issuing, root: &str, until: Timestamp) -> Result<(), StoreError> {
    let is_ended = issuing.store.revoke_family(root).await?;
    // Whoever shows an ended one again and again adds nothing.
    if !is_ended && !issuing.revocations.contain(root) {
        issuing.store.revoke(&Revocation { name: root.to_owned(), until }).await?;
    }
    issuing.revocations.add(root, until);
    Ok(())
}
