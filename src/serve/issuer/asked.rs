//! The way of every request that a client must prove itself for: form, proof, decision, and only then what has effect.
//!
//! Where another configuration took the place of the one that was asked, the bridge asks again, from the head on: what was
//! decided by the one before counts for nothing.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::minted_tokens::{introspected, take_back, to_take_back};
use super::proof::Proof;
use super::refused::Refused;
use super::throttle::Asker;
use super::token::{self, Ready, grant_label};
use super::{Call, Desk, Superseded, Told};
use crate::config::Client;
use crate::issuer::{ClientCredential, Endpoint, Form};
use crate::oauth::OAuthError;
use crate::store::Revocation;
use crate::telemetry::audit::{AuditLine, Deed};

/// What was decided.
enum Decided {
    Token(Box<Ready>),
    Introspected(Value),
    Revoke(Option<Revocation>),
}

/// What a request is known to be, for the record.
struct Known {
    grant: &'static str,
    client: Option<String>,
    /// The resource that was asked for, if it is one of ours.
    resource: Option<String>,
}

/// Answers a request to an endpoint that takes secrets.
pub(super) async fn answer(State(desk): State<Desk>, Extension(call): Extension<Call>, headers: HeaderMap) -> Response {
    let mut known = Known { grant: "none", client: None, resource: None };
    let judged = judge(&desk, &call, &headers, &mut known).await;
    if !desk.gateway.current.is(&call.snapshot) {
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.extensions_mut().insert(Superseded);
        return response;
    }
    let result = match judged {
        Ok(decided) => do_it(&desk, &call, decided, &known).await,
        Err(refused) => Err(refused),
    };
    result.unwrap_or_else(|refused| {
        record_refusal(&desk, &call, &known, &refused);
        let mut response = refused.answer(&call);
        response.extensions_mut().insert(Told(refused.to_string()));
        response
    })
}

/// Who asks, and what comes of it. Nothing has had an effect afterwards but that a proof was used up.
async fn judge(desk: &Desk, call: &Call, headers: &HeaderMap, known: &mut Known) -> Result<Decided, Refused> {
    let snapshot = &call.snapshot;
    let form = read(call, headers)?;
    known.grant = grant_label(&form);
    known.resource = form.one("resource").filter(|name| snapshot.resource(name).is_some()).map(str::to_owned);
    let fields = headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes());
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
    decide(desk, call, client, &form).await
}

fn read(call: &Call, headers: &HeaderMap) -> Result<Form, Refused> {
    if call.has_query {
        return Err(Refused::Query);
    }
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let kind = kinds.next().map(|kind| kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default());
    let is_form = kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded"));
    if !is_form || kinds.next().is_some() {
        return Err(Refused::NoForm);
    }
    Ok(Form::parse(call.body.expose())?)
}

async fn decide(desk: &Desk, call: &Call, client: &Client, form: &Form) -> Result<Decided, Refused> {
    let snapshot = &call.snapshot;
    match call.endpoint {
        Endpoint::Token => {
            token::decide(desk, snapshot, client, form).await.map(|ready| Decided::Token(Box::new(ready)))
        }
        Endpoint::Introspection => introspected(desk, snapshot, client, form).map(Decided::Introspected),
        Endpoint::Revocation => to_take_back(desk, snapshot, client, form).map(Decided::Revoke),
        // These are routed elsewhere.
        Endpoint::Keys | Endpoint::Metadata => Err(Refused::NoIssuer),
    }
}

/// Does what was decided, and writes it down.
async fn do_it(desk: &Desk, call: &Call, decided: Decided, known: &Known) -> Result<Response, Refused> {
    let snapshot = &call.snapshot;
    let line =
        |deed| AuditLine { client: known.client.as_deref(), ..AuditLine::new(deed, &call.request_id, call.peer) };
    match decided {
        Decided::Token(mut ready) => {
            let (resource, parent_jti) = (ready.resource, ready.parent_jti.take());
            let (minted, issued_as) = ready.sign(snapshot)?;
            let said = minted.access_token();
            AuditLine {
                grant: Some(known.grant),
                subject: Some(said.subject()),
                resource: Some(said.audience().as_str()),
                scopes: said.scope(),
                jti: Some(said.jti()),
                parent_jti: parent_jti.as_deref(),
                expires: Some(said.expires().0),
                ..line(Deed::TokenIssued)
            }
            .write();
            if let Some(pool) = snapshot.upstreams.get(resource.0) {
                desk.gateway.metrics.token_issued(known.grant, pool.resource());
            }
            Ok(Json(token::answer(&minted, issued_as)).into_response())
        }
        Decided::Introspected(answer) => Ok(Json(answer).into_response()),
        Decided::Revoke(None) => Ok(StatusCode::OK.into_response()),
        Decided::Revoke(Some(taken)) => {
            take_back(snapshot, &taken).await?;
            AuditLine { jti: Some(&taken.name), expires: Some(taken.until.0), ..line(Deed::TokenRevoked) }.write();
            Ok(StatusCode::OK.into_response())
        }
    }
}

fn record_refusal(desk: &Desk, call: &Call, known: &Known, refused: &Refused) {
    if let Some(failure) = refused.failed_proof() {
        let asker = Asker { peer: call.peer, client: known.client.as_deref() };
        desk.throttle.failed(asker, failure, Instant::now());
    }
    let deed = match refused {
        Refused::Throttled { .. } => Deed::Throttled,
        refused if refused.error() == Some(OAuthError::InvalidClient) => Deed::AuthenticationFailed,
        _ if call.endpoint == Endpoint::Token => Deed::TokenRefused,
        Refused::NotTheirs => Deed::RevocationRefused,
        _ => return,
    };
    let reason = refused.to_string();
    AuditLine {
        client: known.client.as_deref(),
        resource: known.resource.as_deref(),
        grant: (call.endpoint == Endpoint::Token).then_some(known.grant),
        reason: Some(&reason),
        ..AuditLine::new(deed, &call.request_id, call.peer)
    }
    .write();
    if call.endpoint == Endpoint::Token {
        desk.gateway.metrics.token_refused(known.grant, refused.label());
    }
}
