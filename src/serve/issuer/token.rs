//! From an authenticated request to what a token will say, and to the answer that carries it (RFC 6749 §5.1, RFC 8693 §2.2).
//! What a user granted is [`redeeming`]'s and [`refreshing`]'s; all leave by the same answer.
//!
//! A signature takes 20 to 600 µs, less than it costs to hand it to another thread and wait; it is made where the request is.

use std::sync::Arc;

use super::Desk;
use super::asked::Known;
use super::given::{self, Given};
use super::redeeming::{self, Redemption};
use super::refreshing::{self, Refreshing};
use super::refused::Refused;
use crate::clock::Timestamp;
use crate::config::{Client, GrantType, ResourceId};
use crate::issuer::{
    Exchange, Form, Grant, PresentedToken, Refusal, TokenFacts, TokenRequest, TokenType, client_credentials,
    exchange_target, grant_type, token_exchange,
};
use crate::oauth::Reason;
use crate::secret::Secret;
use crate::serve::minting::{self, TokenResponse};
use crate::snapshot::Snapshot;
use crate::token::mint::MintedToken;
use crate::token::{self, ClaimValue, GenuineToken, Presented};

/// What was decided that a client gets.
pub(super) enum Ready {
    /// A token that only has to be signed.
    Token { grant: Box<Grant>, issued_as: Option<TokenType> },
    /// What a code gives.
    Code(Redemption),
    /// What a refresh token gives.
    Refresh(Box<Refreshing>),
}

/// A token, and what its answer says beside it.
pub(super) struct Answer {
    pub(super) minted: MintedToken,
    issued_as: Option<TokenType>,
    refresh_token: Option<Secret>,
}

/// Decides what the client gets; what is found out on the way is `known` also where that is nothing.
///
/// # Errors
///
/// [`Refused`] says why it is nothing.
pub(super) async fn decide(
    desk: &Desk,
    snapshot: &Snapshot,
    client: &Client,
    form: &Form<'_>,
    known: &mut Known,
) -> Result<Ready, Refused> {
    let policy = snapshot.policy().ok_or(Refused::NoIssuer)?;
    if grant_type(form)?.is_of_users() && policy.server.login.is_none() {
        return Err(Refusal::GrantTypeUnknown.into());
    }
    let (grant, issued_as) = match TokenRequest::read(form)? {
        TokenRequest::AuthorizationCode(request) => {
            return redeeming::decide(snapshot, client, &request, known).await.map(Ready::Code);
        }
        TokenRequest::RefreshToken(request) => {
            let refreshing = refreshing::decide(snapshot, client, request, known).await?;
            return Ok(Ready::Refresh(Box::new(refreshing)));
        }
        TokenRequest::ClientCredentials(wanted) => (client_credentials(&policy, client, &wanted)?, None),
        TokenRequest::TokenExchange { wanted, subject, actor, requested } => {
            let target = exchange_target(&policy, client, &wanted)?;
            let parent = prove(desk, snapshot, target, &subject).await?;
            known.subject = snapshot.gate.subject(Some(target), &parent);
            known.parent_jti = jti(&parent).map(str::to_owned);
            let subject = TokenFacts::of(&policy, &parent, target)?;
            let actor = match &actor {
                None => None,
                Some(actor) => {
                    let proven = prove(desk, snapshot, target, actor).await?;
                    Some(TokenFacts::of(&policy, &proven, target)?)
                }
            };
            let exchange = Exchange { client, wanted: &wanted, subject: &subject, actor: actor.as_ref() };
            (token_exchange(&policy, &exchange)?, Some(requested))
        }
    };
    Ok(Ready::Token { grant: Box::new(grant), issued_as })
}

impl Ready {
    /// Signs it, and uses up what it was got for.
    ///
    /// # Errors
    ///
    /// [`Refused`], as [`Refused::NotMinted`] if no key signs it, and [`Refused::NoIssuer`] if there is none any more.
    pub(super) async fn give(self, snapshot: &Snapshot) -> Result<Answer, Refused> {
        let of_user =
            |given: Given| Answer { minted: given.minted, issued_as: None, refresh_token: given.refresh_token };
        match self {
            Self::Token { grant, issued_as } => {
                let (policy, issuing) = given::issuer(snapshot)?;
                let minted = minting::mint(&policy, &grant, &issuing.keys.load(), Timestamp::now())?;
                Ok(Answer { minted, issued_as, refresh_token: None })
            }
            Self::Code(redemption) => redemption.commit(snapshot).await.map(of_user),
            Self::Refresh(refreshing) => refreshing.commit(snapshot).await.map(of_user),
        }
    }
}

impl Answer {
    /// As JSON: at an exchange with what the token is called, and for a user's grant with the next refresh token.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let refresh_token = self.refresh_token.as_ref().map(|token| String::from_utf8_lossy(token.expose()));
        TokenResponse::of(&self.minted)
            .with_issued_type(self.issued_as.map(TokenType::as_str))
            .with_refresh_token(refresh_token.as_deref())
            .to_json()
    }
}

/// Proves a token of an exchange by the gate's own steps, after reading its issuer's keys again if that may help.
async fn prove(
    desk: &Desk,
    snapshot: &Snapshot,
    target: ResourceId,
    token: &PresentedToken<'_>,
) -> Result<Arc<GenuineToken>, Refused> {
    let compact = token.compact;
    let mut keys_awaited = false;
    loop {
        let presented = Presented { compact, now: Timestamp::now(), keys_awaited };
        match snapshot.gate.prove_for_exchange(target, &presented, &desk.gateway.tokens) {
            Ok(genuine) => return Ok(genuine),
            Err(token::Refused::AwaitKeys(issuer)) if !keys_awaited => {
                if let Some(keyring) = snapshot.gate.keyrings().get(issuer.0) {
                    keyring.refetch().await;
                }
                keys_awaited = true;
            }
            Err(token::Refused::Rejected { rejection, .. }) if rejection.reason != Reason::KeysUnavailable => {
                return Err(Refused::Token(rejection));
            }
            // Without keys nothing is proven, now.
            Err(_) => return Err(Refused::Unavailable("no key of the token's issuer could be had".to_owned())),
        }
    }
}

/// The name of a token of ours.
pub(super) fn jti(token: &GenuineToken) -> Option<&str> {
    token.claims().get("jti").and_then(ClaimValue::as_str)
}

/// What the grant is called in metrics and audit; only what this server offers has a name.
pub(super) fn grant_label(form: &Form<'_>) -> &'static str {
    match grant_type(form) {
        Ok(GrantType::AuthorizationCode) => "authorization_code",
        Ok(GrantType::RefreshToken) => "refresh_token",
        Ok(GrantType::ClientCredentials) => "client_credentials",
        Ok(GrantType::TokenExchange) => "token_exchange",
        Err(_) => "none",
    }
}
