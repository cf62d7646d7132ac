//! `/authorize` (RFC 6749 §4.1.1), and how a user goes on from there: to a login, to consent, or back with a code.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use http::header::SET_COOKIE;
use url::form_urlencoded;

use super::consent;
use super::cookies::Cookie;
use super::granting::{self, Granted};
use super::halted::{Halted, redirect};
use super::kept::{self, NotKept};
use super::visit::{Present, Visit};
use crate::config::ResourceId;
use crate::issuer::{Asked, AuthorizationRequest, Endpoint, Goal, Pushed, Transaction};
use crate::oauth::{AuthorizationError, Scope};
use crate::secret::Secret;
use crate::serve::issuer::pushed;

/// Takes an authorization request by `GET`.
pub(super) async fn begin(visit: &Visit<'_>) -> Result<Response, Halted> {
    let request = AuthorizationRequest::of_query(visit.call.query.expose()).map_err(Halted::Fault)?;
    let transaction = arrived(visit, request).await?;
    let asked = visit.asked(&transaction)?.ok_or(Halted::Form)?;
    go_on(visit, &transaction, asked, Stage::Begun).await
}

/// Takes one by `POST`. Another site's form brings no cookies of ours along; a visit does, so it becomes one.
pub(super) async fn begin_by_form(visit: &Visit<'_>) -> Result<Response, Halted> {
    visit.check_is_form()?;
    let (query, body) = (visit.call.query.expose(), visit.call.body.expose());
    let request = AuthorizationRequest::of_form(query, body).map_err(Halted::Fault)?;
    let form = request.to_form();
    let transaction = arrived(visit, request).await?;
    let asked = visit.asked(&transaction)?.ok_or(Halted::Form)?;
    // As large as what a login would have to carry.
    visit.handed_out(&transaction)?;
    visit.settled()?;
    drop(asked);
    Ok(redirect(&Secret::new(format!("{}?{form}", Endpoint::Authorization.url(visit.server())))))
}

/// The transaction that begins with a request, which may stand for one that was pushed: then only that counts (RFC 9126 §4).
async fn arrived(visit: &Visit<'_>, request: AuthorizationRequest) -> Result<Transaction, Halted> {
    let browser = visit.browser().as_ref().map(kept::digest).unwrap_or_default();
    let pushed = match request.pushed_as().filter(|named| pushed::is_pushed(named.request_uri)) {
        None => None,
        Some(named) => {
            let found = pushed::read(visit.issuing, named.request_uri, named.client, visit.now).await?;
            Some((found.ok_or(Halted::RequestUri)?, named.request_uri.to_owned()))
        }
    };
    let goal = match pushed {
        None => Goal::Authorization { request, pushed: None },
        Some((request, request_uri)) => {
            Goal::Authorization { request, pushed: Some(Pushed { request_uri, since: visit.now }) }
        }
    };
    Ok(Transaction { goal, browser, begun: visit.now })
}

/// How far a user has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// The client has just sent him.
    Begun,
    /// He was sent to log in, and is back.
    Returned,
}

/// Does what comes next.
///
/// # Errors
///
/// [`Halted`] where nothing does.
pub(super) async fn go_on(
    visit: &Visit<'_>,
    transaction: &Transaction,
    asked: Asked,
    stage: Stage,
) -> Result<Response, Halted> {
    let present = visit.present().await?;
    let sent = (stage == Stage::Returned).then_some(transaction);
    let session = present.as_ref().map(|present| &present.session);
    let Some(present) = present.as_ref().filter(|_| !asked.needs_login(session, sent, visit.now)) else {
        visit.settled()?;
        if asked.is_silent() {
            return Err(silently(&asked, AuthorizationError::LoginRequired));
        }
        return to_login(visit, &transaction.goal);
    };
    let reach = reach(visit, asked, present)?;
    let subject = present.session.subject.to_string();
    let consented = visit.issuing.store.consent_of(&reach.asked.client, &subject).await?;
    visit.settled()?;
    if !reach.asked.needs_consent(&visit.policy, &consented) {
        let ticked = reach.asked.grant.clone();
        return granting::grant(visit, Granted { transaction, asked: &reach.asked, present, ticked, by_user: false })
            .await;
    }
    if reach.asked.is_silent() {
        return Err(silently(&reach.asked, AuthorizationError::ConsentRequired));
    }
    match stage {
        Stage::Returned => consent::show(visit, transaction, &reach, present, consent::Shown::First),
        Stage::Begun => to_consent(visit, transaction),
    }
}

fn silently(asked: &Asked, error: AuthorizationError) -> Halted {
    Halted::declined(asked, error, format!("`prompt=none`, and {error}"))
}

/// What is asked for, as far as this user may have it.
#[derive(Debug)]
pub(super) struct Reach {
    /// What is left.
    pub(super) asked: Asked,
    /// What he may not have.
    pub(super) denied: Vec<ResourceId>,
}

/// # Errors
///
/// [`Halted::Refused`] if nothing is left.
pub(super) fn reach(visit: &Visit<'_>, asked: Asked, present: &Present) -> Result<Reach, Halted> {
    let (client, to) = (asked.client.clone(), asked.to.clone());
    let within = asked.within_reach_of(&visit.policy, &present.session.user_claims);
    let refused = |error| Halted::refused(&client, to, error, "no API that is asked for is open to this user");
    within.map(|(asked, denied)| Reach { asked, denied }).map_err(refused)
}

/// Sends the user to log in.
///
/// # Errors
///
/// [`Halted`] if what he is on his way to fits into no address.
pub(super) fn to_login(visit: &Visit<'_>, goal: &Goal) -> Result<Response, Halted> {
    sent_to(visit, Endpoint::Login, goal)
}

fn to_consent(visit: &Visit<'_>, transaction: &Transaction) -> Result<Response, Halted> {
    sent_to(visit, Endpoint::Consent, &transaction.goal)
}

/// Sends the user on with a transaction that is his browser's; one that has no name yet gets one.
fn sent_to(visit: &Visit<'_>, endpoint: Endpoint, goal: &Goal) -> Result<Response, Halted> {
    let known = visit.browser();
    let browser = match &known {
        Some(browser) => browser.clone(),
        None => Secret::random_token().map_err(|_| NotKept::Randomness)?,
    };
    let goal = goal.clone();
    let transaction = Transaction { goal, browser: kept::digest(&browser), begun: visit.now };
    let mut response = redirect(&at(visit, endpoint, &visit.handed_out(&transaction)?));
    if let Some(cookie) = Cookie::Browser.set(visit.server(), &browser).filter(|_| known.is_none()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The address of one of our pages, for a transaction.
pub(super) fn at(visit: &Visit<'_>, endpoint: Endpoint, transaction: &str) -> Secret {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("transaction", transaction).finish();
    Secret::new(format!("{}?{query}", endpoint.url(visit.server())))
}

/// What a user ticked: nothing but what was asked for counts.
pub(super) type Ticked = BTreeMap<ResourceId, BTreeSet<Scope>>;
