//! A user comes back from a provider: what he brings is held against what he went with, and he is logged in or he is not.
//!
//! An answer counts in the browser that began the login, once, and if it comes from the provider that was asked (RFC 9700
//! §4.4, §4.7). Until the browser is known nothing has an effect, so that whoever was sent somebody else's answer takes nothing
//! from him.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::SET_COOKIE;
use tokio::time::{Instant, timeout_at};

use super::redemption::Redemption;
use super::refused::NotLoggedIn;
use super::way::{Provider, Way};
use super::{LOGIN, PATIENCE};
use crate::clock::Timestamp;
use crate::config::AuthorizationServer;
use crate::issuer::{Answer, Endpoint, Goal, Identity, LoginAttempt, ProviderResponse, Session, Transaction, Voucher};
use crate::secret::Secret;
use crate::serve::issuer::browser::cookies::Cookie;
use crate::serve::issuer::browser::kept::{begin_session, brought_back, digest, end_session};
use crate::serve::issuer::browser::{redirect, superseded};
use crate::serve::issuer::{Call, Desk};
use crate::snapshot::Issuing;
use crate::store::sealing::SealingKey;
use crate::telemetry::audit::{AuditLine, Deed};

/// An answer that came to the right browser.
struct Recognized {
    response: ProviderResponse,
    attempt: LoginAttempt,
    browser: Secret,
    /// What the attempt lies under.
    name: String,
}

/// Who logged in, and on his way to what.
struct LoggedIn {
    session: Session,
    transaction: Transaction,
    /// The same as the browser has it.
    text: String,
}

/// Answers a user who comes back.
pub(in crate::serve::issuer) async fn answer(
    State(desk): State<Desk>,
    Extension(call): Extension<Arc<Call>>,
) -> Response {
    let until = Instant::now() + PATIENCE;
    let (server, issuing) = (call.snapshot.config.issuer.as_ref(), call.snapshot.issuing.as_deref());
    let Some((server, issuing)) = server.zip(issuing) else {
        return NotLoggedIn::NoProvider.answer(&call, None);
    };
    let recognized = timeout_at(until, recognized(&call, server, issuing, &call.headers)).await;
    if !desk.gateway.current.is(&call.snapshot) {
        return superseded();
    }
    let recognized = match recognized.unwrap_or(Err(NotLoggedIn::TooSlow)) {
        Ok(recognized) => recognized,
        Err(refused) => return refused.answer(&call, None),
    };
    // From here on the answer is used up, whatever comes of it.
    let mut way = None;
    let logged_in = timeout_at(until, logged_in(&desk, &call, server, issuing, recognized, &mut way)).await;
    let finished = match logged_in.unwrap_or(Err(NotLoggedIn::TooSlow)) {
        Ok(logged_in) => finished(&call, server, issuing, &call.headers, &logged_in, way.as_ref()).await,
        Err(refused) => Err(refused),
    };
    finished.unwrap_or_else(|refused| refused.answer(&call, way.as_ref()))
}

/// What the answer belongs to.
async fn recognized(
    call: &Call,
    server: &AuthorizationServer,
    issuing: &Issuing,
    headers: &HeaderMap,
) -> Result<Recognized, NotLoggedIn> {
    let response = ProviderResponse::read(call.query.expose())?;
    let browser = Cookie::Browser.read(headers, server).ok_or(NotLoggedIn::OtherBrowser)?;
    let name = format!("{LOGIN}|{}", digest(&response.state));
    let sealed = issuing.store.peek_once(&name, Timestamp::now()).await?.ok_or(NotLoggedIn::UnknownState)?;
    let json = SealingKey::of_token(&response.state, LOGIN).open(&sealed).map_err(|_| NotLoggedIn::UnknownState)?;
    let attempt = LoginAttempt::from_json(json.expose()).map_err(|_| NotLoggedIn::UnknownState)?;
    match Secret::new(attempt.browser.as_str()).matches(digest(&browser).as_bytes()) {
        true => Ok(Recognized { response, attempt, browser, name }),
        false => Err(NotLoggedIn::OtherBrowser),
    }
}

/// Who it is. What the login was for is put into `told` as soon as it is known: somebody has to be told, too, if it fails.
async fn logged_in(
    desk: &Desk,
    call: &Call,
    server: &AuthorizationServer,
    issuing: &Issuing,
    recognized: Recognized,
    told: &mut Option<Way>,
) -> Result<LoggedIn, NotLoggedIn> {
    let Recognized { response, attempt, browser, name } = recognized;
    let (snapshot, config) = (&call.snapshot, &call.snapshot.config);
    issuing.store.take_once(&name, Timestamp::now()).await?.ok_or(NotLoggedIn::UnknownState)?;
    let transaction = brought_back(issuing, &attempt.transaction, &browser, Timestamp::now());
    let transaction = transaction.ok_or(NotLoggedIn::Late)?;
    let way = told.insert(Way::of(snapshot, &transaction)?);
    let provider = Provider::named(config, &attempt.provider).ok_or(NotLoggedIn::NoProvider)?;
    let metadata = desk.providers.metadata(config, provider.trusted).await?;
    if metadata.issuer != attempt.issuer {
        return Err(NotLoggedIn::Changed);
    }
    let code = match response.from(&attempt.issuer, metadata.says_iss)? {
        Answer::Code(code) => code,
        Answer::Error(error) => return Err(NotLoggedIn::Provider(error)),
    };
    let redemption = Redemption {
        provider,
        metadata: &metadata,
        keyring: snapshot.gate.keyrings().get(provider.id.0).ok_or(NotLoggedIn::NoProvider)?,
        fetcher: &desk.providers.fetcher(config)?,
        attempt: &attempt,
        redirect_uri: &Endpoint::LoginCallback.url(server),
    };
    let proven = redemption.redeem(&code).await?;
    let now = Timestamp::now();
    if !way.demand.is_met(proven.auth_time(), transaction.begun, now) {
        return Err(NotLoggedIn::NotFresh);
    }
    let Identity { subject, login, user_claims } = proven.identity(config, provider.id)?;
    // A configuration that took the place of this one may trust the provider no more, or in another way.
    let is_still_so = desk.gateway.current.look(|snapshot| {
        Provider::named(&snapshot.config, &attempt.provider).is_some_and(|other| provider.is_the_same(&other))
    });
    if !is_still_so {
        return Err(NotLoggedIn::Changed);
    }
    let ends = Timestamp(now.0.saturating_add(server.session_lifetime.as_secs()));
    let (voucher, made_for) = (Voucher::Provider(attempt.provider), transaction.name());
    let session = Session { voucher, subject, login, user_claims, begun: now, ends, made_for };
    Ok(LoggedIn { session, transaction, text: attempt.transaction })
}

/// Begins the session in place of the one that this browser had, and sends the user on.
async fn finished(
    call: &Call,
    server: &AuthorizationServer,
    issuing: &Issuing,
    headers: &HeaderMap,
    logged_in: &LoggedIn,
    way: Option<&Way>,
) -> Result<Response, NotLoggedIn> {
    let token = begin_session(issuing, &logged_in.session).await?;
    if let Some(before) = Cookie::Session.read(headers, server)
        && let Err(error) = end_session(issuing, &before, Timestamp::now()).await
    {
        tracing::warn!(%error, "the session before cannot be ended; it ends by itself");
    }
    let cookie = Cookie::Session.set(server, &token).ok_or(NotLoggedIn::Broken("a cookie cannot be written"))?;
    let subject = logged_in.session.subject.to_string();
    AuditLine {
        client: way.and_then(|way| way.client.as_deref()),
        subject: Some(&subject),
        ..AuditLine::new(Deed::LoginSucceeded, &call.request_id, call.peer)
    }
    .write();
    let mut response = match &logged_in.transaction.goal {
        Goal::Authorization { .. } => {
            redirect(&Secret::new(format!("{}?transaction={}", Endpoint::Consent.url(server), logged_in.text)))
        }
        Goal::Grants => redirect(&Secret::new(Endpoint::Grants.url(server))),
    };
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
