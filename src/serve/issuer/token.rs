//! From an authenticated request to what a token will say, and to the answer that carries it (RFC 6749 §5.1, RFC 8693 §2.2).
//!
//! A signature takes 20 to 600 µs, less than it costs to hand it to another thread and wait; it is made where the request is.

use std::sync::Arc;

use serde_json::Value;

use super::Desk;
use super::asked::Known;
use super::refused::Refused;
use crate::clock::Timestamp;
use crate::config::{Client, GrantType, ResourceId};
use crate::issuer::{
    Exchange, Form, Grant, PresentedToken, TokenFacts, TokenRequest, TokenType, client_credentials, exchange_target,
    token_exchange,
};
use crate::oauth::{Reason, Rejection};
use crate::secret::Secret;
use crate::serve::minting;
use crate::snapshot::Snapshot;
use crate::token::mint::MintedToken;
use crate::token::{self, GenuineToken, Presented};

/// A token that only has to be signed.
pub(super) struct Ready {
    grant: Grant,
    issued_as: Option<TokenType>,
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
    form: &Form,
    known: &mut Known,
) -> Result<Ready, Refused> {
    let policy = snapshot.policy().ok_or(Refused::NoIssuer)?;
    let (grant, issued_as) = match TokenRequest::read(form)? {
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
    Ok(Ready { grant, issued_as })
}

impl Ready {
    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`Refused::NotMinted`] if no key does, and [`Refused::NoIssuer`] if there is none any more.
    pub(super) fn sign(self, snapshot: &Snapshot) -> Result<(MintedToken, Option<TokenType>), Refused> {
        let (policy, issuing) = snapshot.policy().zip(snapshot.issuing.as_ref()).ok_or(Refused::NoIssuer)?;
        let minted = minting::mint(&policy, &self.grant, &issuing.keys.load(), Timestamp::now())?;
        Ok((minted, self.issued_as))
    }
}

/// The answer, which at an exchange also says what the token is called.
pub(super) fn answer(minted: &MintedToken, issued_as: Option<TokenType>) -> Value {
    let mut answer = minting::answer(minted);
    if let Some(issued_as) = issued_as {
        answer["issued_token_type"] = issued_as.as_str().into();
    }
    answer
}

/// Proves a token of an exchange by the gate's own steps, after reading its issuer's keys again if that may help.
async fn prove(
    desk: &Desk,
    snapshot: &Snapshot,
    target: ResourceId,
    token: &PresentedToken,
) -> Result<Arc<GenuineToken>, Refused> {
    let compact = text(&token.compact)?;
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

/// A presented token as text.
///
/// # Errors
///
/// [`Refused::Token`] if it is none.
pub(super) fn text(compact: &Secret) -> Result<&str, Refused> {
    let detail = "the token is no text";
    std::str::from_utf8(compact.expose())
        .map_err(|_| Refused::Token(Rejection { reason: Reason::TokenMalformed, detail }))
}

/// The name of a token of ours.
pub(super) fn jti(token: &GenuineToken) -> Option<&str> {
    token.claims().get("jti").and_then(Value::as_str)
}

/// What the grant is called in metrics and audit; only what this server offers has a name.
pub(super) fn grant_label(form: &Form) -> &'static str {
    match form.one("grant_type") {
        Some(name) if name == GrantType::ClientCredentials.as_str() => "client_credentials",
        Some(name) if name == GrantType::TokenExchange.as_str() => "token_exchange",
        _ => "none",
    }
}
