//! `/consent`: what a client asks for, shown to the user whose it is, and what he says to that.
//!
//! An answer counts for what was shown and nothing else: page and answer are each judged anew, and where the digest of what
//! would be shown has become another one, it is shown again.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use http::StatusCode;

use super::authorize::{self, Reach, Stage, Ticked, go_on, reach};
use super::consent_page::{Api, ConsentPage, Tick, apis, digest_of, user};
use super::granting::{self, Granted};
use super::halted::{Halted, redirect};
use super::pages::{Leads, page};
use super::visit::{Entries, Present, Visit};
use crate::issuer::{Endpoint, Goal, Transaction};
use crate::oauth::AuthorizationError;
use crate::secret::Secret;

/// Why the page is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shown {
    /// Nobody has answered yet.
    First,
    /// What was answered is not what is asked for now.
    Changed,
}

/// Goes on with a user who was sent to log in, or to consent.
pub(super) async fn come(visit: &Visit<'_>) -> Result<Response, Halted> {
    let (_, transaction) = visit.transaction(&visit.query()?)?;
    match visit.asked(&transaction)? {
        Some(asked) => go_on(visit, &transaction, asked, Stage::Returned).await,
        None => Ok(redirect(&Secret::new(Endpoint::Grants.url(visit.server())))),
    }
}

/// Shows what is asked for.
///
/// # Errors
///
/// [`Halted`] if what the form needs cannot be made.
pub(super) fn show(
    visit: &Visit<'_>,
    transaction: &Transaction,
    reach: &Reach,
    present: &Present,
    shown: Shown,
) -> Result<Response, Halted> {
    let asked = &reach.asked;
    let client = visit.server().client(&asked.client).ok_or(Halted::Transaction)?;
    let apis = apis(&visit.policy, asked);
    let resources = &visit.policy.config.resources;
    let denied = reach.denied.iter().filter_map(|id| resources.get(id.0));
    let consent_page = ConsentPage {
        client: client.shown(),
        destination: asked.to.destination(),
        user: user(visit, &present.session),
        digest: digest_of(asked, client, &present.session, &apis),
        apis,
        denied: denied.map(|known| known.name.as_deref().unwrap_or(known.key.as_str())).collect(),
        has_changed: shown == Shown::Changed,
        action: Endpoint::Consent.url(visit.server()),
        transaction: visit.handed_out(transaction)?,
        another_account: another_account(visit, transaction)?,
    };
    let status = match shown {
        Shown::First => StatusCode::OK,
        Shown::Changed => StatusCode::CONFLICT,
    };
    Ok(page(status, &consent_page, &Leads::Away(asked.to.form_source())))
}

/// Where a user goes who is not the one that is logged in.
fn another_account(visit: &Visit<'_>, transaction: &Transaction) -> Result<String, Halted> {
    let goal = match &transaction.goal {
        Goal::Grants => Goal::Grants,
        Goal::Authorization { request, pushed } => {
            Goal::Authorization { request: request.for_another_account(), pushed: pushed.clone() }
        }
    };
    let transaction = Transaction { goal, browser: transaction.browser.clone(), begun: visit.now };
    let address = authorize::at(visit, Endpoint::Login, &visit.handed_out(&transaction)?);
    Ok(String::from_utf8_lossy(address.expose()).into_owned())
}

/// Takes what the user says.
pub(super) async fn answered(visit: &Visit<'_>) -> Result<Response, Halted> {
    let form = visit.form()?;
    let (_, transaction) = visit.transaction(&form)?;
    let asked = visit.asked(&transaction)?.ok_or(Halted::Form)?;
    let allows = match form.one("answer")? {
        Some("allow") => true,
        Some("deny") => false,
        _ => return Err(Halted::Form),
    };
    let present = visit.present().await?;
    let session = present.as_ref().map(|present| &present.session);
    let Some(present) = present.as_ref().filter(|_| !asked.needs_login(session, Some(&transaction), visit.now)) else {
        visit.settled()?;
        return authorize::to_login(visit, &transaction.goal);
    };
    let reach = reach(visit, asked, present)?;
    let asked = &reach.asked;
    let client = visit.server().client(&asked.client).ok_or(Halted::Transaction)?;
    let apis = apis(&visit.policy, asked);
    let is_what_was_shown = form.one("shown")? == Some(digest_of(asked, client, &present.session, &apis).as_str());
    visit.settled()?;
    if !is_what_was_shown {
        return show(visit, &transaction, &reach, present, Shown::Changed);
    }
    if !allows {
        return Err(Halted::declined(asked, AuthorizationError::AccessDenied, "the user said no"));
    }
    let ticked = ticked(&apis, &form);
    granting::grant(visit, Granted { transaction: &transaction, asked, present, ticked, by_user: true }).await
}

/// What is left of what was shown. An API with a box of its own is declined by that, every other one by having no scope left.
fn ticked(apis: &[Api<'_>], form: &Entries) -> Ticked {
    let mut ticked = BTreeMap::new();
    for api in apis {
        let scopes = api.scopes.iter().filter(|shown| match &shown.tick {
            Tick::Box(name) => form.has(name),
            Tick::Needed => true,
        });
        let scopes: BTreeSet<_> = scopes.map(|shown| shown.scope.clone()).collect();
        let is_taken = match &api.tick {
            Some(name) => form.has(name),
            None => api.is_needed() || !scopes.is_empty(),
        };
        if is_taken {
            ticked.insert(api.resource, scopes);
        }
    }
    ticked
}
