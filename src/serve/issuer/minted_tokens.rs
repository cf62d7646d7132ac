//! What is asked about tokens that were minted: whether one is active (RFC 7662), and to take one back (RFC 7009).
//!
//! A token that cannot be proven is inactive, and there is nothing of it to take back; why, nobody is told. With a refresh
//! token goes its family, and with an access token of a user's grant, too.

use serde_json::{Value, json};

use super::Desk;
use super::given;
use super::refused::Refused;
use super::token::jti;
use crate::clock::Timestamp;
use crate::config::{Client, ResourceId};
use crate::issuer::{Form, TokenFacts, introspect, revocation};
use crate::snapshot::Snapshot;
use crate::store::{Family, Refresh, Revocation, TokenDigest};
use crate::token::{GenuineToken, LEEWAY, Presented};

/// What the client may know about the token; anything but its own API's is not active.
///
/// # Errors
///
/// [`Refused::NoToken`], or [`Refused::NoIssuer`].
pub(super) fn introspected(
    desk: &Desk,
    snapshot: &Snapshot,
    client: &Client,
    form: &Form<'_>,
) -> Result<Value, Refused> {
    let compact = form.one("token").ok_or(Refused::NoToken)?;
    let policy = snapshot.policy().ok_or(Refused::NoIssuer)?;
    let presented = Presented { compact, now: Timestamp::now(), keys_awaited: true };
    let proven = snapshot.gate.prove_own(&presented, &desk.gateway.tokens).ok();
    let seen = proven.and_then(|token| {
        let facts = TokenFacts::of(&policy, &token, client.serves?).ok()?;
        introspect(&policy, client, &facts, &token.claims().to_map())
    });
    Ok(seen.map_or_else(|| json!({ "active": false }), Value::Object))
}

/// What a client takes back.
#[derive(Debug)]
pub(super) enum TakenBack {
    /// One token, or everything of a grant, whose family ends with it if it has one.
    Token(Revocation),
    /// A family of refresh tokens, and everything of its grant.
    Family(Box<Family>),
}

impl TakenBack {
    /// The `jti`, or the root of one.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Token(taken) => &taken.name,
            Self::Family(family) => &family.root,
        }
    }

    /// When the last access token that it ends would end.
    pub(super) fn until(&self) -> Timestamp {
        match self {
            Self::Token(taken) => taken.until,
            Self::Family(family) => family.tokens_until,
        }
    }
}

/// What is to be taken back; nothing for a token that is none of ours. What the client says that it is counts for nothing.
///
/// # Errors
///
/// [`Refused::NoToken`], [`Refused::NotTheirs`], [`Refused::NoIssuer`], or [`Refused::Unavailable`].
pub(super) async fn to_take_back(
    desk: &Desk,
    snapshot: &Snapshot,
    client: &Client,
    form: &Form<'_>,
) -> Result<Option<TakenBack>, Refused> {
    let compact = form.one("token").ok_or(Refused::NoToken)?;
    match compact.contains('.') {
        true => Ok(token_to_take_back(desk, snapshot, client, compact)?.map(TakenBack::Token)),
        // It is no JWT.
        false => Ok(family_to_take_back(snapshot, client, compact).await?.map(Box::new).map(TakenBack::Family)),
    }
}

async fn family_to_take_back(
    snapshot: &Snapshot,
    client: &Client,
    refresh_token: &str,
) -> Result<Option<Family>, Refused> {
    let issuing = snapshot.issuing.as_ref().ok_or(Refused::NoIssuer)?;
    let digest = TokenDigest::of(refresh_token.as_bytes());
    match issuing.store.look_up_refresh(&digest, Timestamp::now()).await? {
        Refresh::Unknown => Ok(None),
        Refresh::Leaf(family) | Refresh::Grace { family, .. } | Refresh::Reused(family) => {
            (family.client == client.id).then_some(Some(family)).ok_or(Refused::NotTheirs)
        }
    }
}

fn token_to_take_back(
    desk: &Desk,
    snapshot: &Snapshot,
    client: &Client,
    compact: &str,
) -> Result<Option<Revocation>, Refused> {
    let policy = snapshot.policy().ok_or(Refused::NoIssuer)?;
    let now = Timestamp::now();
    let prove = |now| {
        let presented = Presented { compact, now, keys_awaited: true };
        snapshot.gate.prove_own(&presented, &desk.gateway.tokens)
    };
    // As long as the gate still accepts it, it can be taken back.
    let Ok(token) = prove(now).or_else(|_| prove(Timestamp(now.0.saturating_sub(LEEWAY)))) else {
        return Ok(None);
    };
    let (Some(jti), Ok(facts)) = (jti(&token), TokenFacts::of(&policy, &token, audience(snapshot, &token))) else {
        return Ok(None);
    };
    let longest = snapshot.issuing.as_ref().ok_or(Refused::NoIssuer)?.longest_lifetime;
    revocation(client, &facts, jti, longest, now).map_err(|_| Refused::NotTheirs)
}

/// Takes it back: for good first, then at once here.
///
/// # Errors
///
/// [`Refused::Unavailable`] if it would not survive the process; nothing has changed then.
pub(super) async fn take_back(snapshot: &Snapshot, taken: &TakenBack) -> Result<(), Refused> {
    let issuing = snapshot.issuing.as_ref().ok_or(Refused::NoIssuer)?;
    Ok(given::end(issuing, taken.name(), taken.until()).await?)
}

/// The resource that a token of ours is for; of one that is no more, any place will do, as nothing is read there.
fn audience(snapshot: &Snapshot, token: &GenuineToken) -> ResourceId {
    let named = token.audiences().next().and_then(|name| snapshot.resource(name));
    named.unwrap_or(ResourceId(0))
}
