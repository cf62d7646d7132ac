//! From a code to a token and a refresh family (RFC 6749 §4.1.3).
//!
//! All that can be refused is refused before the code is taken, so a refused request burns nothing. Then the token is signed,
//! then the code is taken and its family begun at once, and only then is anything handed out.
//!
//! A user may withdraw his consent while the code is taken. Whoever withdraws looks for families before and after, and here the
//! consent is read again once the family has begun: one of the two finds the other.
//!
//! A second use by whoever the code was made for ends what the first one gave (RFC 6749 §4.1.2). Of somebody else, or with
//! another verifier, it is refused like a code that never was.

use super::asked::Known;
use super::codes;
use super::given::{self, Given};
use super::recalls;
use super::refused::{NoGrant, Refused};
use crate::clock::Timestamp;
use crate::config::{Client, Consent, GrantType};
use crate::issuer::{CodeRequest, Grant, GrantRecord, RecallsSeen, authorization_code, check_code, check_open_grant};
use crate::secret::Secret;
use crate::serve::minting::mint;
use crate::snapshot::{Issuing, Snapshot};
use crate::store::{Code, NewFamily, Refresh, StoreError, TakingCode, TokenDigest};

/// What becomes of a code that was shown.
pub(super) enum Redemption {
    /// It gives this.
    Good(Box<Redeemed>),
    /// It was taken before, and whoever shows it is who took it.
    Again {
        /// The root of what it gave.
        root: String,
        /// When the access token that it gave ends.
        tokens_until: Timestamp,
    },
}

/// A good code, and what it gives.
pub(super) struct Redeemed {
    digest: TokenDigest,
    sealed: Vec<u8>,
    record: GrantRecord,
    grant: Grant,
    consent: Consent,
    recalls: RecallsSeen,
    may_refresh: bool,
}

/// Decides what a client gets for a code. Nothing has had an effect afterwards.
///
/// # Errors
///
/// [`Refused`] says why it is nothing.
pub(super) async fn decide(
    snapshot: &Snapshot,
    client: &Client,
    request: &CodeRequest,
    known: &mut Known,
) -> Result<Redemption, Refused> {
    check_open_grant(client, GrantType::AuthorizationCode)?;
    let (policy, issuing) = given::issuer(snapshot)?;
    let now = Timestamp::now();
    let digest = TokenDigest::of(request.code.expose());
    let (sealed, root, spent) = match issuing.store.peek_code(&digest, now).await? {
        Code::Fresh { record, root } => (record, root, None),
        Code::Spent { record, root, tokens_until } => (record, root, Some(tokens_until)),
        Code::Unknown => return Err(NoGrant::CodeUnknown.into()),
    };
    let opened = codes::opened(&request.code, &sealed).filter(|opened| opened.grant.root().to_string() == root);
    let opened = opened.ok_or_else(|| {
        tracing::error!(root, "what a code stands for cannot be read");
        Refused::Unreadable
    })?;
    known.learn_grant(opened.grant.root().to_string(), opened.grant.subject().to_string());
    check_code(client, &opened.grant, opened.binding(), request)?;
    if let Some(tokens_until) = spent {
        return Ok(Redemption::Again { root, tokens_until });
    }
    given::check_time(&opened.grant, now)?;
    let consent = client.consent;
    let recalls = opened.recalls.clone();
    let record = still_agreed(issuing, consent, &opened.grant).await?.ok_or(NoGrant::Withdrawn)?;
    let grant = authorization_code(&policy, client, &record, opened.binding(), request)?;
    let may_refresh = client.grants.contains(&GrantType::RefreshToken);
    Ok(Redemption::Good(Box::new(Redeemed { digest, sealed, record, grant, consent, recalls, may_refresh })))
}

/// What is left of a grant if its user has taken back something since; nothing if that was all.
async fn still_agreed(
    issuing: &Issuing,
    consent: Consent,
    record: &GrantRecord,
) -> Result<Option<GrantRecord>, Refused> {
    match consent {
        Consent::Never => Ok(Some(record.clone())),
        Consent::Ask => {
            let agreed = issuing.store.consent_of(record.client(), &record.subject().to_string()).await?;
            Ok(record.clone().limited_to(&agreed))
        }
    }
}

/// Holds a code against what was taken back since it was made.
async fn check_recalls(issuing: &Issuing, record: &GrantRecord, recalls: &RecallsSeen) -> Result<(), Refused> {
    let subject = record.subject().to_string();
    let now = recalls::seen(&*issuing.store, record.client(), &subject, Timestamp::now()).await?;
    if recalls.came_before_any_of(&now) { Err(NoGrant::Withdrawn.into()) } else { Ok(()) }
}

impl Redemption {
    /// Does it.
    ///
    /// # Errors
    ///
    /// [`Refused`]; of several who show one code at once, all but one, and what that one got ends.
    pub(super) async fn commit(self, snapshot: &Snapshot) -> Result<Given, Refused> {
        let (_, issuing) = given::issuer(snapshot)?;
        let (root, tokens_until) = match self {
            Self::Again { root, tokens_until } => (root, tokens_until),
            Self::Good(redeemed) => match redeemed.take(snapshot).await? {
                Taken::Given(given) => return Ok(*given),
                Taken::Again { root, tokens_until } => (root, tokens_until),
            },
        };
        given::end(issuing, &root, tokens_until).await?;
        Err(NoGrant::CodeReused.into())
    }
}

/// Takes a code. A store that fails may have taken it all the same, and whoever shows it again would end what it gave. Then a
/// family stands whose token only we know.
async fn take(issuing: &Issuing, taking: &TakingCode) -> Result<Code, StoreError> {
    let fault = match issuing.store.take_code(taking).await {
        Err(fault @ StoreError::Unusable(_)) => fault,
        told => return told,
    };
    match issuing.store.look_up_refresh(&taking.family.leaf, taking.now).await {
        Ok(Refresh::Leaf(family)) => Ok(Code::Fresh { record: taking.record.clone(), root: family.root }),
        Ok(_) | Err(_) => Err(fault),
    }
}

enum Taken {
    Given(Box<Given>),
    Again { root: String, tokens_until: Timestamp },
}

impl Redeemed {
    async fn take(self, snapshot: &Snapshot) -> Result<Taken, Refused> {
        let (policy, issuing) = given::issuer(snapshot)?;
        let now = Timestamp::now();
        let minted = mint(&policy, &self.grant, &issuing.keys.load(), now)?;
        let tokens_until = minted.access_token().expires();
        // Where nobody may have it, nobody does.
        let token = Secret::random_token()?;
        let (until, end) = match self.may_refresh {
            true => (given::idle_until(policy.server, &self.record, now, tokens_until), self.record.ends()),
            false => (tokens_until, tokens_until),
        };
        let family = NewFamily {
            client: self.record.client().to_owned(),
            subject: self.record.subject().to_string(),
            record: given::sealed(issuing, &self.record)?,
            leaf: TokenDigest::of(token.expose()),
            until,
            tokens_until,
            end,
        };
        let taking = TakingCode { digest: self.digest, record: self.sealed, family, now };
        match take(issuing, &taking).await? {
            Code::Fresh { root, .. } => {
                let recalled = check_recalls(issuing, &self.record, &self.recalls).await;
                let agreed = still_agreed(issuing, self.consent, &self.record).await?;
                if recalled.is_err() || agreed.as_ref() != Some(&self.record) {
                    given::end(issuing, &root, tokens_until).await?;
                    return recalled.and(Err(NoGrant::Withdrawn.into()));
                }
                let refresh_token = self.may_refresh.then_some(token);
                Ok(Taken::Given(Box::new(Given { minted, refresh_token })))
            }
            // Whoever was quicker had the same proof.
            Code::Spent { root, tokens_until, .. } => Ok(Taken::Again { root, tokens_until }),
            Code::Unknown => Err(NoGrant::CodeUnknown.into()),
        }
    }
}
