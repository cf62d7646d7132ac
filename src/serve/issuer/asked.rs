//! The way of every request that a client must prove itself for: form, proof, decision, and only then what has effect.
//!
//! Where another configuration took the place of the one that was asked, the bridge asks again, from the head on: what was
//! decided by the one before counts for nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::time::timeout_at;

use super::minted_tokens::{TakenBack, introspected, take_back, to_take_back};
use super::proof::Proof;
use super::pushing::{self, Pushing};
use super::refused::{NoGrant, Refused};
use super::throttle::Asker;
use super::token::{self, Ready, grant_label};
use super::{Call, Desk, Superseded, Told};
use crate::config::Client;
use crate::issuer::{ClientCredential, Endpoint, Form};
use crate::oauth::{OAuthError, ResourceIndicator, ScopePattern};
use crate::serve::minting::Issued;
use crate::telemetry::audit::{AuditLine, Deed};

/// What was decided.
enum Decided {
    Token(Ready),
    Introspected(Value),
    Revoke(Option<TakenBack>),
    Push(Pushing),
}

/// How long an endpoint may take, keys of others and the store included.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a request is known to be, for the record.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) grant: &'static str,
    pub(super) client: Option<String>,
    /// Whose token is to be exchanged, or who granted what is asked for.
    pub(super) subject: Option<String>,
    /// The root of what he granted.
    pub(super) root: Option<String>,
    /// Which one that is, if it is ours.
    pub(super) parent_jti: Option<String>,
}

/// Answers a request to an endpoint that takes secrets.
pub(super) async fn answer(State(desk): State<Desk>, Extension(call): Extension<Arc<Call>>) -> Response {
    let mut known = Known { grant: "none", client: None, subject: None, root: None, parent_jti: None };
    let until = tokio::time::Instant::now() + PATIENCE;
    let judged = by(until, judge(&desk, &call, &mut known)).await;
    if !desk.gateway.current.is(&call.snapshot) {
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.extensions_mut().insert(Superseded);
        return response;
    }
    let result = match judged {
        Ok(decided) => by(until, do_it(&desk, &call, decided, &known)).await,
        Err(refused) => Err(refused),
    };
    result.unwrap_or_else(|refused| {
        record_refusal(&desk, &call, &known, &refused);
        let mut response = refused.answer(&call);
        response.extensions_mut().insert(Told(refused.to_string()));
        response
    })
}

/// What comes in time.
async fn by<T>(until: tokio::time::Instant, work: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    timeout_at(until, work).await.unwrap_or(Err(Refused::TooSlow))
}

/// Who asks, and what comes of it. Nothing has had an effect afterwards but that a proof was used up.
async fn judge(desk: &Desk, call: &Call, known: &mut Known) -> Result<Decided, Refused> {
    let snapshot = &call.snapshot;
    let form = read(call)?;
    known.grant = grant_label(&form);
    let fields = call.headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes());
    let proof = Proof::new(ClientCredential::read(fields, &form)?, Arc::clone(&call.used));
    let claimed = proof.claimed(snapshot);
    known.client = claimed.map(str::to_owned);
    if let Some(wait) = desk.throttle.wait(Asker { peer: call.peer, client: claimed }, Instant::now()) {
        return Err(Refused::Throttled { seconds: wait.as_secs() + 1 });
    }
    let client = proof.client(desk, snapshot).await?;
    // A name alone proves nothing.
    if client.is_confidential() {
        desk.throttle.succeeded(call.peer, &client.id, Instant::now());
    }
    decide(desk, call, client, &form, known).await
}

impl Known {
    /// Notes whose grant it is that a code or a refresh token stands for.
    pub(super) fn learn_grant(&mut self, root: String, subject: String) {
        (self.root, self.subject) = (Some(root), Some(subject));
    }
}

/// What a request that is refused was for, in the configuration's words: anything may stand in a request.
struct Target<'s> {
    /// The resource that was asked for, if it is one of ours.
    resource: &'s str,
    /// What was asked for of the scopes that this resource declares, as it declares them.
    scopes: Option<String>,
}

impl<'s> Target<'s> {
    /// Which resource is meant, in whatever spelling, and what is wanted there; nothing if the form cannot be read, or names
    /// none.
    fn of(call: &'s Call) -> Option<Self> {
        let form = read(call).ok()?;
        let snapshot = &call.snapshot;
        let names = form.all("resource").chain(form.all("audience"));
        let mut meant = names.filter_map(ResourceIndicator::meant_by).filter_map(|key| snapshot.resource(key.as_str()));
        let resource = meant.next().and_then(|id| snapshot.config.resources.get(id.0))?;
        let wanted: HashSet<&str> = form.one("scope").into_iter().flat_map(|scopes| scopes.split(' ')).collect();
        let is_wanted = |pattern: &&ScopePattern| wanted.iter().any(|scope| pattern.covers(scope));
        let patterns = resource.scopes.iter().map(|(pattern, _)| pattern).filter(is_wanted);
        let scopes = patterns.map(ScopePattern::as_str).collect::<Vec<_>>().join(" ");
        Some(Self { resource: resource.key.as_str(), scopes: (!scopes.is_empty()).then_some(scopes) })
    }
}

fn read(call: &Call) -> Result<Form<'_>, Refused> {
    if !call.query.expose().is_empty() {
        return Err(Refused::Query);
    }
    if !announces_form(&call.headers) {
        return Err(Refused::NoForm);
    }
    Ok(Form::parse(call.body.expose(), call.snapshot.config.limits.token_bytes)?)
}

/// Whether a body is announced as a form, and as nothing else beside it.
pub(super) fn announces_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let kind = kinds.next().map(|kind| kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default());
    let is_form = kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded"));
    is_form && kinds.next().is_none()
}

async fn decide(
    desk: &Desk,
    call: &Call,
    client: &Client,
    form: &Form<'_>,
    known: &mut Known,
) -> Result<Decided, Refused> {
    let snapshot = &call.snapshot;
    match call.endpoint {
        Endpoint::Token => token::decide(desk, snapshot, client, form, known).await.map(Decided::Token),
        Endpoint::Introspection => introspected(desk, snapshot, client, form).map(Decided::Introspected),
        Endpoint::Revocation => to_take_back(desk, snapshot, client, form).await.map(Decided::Revoke),
        Endpoint::PushedAuthorization => {
            let wait = if client.is_confidential() { None } else { desk.throttle.push(call.peer, Instant::now()) };
            if let Some(wait) = wait {
                return Err(Refused::PushedTooOften { seconds: wait.as_secs() + 1 });
            }
            pushing::decide(snapshot, client, form, &call.body).map(Decided::Push)
        }
        // These are routed elsewhere.
        _ => Err(Refused::NoIssuer),
    }
}

/// Does what was decided, and writes it down.
async fn do_it(desk: &Desk, call: &Call, decided: Decided, known: &Known) -> Result<Response, Refused> {
    let snapshot = &call.snapshot;
    let line =
        |deed| AuditLine { client: known.client.as_deref(), ..AuditLine::new(deed, &call.request_id, call.peer) };
    match decided {
        Decided::Token(ready) => {
            let answer = ready.give(snapshot).await?;
            let line = AuditLine { parent_jti: known.parent_jti.as_deref(), ..line(Deed::TokenIssued) };
            Issued { minted: &answer.minted, grant: known.grant }.record(line, snapshot, &desk.gateway.metrics);
            Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer.to_json()).into_response())
        }
        Decided::Introspected(answer) => Ok(Json(answer).into_response()),
        Decided::Revoke(None) => Ok(StatusCode::OK.into_response()),
        Decided::Revoke(Some(taken)) => {
            take_back(snapshot, &taken).await?;
            let (name, until) = (taken.name(), taken.until());
            AuditLine { jti: Some(name), expires: Some(until.0), ..line(Deed::TokenRevoked) }.write();
            Ok(StatusCode::OK.into_response())
        }
        Decided::Push(pushing) => pushing.commit(snapshot).await,
    }
}

fn record_refusal(desk: &Desk, call: &Call, known: &Known, refused: &Refused) {
    if let Some(failure) = refused.failed_proof() {
        let asker = Asker { peer: call.peer, client: known.client.as_deref() };
        desk.throttle.failed(asker, failure, Instant::now());
    }
    let deed = match refused {
        Refused::Throttled { .. } | Refused::PushedTooOften { .. } => Deed::Throttled,
        refused if refused.error() == Some(OAuthError::InvalidClient) => Deed::AuthenticationFailed,
        Refused::Grant(NoGrant::CodeReused) => Deed::CodeReused,
        Refused::Grant(NoGrant::RefreshReused) => Deed::RefreshReused,
        _ if call.endpoint == Endpoint::Token => Deed::TokenRefused,
        Refused::NotTheirs => Deed::RevocationRefused,
        _ => return,
    };
    let reason = refused.to_string();
    let target = Target::of(call);
    AuditLine {
        client: known.client.as_deref(),
        subject: known.subject.as_deref(),
        resource: target.as_ref().map(|target| target.resource),
        scopes: target.as_ref().and_then(|target| target.scopes.as_deref()),
        jti: known.root.as_deref(),
        parent_jti: known.parent_jti.as_deref(),
        grant: (call.endpoint == Endpoint::Token).then_some(known.grant),
        reason: Some(&reason),
        ..AuditLine::new(deed, &call.request_id, call.peer)
    }
    .write();
    if call.endpoint == Endpoint::Token {
        desk.gateway.metrics.token_refused(known.grant, refused.label());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_a_refusal_of_its_own() {
        let until = tokio::time::Instant::now() + PATIENCE;
        let late = by(until, std::future::pending::<Result<(), Refused>>()).await.unwrap_err();
        assert_eq!((late.label(), late.error()), ("unavailable", None));
        assert_eq!(late.to_string(), "the answer took too long");
    }
}
