//! From a refresh token to another access token and its successor (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! A token that is good is rotated: signed first, then committed, then handed out. One that was spent just now gives the same
//! successor again, as the answer may have been lost, with an access token that ends no later than those that the family
//! knows of. One that was spent before that ends the family, here at once and on every node soon.
//!
//! Deliberately absent: a rotation for a request that is refused. It burns nothing.

use super::asked::Known;
use super::given::{self, Given, SUCCESSOR};
use super::refused::{NoGrant, Refused};
use crate::clock::Timestamp;
use crate::config::{Client, GrantType};
use crate::issuer::{Grant, GrantRecord, RefreshRequest, Refusal, check_open_grant, refresh_token};
use crate::secret::Secret;
use crate::serve::minting::mint;
use crate::snapshot::{Issuing, Snapshot};
use crate::store::sealing::SealingKey;
use crate::store::{Family, Refresh, Rotated, Rotation, TokenDigest};

/// How often a token is looked at again that somebody else changes meanwhile.
const LOOKS: usize = 5;

/// A refresh token that was shown, and what becomes of it.
pub(super) struct Refreshing<'s> {
    client: &'s Client,
    request: RefreshRequest,
    turn: Turn,
}

/// What a token is worth, once it was decided what it gives.
enum Turn {
    /// It is good.
    Next { family: Family, record: Box<GrantRecord>, grant: Box<Grant> },
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
pub(super) async fn decide<'s>(
    snapshot: &Snapshot,
    client: &'s Client,
    request: RefreshRequest,
    known: &mut Known,
) -> Result<Refreshing<'s>, Refused> {
    check_open_grant(client, GrantType::RefreshToken)?;
    let (_, issuing) = given::issuer(snapshot)?;
    let found = look_up(issuing, &request).await?;
    if let Refresh::Leaf(family) | Refresh::Grace { family, .. } | Refresh::Reused(family) = &found {
        known.learn_grant(family.root.clone(), family.subject.clone());
    }
    let turn = turn(snapshot, client, &request, found)?;
    Ok(Refreshing { client, request, turn })
}

async fn look_up(issuing: &Issuing, request: &RefreshRequest) -> Result<Refresh, Refused> {
    let digest = TokenDigest::of(request.refresh_token.expose());
    Ok(issuing.store.look_up_refresh(&digest, Timestamp::now()).await?)
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
        None => Turn::Next { family, record: Box::new(record), grant },
        Some(successor) => Turn::SameAgain { family, grant, successor },
    })
}

impl Refreshing<'_> {
    /// Does it.
    ///
    /// # Errors
    ///
    /// [`Refused`]; the token is worth then what it was worth before, or its family has ended.
    pub(super) async fn commit(self, snapshot: &Snapshot) -> Result<Given, Refused> {
        let (_, issuing) = given::issuer(snapshot)?;
        let Self { client, request, mut turn } = self;
        for _ in 0..LOOKS {
            let given = match turn {
                Turn::Reused(family) => {
                    given::end(issuing, &family.root, family.tokens_until).await?;
                    return Err(NoGrant::RefreshReused.into());
                }
                Turn::SameAgain { family, grant, successor } => {
                    return same_again(snapshot, &request.refresh_token, &family, *grant, &successor);
                }
                Turn::Next { family, record, grant } => {
                    rotate(snapshot, &request.refresh_token, &family, &record, &grant).await?
                }
            };
            match given {
                Some(given) => return Ok(given),
                None => turn = self::turn(snapshot, client, &request, look_up(issuing, &request).await?)?,
            }
        }
        Err(Refused::Unavailable("a refresh token was changed again and again meanwhile".to_owned()))
    }
}

/// Puts a successor in the place of a token; nothing if it is worth something else meanwhile.
async fn rotate(
    snapshot: &Snapshot,
    shown: &Secret,
    family: &Family,
    record: &GrantRecord,
    grant: &Grant,
) -> Result<Option<Given>, Refused> {
    let (policy, issuing) = given::issuer(snapshot)?;
    let now = Timestamp::now();
    let minted = mint(&policy, grant, &issuing.keys.load(), now)?;
    let successor = Secret::random_token()?;
    let sealed = SealingKey::of_token(shown, SUCCESSOR).seal(successor.expose());
    let rotation = Rotation {
        shown: TokenDigest::of(shown.expose()),
        version: family.version,
        leaf: TokenDigest::of(successor.expose()),
        successor: sealed.map_err(|fault| Refused::Unavailable(fault.to_string()))?,
        until: given::idle_until(policy.server, record, now),
        tokens_until: minted.access_token().expires(),
        now,
    };
    match issuing.store.rotate_refresh(&rotation).await? {
        Rotated::Rotated => Ok(Some(Given { minted, refresh_token: Some(successor) })),
        Rotated::Changed | Rotated::Grace { .. } => Ok(None),
        Rotated::Reused(family) => {
            issuing.revocations.add(&family.root, family.tokens_until);
            Err(NoGrant::RefreshReused.into())
        }
        Rotated::Gone => Err(NoGrant::RefreshUnknown.into()),
    }
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
    let successor = SealingKey::of_token(shown, SUCCESSOR).open(sealed).map_err(|_| NoGrant::Unreadable)?;
    let grant = grant.ending_by(family.tokens_until);
    let minted = mint(&policy, &grant, &issuing.keys.load(), Timestamp::now())?;
    Ok(Given { minted, refresh_token: Some(successor) })
}
