//! The way of every request that a client must prove itself for: form, proof, decision, and only then what has effect.
//!
//! Where another configuration took the place of the one that was asked, the same request is asked again: what was decided
//! by the one before counts for nothing.

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
use super::token::{self, Ready, grant_label};
use super::{Call, Desk, Told};
use crate::config::Client;
use crate::issuer::{ClientCredential, ClientFault, Endpoint, Form};
use crate::oauth::OAuthError;
use crate::serve::minting::Issued;
use crate::snapshot::Snapshot;
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
    let snapshot = desk.gateway.current.load();
    let result = match read(&call, &headers) {
        Ok(form) => {
            known.grant = grant_label(&form);
            match proof(&headers, &form) {
                Ok(proof) => serve(&desk, &call, &form, proof, &mut known).await,
                Err(fault) => Err(fault.into()),
            }
        }
        Err(refused) => Err(refused),
    };
    result.unwrap_or_else(|refused| {
        record_refusal(&desk, &call, &known, &refused);
        let mut response = refused.answer(&call, snapshot.config.issuer.as_ref());
        response.extensions_mut().insert(Told(refused.to_string()));
        response
    })
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

fn proof(headers: &HeaderMap, form: &Form) -> Result<Proof, ClientFault> {
    let fields = headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes());
    ClientCredential::read(fields, form).map(Proof::new)
}

async fn serve(
    desk: &Desk,
    call: &Call,
    form: &Form,
    mut proof: Proof,
    known: &mut Known,
) -> Result<Response, Refused> {
    let current = &desk.gateway.current;
    loop {
        let snapshot = current.load();
        let claimed = proof.claimed(&snapshot);
        known.client = claimed.map(str::to_owned);
        known.resource = form.one("resource").filter(|name| snapshot.resource(name).is_some()).map(str::to_owned);
        if let Some(wait) = desk.throttle.wait(call.peer, claimed, Instant::now()) {
            return Err(Refused::Throttled { seconds: wait.as_secs() + 1 });
        }
        let decided = match proof.client(desk, &snapshot).await {
            Ok(client) => decide(desk, call, &snapshot, client, form).await,
            Err(refused) => Err(refused),
        };
        if current.is(&snapshot) {
            return do_it(desk, call, &snapshot, decided?, known).await;
        }
    }
}

async fn decide(
    desk: &Desk,
    call: &Call,
    snapshot: &Arc<Snapshot>,
    client: &Client,
    form: &Form,
) -> Result<Decided, Refused> {
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
async fn do_it(
    desk: &Desk,
    call: &Call,
    snapshot: &Snapshot,
    decided: Decided,
    known: &Known,
) -> Result<Response, Refused> {
    let line =
        |deed| AuditLine { client: known.client.as_deref(), ..AuditLine::new(deed, &call.request_id, call.peer) };
    match decided {
        Decided::Token(mut ready) => {
            let parent_jti = ready.parent_jti.take();
            let (minted, issued_as) = ready.sign(snapshot)?;
            let line = AuditLine { parent_jti: parent_jti.as_deref(), ..line(Deed::TokenIssued) };
            Issued { minted: &minted, grant: known.grant }.record(line, snapshot, &desk.gateway.metrics);
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
    if refused.is_failed_proof() {
        desk.throttle.failed(call.peer, known.client.as_deref(), Instant::now());
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
