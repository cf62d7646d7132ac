//! `/login`: how a user wants to log in, and the password of a local one.
//!
//! A login always begins a session with a name of its own; one that the browser had before has ended then (session fixation).

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{RETRY_AFTER, SET_COOKIE};
use url::form_urlencoded;

use super::authorize;
use super::cookies::Cookie;
use super::halted::{Halted, redirect};
use super::kept;
use super::pages::{Leads, STYLE, page};
use super::passwords::NotHim;
use super::visit::Visit;
use crate::clock::Timestamp;
use crate::config::{LocalUser, UserLogin};
use crate::issuer::{Asked, Endpoint, Goal, LoginFacts, Party, Session, Transaction, Voucher};
use crate::oauth::IssuerName;
use crate::secret::Secret;
use crate::serve::issuer::provider;
use crate::telemetry::audit::{AuditLine, Deed};

/// The ways to log in.
#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    /// The client that waits, as people call it.
    client: Option<&'a str>,
    providers: Vec<Provider<'a>>,
    /// Whether there are users with passwords here.
    has_users: bool,
    /// What stands in the field for the name.
    username: &'a str,
    problem: Option<&'a str>,
    action: String,
    transaction: &'a str,
}

#[derive(Debug)]
struct Provider<'a> {
    title: &'a str,
    address: String,
}

/// Shows the ways to log in, or sends the user to the provider that he chose, or to the only one.
pub(super) async fn choose(visit: &Visit<'_>) -> Result<Response, Halted> {
    let query = visit.query()?;
    let (text, transaction) = visit.transaction(&query)?;
    let asked = visit.asked(&transaction)?;
    let login = login(visit)?;
    let provider = match query.one("provider")? {
        Some(name) => Some(provider_named(visit, login, name).ok_or(Halted::NoSuchLogin)?),
        None => only_way(visit, login),
    };
    visit.settled()?;
    if let Some(provider) = provider {
        return Ok(provider::begin(visit.desk, visit.call, &text, &transaction, provider).await);
    }
    Ok(shown(visit, asked.as_ref(), &text, &Tried::default()))
}

/// Takes name and password of a local user.
pub(super) async fn enter(visit: &Visit<'_>) -> Result<Response, Halted> {
    let form = visit.form()?;
    let (text, transaction) = visit.transaction(&form)?;
    let asked = visit.asked(&transaction)?;
    let login = login(visit)?;
    if login.users.is_empty() {
        return Err(Halted::NoSuchLogin);
    }
    let (name, password) = (form.one("username")?.unwrap_or_default(), form.one("password")?.unwrap_or_default());
    let password = Secret::new(password);
    let judged = visit.desk.passwords.user(login, visit.call.peer, name, password).await;
    visit.settled()?;
    match judged {
        Ok(user) => begun(visit, &transaction, &text, user).await,
        Err(not_him) => {
            let (reason, tried) = match not_him {
                NotHim::Wrong => ("wrong name or password", Tried { name, failed: Some(not_him) }),
                NotHim::Busy(_) => ("too many are trying to log in", Tried { name, failed: Some(not_him) }),
                NotHim::Throttled(_) => ("too many logins have failed", Tried { name, failed: Some(not_him) }),
            };
            write_down(visit, Deed::LoginFailed, None, Some(reason));
            Ok(shown(visit, asked.as_ref(), &text, &tried))
        }
    }
}

fn login<'v>(visit: &Visit<'v>) -> Result<&'v UserLogin, Halted> {
    visit.server().login.as_ref().ok_or(Halted::NoIssuer)
}

fn names<'v>(visit: &Visit<'v>, login: &'v UserLogin) -> impl Iterator<Item = (&'v IssuerName, &'v str)> {
    let issuers = &visit.policy.config.trusted_issuers;
    login.openid.iter().filter_map(|one| Some((&issuers.get(one.issuer.0)?.name, one.title.as_str())))
}

fn provider_named<'v>(visit: &Visit<'v>, login: &'v UserLogin, name: &str) -> Option<&'v IssuerName> {
    names(visit, login).map(|(known, _)| known).find(|known| known.as_str() == name)
}

/// The provider, where there is one and no other way.
fn only_way<'v>(visit: &Visit<'v>, login: &'v UserLogin) -> Option<&'v IssuerName> {
    let mut ways = names(visit, login);
    let only = ways.next().filter(|_| login.users.is_empty())?;
    ways.next().is_none().then_some(only.0)
}

/// What somebody tried.
#[derive(Clone, Copy, Debug, Default)]
struct Tried<'a> {
    name: &'a str,
    failed: Option<NotHim>,
}

fn shown(visit: &Visit<'_>, asked: Option<&Asked>, transaction: &str, tried: &Tried<'_>) -> Response {
    let Some(login) = &visit.server().login else { return StatusCode::NOT_FOUND.into_response() };
    let client = asked.and_then(|asked| visit.server().client(&asked.client));
    let hint = asked.and_then(|asked| asked.login_hint.as_deref()).filter(|_| tried.failed.is_none());
    let action = Endpoint::Login.url(visit.server());
    let providers = names(visit, login).map(|(name, title)| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("transaction", transaction).append_pair("provider", name.as_str()).finish();
        Provider { title, address: format!("{action}?{query}") }
    });
    let (status, problem, wait) = match tried.failed {
        None => (StatusCode::OK, None, None),
        Some(NotHim::Wrong) => {
            (StatusCode::UNAUTHORIZED, Some("This name and this password do not belong together."), None)
        }
        Some(NotHim::Throttled(wait)) => {
            let text = "Too many have tried and failed. Wait a moment before you try again.";
            (StatusCode::TOO_MANY_REQUESTS, Some(text), Some(wait.as_secs() + 1))
        }
        Some(NotHim::Busy(wait)) => {
            let text = "Too many are signing in right now. Try again in a moment.";
            (StatusCode::TOO_MANY_REQUESTS, Some(text), Some(wait.as_secs()))
        }
    };
    let login_page = LoginPage {
        client: client.map(|client| client.shown()),
        providers: providers.collect(),
        has_users: !login.users.is_empty(),
        username: hint.unwrap_or(tried.name),
        problem,
        action: action.clone(),
        transaction,
    };
    let leads = asked.map_or(Leads::Home, |asked| Leads::Away(asked.to.form_source()));
    let mut response = page(status, &login_page, &leads);
    if let Some(seconds) = wait {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Begins the session of a local user, and sends him on.
async fn begun(visit: &Visit<'_>, transaction: &Transaction, text: &str, user: &LocalUser) -> Result<Response, Halted> {
    let now = Timestamp::now();
    let session = Session {
        voucher: Voucher::password_of(user),
        subject: Party { issuer: Some(UserLogin::local()), value: user.name.clone() },
        login: LoginFacts { time: Some(now), acr: None, amr: vec!["pwd".to_owned()] },
        user_claims: user.claims.clone(),
        begun: now,
        ends: Timestamp(now.0.saturating_add(visit.server().session_lifetime.as_secs())),
        made_for: transaction.name(),
    };
    let token = kept::begin_session(visit.issuing, &session).await?;
    if let Some(before) = Cookie::Session.read(visit.headers, visit.server()) {
        kept::end_session(visit.issuing, &before, visit.now).await?;
    }
    write_down(visit, Deed::LoginSucceeded, Some(&session.subject.to_string()), None);
    let mut response = redirect(&match transaction.goal {
        Goal::Authorization { .. } => authorize::at(visit, Endpoint::Consent, text),
        Goal::Grants => Secret::new(Endpoint::Grants.url(visit.server())),
    });
    if let Some(cookie) = Cookie::Session.set(visit.server(), &token) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn write_down(visit: &Visit<'_>, deed: Deed, subject: Option<&str>, reason: Option<&str>) {
    AuditLine { subject, reason, ..AuditLine::new(deed, &visit.call.request_id, visit.call.peer) }.write();
}
