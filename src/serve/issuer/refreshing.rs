//! From a refresh token to another access token and its successor (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! A token that is good is rotated: signed first, then committed, then handed out. One that was spent just now gives the same
//! successor again, as the answer may have been lost, with an access token that ends no later than those that the family
//! knows of. One that was spent before that ends the family, here at once and on every node soon.
//!
//! Deliberately absent: a rotation for a request that is refused. It burns nothing.

use std::time::Instant;

use super::asked::Known;
use super::given::{self, Given, SUCCESSOR};
use super::refused::{NoGrant, Refused};
use crate::clock::Timestamp;
use crate::config::{Client, GrantType};
use crate::issuer::{Grant, GrantRecord, RefreshRequest, Refusal, check_open_grant, refresh_token};
use crate::secret::Secret;
use crate::serve::minting::mint;
use crate::snapshot::Snapshot;
use crate::store::sealing::SealingKey;
use crate::store::{Family, Refresh, Rotated, Rotation, TokenDigest};

/// A refresh token that was shown, and what becomes of it.
pub(super) struct Refreshing {
    shown: Secret,
    turn: Turn,
}

/// What a token is worth, once it was decided what it gives.
enum Turn {
    /// It is good.
    Next { record: Box<GrantRecord>, grant: Box<Grant> },
    /// It was good just now.
    SameAgain { family: Family, grant: Box<Grant>, successor: Vec<u8> },
    /// Whoever shows it may not have it.
    Reused(Family),
}

/// Decides what a client gets for a refresh token. Nothing has had an effect afterwards.
///
/// # Errors
///
/// [`Refused`] says why it is nothing.
pub(super) async fn decide(
    snapshot: &Snapshot,
    client: &Client,
    request: RefreshRequest,
    known: &mut Known,
) -> Result<Refreshing, Refused> {
    check_open_grant(client, GrantType::RefreshToken)?;
    let (_, issuing) = given::issuer(snapshot)?;
    let digest = TokenDigest::of(request.refresh_token.expose());
    let found = issuing.store.look_up_refresh(&digest, Timestamp::now()).await?;
    if let Refresh::Leaf(family) | Refresh::Grace { family, .. } | Refresh::Reused(family) = &found {
        known.learn_grant(family.root.clone(), family.subject.clone());
    }
    let turn = turn(snapshot, client, &request, found)?;
    Ok(Refreshing { shown: request.refresh_token, turn })
}

fn turn(snapshot: &Snapshot, client: &Client, request: &RefreshRequest, found: Refresh) -> Result<Turn, Refused> {
    let (policy, issuing) = given::issuer(snapshot)?;
    let (family, successor) = match found {
        Refresh::Unknown => return Err(NoGrant::RefreshUnknown.into()),
        // Whatever another client does with it, nothing happens.
        Refresh::Leaf(family) | Refresh::Grace { family, .. } | Refresh::Reused(family)
            if family.client != client.id =>
        {
            return Err(Refusal::GrantNotTheirs.into());
        }
        Refresh::Reused(family) => return Ok(Turn::Reused(family)),
        Refresh::Leaf(family) => (family, None),
        Refresh::Grace { family, successor } => (family, Some(successor)),
    };
    let record = given::record(issuing, &family)?;
    given::check_time(&record, Timestamp::now())?;
    let grant = Box::new(refresh_token(&policy, client, &record, &request.wanted)?);
    Ok(match successor {
        None => Turn::Next { record: Box::new(record), grant },
        Some(successor) => Turn::SameAgain { family, grant, successor },
    })
}

impl Refreshing {
    /// Does it.
    ///
    /// # Errors
    ///
    /// [`Refused`]; the token is worth then what it was worth before, or its family has ended.
    pub(super) async fn commit(self, snapshot: &Snapshot) -> Result<Given, Refused> {
        let (_, issuing) = given::issuer(snapshot)?;
        match self.turn {
            Turn::Reused(family) => {
                given::end(issuing, &family.root, family.tokens_until).await?;
                Err(NoGrant::RefreshReused.into())
            }
            Turn::SameAgain { family, grant, successor } => {
                same_again(snapshot, &self.shown, &family, *grant, &successor)
            }
            Turn::Next { record, grant } => rotate(snapshot, &self.shown, &record, *grant).await,
        }
    }
}

/// Puts a successor in the place of a token; gives the one that somebody else has put there meanwhile.
async fn rotate(snapshot: &Snapshot, shown: &Secret, record: &GrantRecord, grant: Grant) -> Result<Given, Refused> {
    let (policy, issuing) = given::issuer(snapshot)?;
    let (now, asked) = (Timestamp::now(), Instant::now());
    let minted = mint(&policy, &grant, &issuing.keys.load(), now)?;
    let successor = Secret::random_token()?;
    let sealed = SealingKey::of_token(shown, SUCCESSOR).seal(successor.expose());
    let tokens_until = minted.access_token().expires();
    let rotation = Rotation {
        shown: TokenDigest::of(shown.expose()),
        leaf: TokenDigest::of(successor.expose()),
        successor: sealed.map_err(|fault| Refused::Unavailable(fault.to_string()))?,
        until: given::idle_until(policy.server, record, now, tokens_until),
        tokens_until,
        now,
        asked,
    };
    match issuing.store.rotate_refresh(&rotation).await? {
        Rotated::Rotated => Ok(Given { minted, refresh_token: Some(successor) }),
        Rotated::Grace { family, successor } => same_again(snapshot, shown, &family, grant, &successor),
        Rotated::Reused(family) => {
            issuing.revocations.add(&family.root, family.tokens_until);
            Err(NoGrant::RefreshReused.into())
        }
        Rotated::Gone => Err(NoGrant::RefreshUnknown.into()),
    }
}

fn unreadable(root: &str) -> Refused {
    tracing::error!(root, "the successor of a refresh token cannot be read; was the store damaged?");
    Refused::Unreadable
}

/// The successor once more, with a token that a revocation of the family ends as well.
fn same_again(
    snapshot: &Snapshot,
    shown: &Secret,
    family: &Family,
    grant: Grant,
    sealed: &[u8],
) -> Result<Given, Refused> {
    let (policy, issuing) = given::issuer(snapshot)?;
    let successor = SealingKey::of_token(shown, SUCCESSOR).open(sealed).map_err(|_| unreadable(&family.root))?;
    let grant = grant.ending_by(family.tokens_until);
    let minted = mint(&policy, &grant, &issuing.keys.load(), Timestamp::now())?;
    Ok(Given { minted, refresh_token: Some(successor) })
}
