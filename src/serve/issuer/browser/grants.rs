//! `/grants`: what a user has allowed, and how he takes it back. `/logout`: how he leaves.
//!
//! Taking back ends whole grants: of one that reaches two APIs no half is left for its client to use. What was carried on from
//! it ends with it. Forms here are bound to the session by a token that comes from its cookie.

use std::time::Duration;

use askama::Template;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::SET_COOKIE;
use tokio::time::timeout;

use super::authorize::to_login;
use super::calendar::day;
use super::consent_page::{User, user};
use super::cookies::Cookie;
use super::halted::{Halted, redirect};
use super::held::{Held, HeldApi, held};
use super::kept;
use super::pages::{Leads, STYLE, page};
use super::visit::{Entries, Visit};
use crate::clock::Timestamp;
use crate::config::{Consent, Resource};
use crate::issuer::{Endpoint, Goal};
use crate::secret::Secret;
use crate::serve::issuer::given;
use crate::serve::issuer::recalls::{Recalled, recall};
use crate::store::{FAMILY_PAGE, Family, StoreError, Whose};
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::LEEWAY;

/// How long taking back may take: less than a page may, so that the user is told what became of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was allowed.
#[derive(Debug, Template)]
#[template(path = "grants.html")]
struct GrantsPage<'a> {
    user: User<'a>,
    clients: Vec<ClientShown<'a>>,
    action: String,
    logout: String,
    token: &'a str,
}

#[derive(Debug)]
struct ClientShown<'a> {
    id: &'a str,
    name: &'a str,
    /// Whether it cannot have again what was taken back unless the user says yes.
    asks: bool,
    apis: Vec<ApiShown<'a>>,
}

#[derive(Debug)]
struct ApiShown<'a> {
    key: &'a str,
    name: Option<&'a str>,
    scopes: Vec<ScopeShown<'a>>,
    since: Option<String>,
    until: Option<String>,
}

#[derive(Debug)]
struct ScopeShown<'a> {
    scope: &'a str,
    description: Option<&'a str>,
}

/// A page that says that something was done.
#[derive(Debug, Template)]
#[template(path = "done.html")]
struct Done<'a> {
    title: &'a str,
    text: &'a str,
}

/// Shows what was allowed.
pub(super) async fn list(visit: &Visit<'_>) -> Result<Response, Halted> {
    let Some(present) = visit.present().await? else {
        visit.settled()?;
        return to_login(visit, &Goal::Grants);
    };
    let all = held(visit, &present.session.subject.to_string()).await?;
    visit.settled()?;
    let shown = GrantsPage {
        user: user(visit, &present.session),
        clients: all.iter().map(|(id, held)| client_shown(visit, id, held)).collect(),
        action: Endpoint::Grants.url(visit.server()),
        logout: Endpoint::Logout.url(visit.server()),
        token: &form_token(&present.token),
    };
    Ok(page(StatusCode::OK, &shown, &Leads::Home))
}

fn client_shown<'a>(visit: &Visit<'a>, id: &'a str, held: &'a Held) -> ClientShown<'a> {
    let client = visit.server().client(id);
    let name = client.map_or(id, |client| client.shown());
    let asks = client.is_none_or(|client| client.consent == Consent::Ask);
    ClientShown { id, name, asks, apis: held.apis.iter().map(|(key, api)| api_shown(visit, key, api)).collect() }
}

fn api_shown<'a>(visit: &Visit<'a>, key: &'a str, api: &'a HeldApi) -> ApiShown<'a> {
    let known = visit.policy.config.resources.iter().find(|known| known.key.as_str() == key);
    let described = |known: &'a Resource, scope: &str| {
        known.scopes.iter().find(|(pattern, _)| pattern.covers(scope)).and_then(|(_, text)| text.as_deref())
    };
    let scopes = api
        .scopes
        .iter()
        .map(|scope| ScopeShown { scope, description: known.and_then(|known| described(known, scope)) });
    ApiShown {
        key,
        name: known.and_then(|known| known.name.as_deref()),
        scopes: scopes.collect(),
        since: api.since.map(day),
        until: api.until.map(day),
    }
}

/// Takes back what a client holds, at one API or everywhere.
pub(super) async fn withdraw(visit: &Visit<'_>) -> Result<Response, Halted> {
    let form = visit.form()?;
    let Some(present) = visit.present().await? else {
        return to_login(visit, &Goal::Grants);
    };
    check(&form, &present.token)?;
    let client = form.one("client")?.ok_or(Halted::Form)?;
    let resource = form.one("api")?;
    visit.settled()?;
    let subject = present.session.subject.to_string();
    let taking_back = take_back(visit, client, &subject, resource);
    match timeout(PATIENCE, taking_back).await {
        Ok(Ok(())) => Ok(redirect(&Secret::new(Endpoint::Grants.url(visit.server())))),
        Ok(Err(fault)) => Err(Halted::StillAllowed(fault.to_string())),
        Err(_) => Err(Halted::StillAllowed("it took too long".to_owned())),
    }
}

async fn take_back(visit: &Visit<'_>, client: &str, subject: &str, resource: Option<&str>) -> Result<(), StoreError> {
    // Also of a client for which nobody is asked, codes may be about.
    recall(&*visit.issuing.store, Recalled::Both { client, subject }, visit.now).await?;
    let agreed = visit.issuing.store.consent_of(client, subject).await?;
    for key in agreed.keys().filter(|key| resource.is_none_or(|resource| *key == resource)) {
        visit.issuing.store.withdraw_consent(client, subject, key).await?;
        write_down(visit, Some(client), subject, Some(key), None);
    }
    // Last, as a code may have been redeemed meanwhile.
    end_grants(visit, client, subject, resource).await
}

/// Ends every grant of a user to a client that reaches a resource; of one that cannot be read, nobody knows that it does not.
async fn end_grants(visit: &Visit<'_>, client: &str, subject: &str, resource: Option<&str>) -> Result<(), StoreError> {
    let ends = |resource: &str, family: &Family| {
        given::opened(&visit.issuing.seals, family)
            .is_none_or(|record| record.resources().keys().any(|key| key.as_str() == resource))
    };
    let mut after: Option<String> = None;
    loop {
        let page = visit.issuing.store.families(Whose::Subject(subject), after.as_deref(), visit.now).await?;
        let theirs = page.iter().filter(|family| family.client == client);
        for family in theirs.filter(|family| resource.is_none_or(|resource| ends(resource, family))) {
            visit.issuing.store.revoke_family(&family.root).await?;
            // A rotation may have come in between, so that no token's end is known.
            let longest = visit.issuing.longest_lifetime.as_secs().saturating_add(2 * LEEWAY);
            visit.issuing.revocations.add(&family.root, Timestamp(visit.now.0.saturating_add(longest)));
            write_down(visit, Some(client), subject, resource, Some(&family.root));
        }
        after = page.last().filter(|_| page.len() == FAMILY_PAGE).map(|family| family.root.clone());
        if after.is_none() {
            return Ok(());
        }
    }
}

fn write_down(visit: &Visit<'_>, client: Option<&str>, subject: &str, resource: Option<&str>, root: Option<&str>) {
    // A form may name anything.
    let client = client.filter(|client| visit.server().client(client).is_some());
    let resource = resource.filter(|key| visit.call.snapshot.resource(key).is_some());
    let line = AuditLine::new(Deed::ConsentWithdrawn, &visit.call.request_id, visit.call.peer);
    AuditLine { client, subject: Some(subject), resource, jti: root, ..line }.write();
}

/// Logs the user out.
pub(super) async fn log_out(visit: &Visit<'_>) -> Result<Response, Halted> {
    let form = visit.form()?;
    // Of a session that does not count any more the cookie is taken as well, but from whoever knows it.
    let token = Cookie::Session.read(visit.headers, visit.server());
    if let Some(token) = &token {
        check(&form, token)?;
        let present = visit.present().await?;
        visit.settled()?;
        kept::end_session(visit.issuing, token, visit.now).await?;
        let subject = present.map(|present| present.session.subject.to_string());
        let line = AuditLine::new(Deed::LoggedOut, &visit.call.request_id, visit.call.peer);
        AuditLine { subject: subject.as_deref(), ..line }.write();
    }
    let done = Done {
        title: "You are signed out",
        text: "Applications keep what you have allowed them. Sign in again to take that back.",
    };
    let mut response = page(StatusCode::OK, &done, &Leads::Home);
    if let Some(cookie) = Cookie::Session.clear(visit.server()).filter(|_| token.is_some()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Holds that a form stood in a page of this session.
fn check(form: &Entries, session: &Secret) -> Result<(), Halted> {
    let sent = form.one("token")?.unwrap_or_default();
    let expected = Secret::new(form_token(session));
    expected.matches(sent.as_bytes()).then_some(()).ok_or(Halted::Foreign)
}

/// What forms of a session carry. The cookie cannot be told from it.
fn form_token(session: &Secret) -> String {
    let key = Key::new(HMAC_SHA256, session.expose());
    URL_SAFE_NO_PAD.encode(sign(&key, b"forms of /grants"))
}
