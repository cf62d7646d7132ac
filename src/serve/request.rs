//! A request up to the decision: what it is held to, how the guard is asked, and what is done with the answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Version};
use pingora_error::Result;
use pingora_proxy::Session;

use super::connection::Connection;
use super::exchange::Exchange;
use super::issuer::Endpoints;
use super::narrowing::Asker;
use super::proxy::Gateway;
use super::{answer, framing, issuer};
use crate::clock::Timestamp;
use crate::config::{Forward, Limits, Resource, UpstreamProtocol};
use crate::guard::{ConnectionFacts, Decision, Denial, Permit, RequestView};
use crate::oauth::{Reason, Rejection};
use crate::snapshot::Current;
use crate::telemetry::log::RequestLine;
use crate::telemetry::metrics::Outcome;
use crate::token::TokenCache;

/// Takes the request over from Pingora: its connection and its bounds. Says why it is refused if it cannot be told what it is.
pub(super) fn take_over(session: &mut Session, exchange: &mut Exchange, current: &Current) -> Option<Denial> {
    let Limits { body_timeout, .. } = exchange.snapshot.config.limits;
    let connection = Connection::of(session.digest());
    let is_odd = connection.as_ref().is_some_and(|connection| connection.head_arrived());
    exchange.connection = connection;
    session.set_read_timeout(Some(body_timeout));
    session.set_write_timeout(Some(body_timeout));
    session.set_total_drain_timeout(Some(body_timeout));
    if session.get_keepalive().is_some() {
        // Pingora looks for `close` in the first `Connection` field only.
        let stays = !nominates(&session.req_header().headers, b"close");
        // For ever, as far as Pingora knows: how long a client may be idle is kept below it, with one alarm a connection and
        // not with one a request.
        session.set_keepalive(stays.then_some(0));
    }
    // HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
    let is_old = session.req_header().version == Version::HTTP_10;
    session.set_ignore_info_resp(is_old);
    // Pingora reads chunks more leniently than others write them (blanks, bare line feeds, missing sizes), so that a proxy
    // before us could see the body end elsewhere. Nothing is read behind such a body.
    if session.req_header().headers.contains_key(TRANSFER_ENCODING) {
        session.set_keepalive(None);
    }
    let judged = loop {
        let limits = &exchange.snapshot.config.limits;
        let judged = match session.as_ref().as_http1() {
            Some(http1) => framing::judge_head(&http1.get_headers_raw_bytes(), limits),
            None => framing::judge_fields(&session.req_header().headers, limits),
        };
        if current.is(&exchange.snapshot) {
            break judged;
        }
        exchange.snapshot = current.load();
    };
    let header = session.req_header();
    exchange.record.method = Some(header.method.clone());
    if RequestLine::is_wanted() {
        let path = header.raw_path().split(|byte| *byte == b'?').next().unwrap_or_default();
        exchange.record.path = String::from_utf8_lossy(path).into_owned();
    }
    let rejection = match judged {
        Err(rejection) => Some(rejection),
        Ok(()) if is_odd => {
            let detail = "the request line holds more than method, target and version";
            Some(Rejection::new(Reason::TargetInvalid, detail))
        }
        Ok(()) => None,
    };
    rejection.map(Denial::from)
}

/// Asks the guard, waits for keys if it says so, and does what it decides. True when the request is answered.
///
/// # Errors
///
/// When the client can no longer be written to.
pub(super) async fn decide(
    session: &mut Session,
    exchange: &mut Exchange,
    gateway: &Gateway,
    endpoints: &Endpoints,
) -> Result<bool> {
    if let Some(errand) = issuer::errand(session, exchange, &gateway.current) {
        return issuer::answer(session, exchange, errand, gateway, endpoints).await.map(|()| true);
    }
    match ask_until_it_counts(session, exchange, gateway).await {
        Decision::Forward(permit) => admit(session, exchange, permit, gateway).await,
        Decision::Deny(denial) => refuse(session, exchange, &denial).await.map(|()| true),
        Decision::Answer(document) => {
            exchange.record.outcome = Outcome::Answered;
            answer::send(session, exchange.connection.as_deref(), document.answer()).await.map(|()| true)
        }
        // A guard that asks twice would wait for ever: without keys nothing is proven.
        Decision::AwaitKeys(_) => {
            let denial = Denial::new(Reason::KeysUnavailable, None);
            refuse(session, exchange, &denial).await.map(|()| true)
        }
    }
}

/// Sends a refusal, and notes it.
///
/// # Errors
///
/// When the client can no longer be written to.
pub(super) async fn refuse(session: &mut Session, exchange: &mut Exchange, denial: &Denial) -> Result<()> {
    exchange.refused(denial);
    if matches!(denial.reason, Reason::FramingInvalid | Reason::HeaderTooLarge) {
        session.set_keepalive(None);
    }
    let answer = denial.answer(&exchange.request_id);
    answer::send(session, exchange.connection.as_deref(), answer).await
}

/// Refuses a request that was the issuer's when it began and is no more: as whoever sent it now would be, and in any case. It
/// carries secrets of a client, so it goes to no API.
///
/// # Errors
///
/// When the client can no longer be written to.
pub(super) async fn refuse_moved(session: &mut Session, exchange: &mut Exchange, gateway: &Gateway) -> Result<()> {
    let denial = match ask_until_it_counts(session, exchange, gateway).await {
        Decision::Deny(denial) => denial,
        Decision::Forward(_) | Decision::Answer(_) | Decision::AwaitKeys(_) => Denial::new(Reason::HostUnknown, None),
    };
    refuse(session, exchange, &denial).await
}

/// Asks the guard, and asks again under the configuration that took the place of the one that was asked: once a reload
/// is acknowledged, nothing is judged by what was before it.
async fn ask_until_it_counts(session: &Session, exchange: &mut Exchange, gateway: &Gateway) -> Decision {
    let mut keys_awaited = false;
    loop {
        let decision = ask(session, exchange, &gateway.tokens, keys_awaited);
        match decision {
            Decision::AwaitKeys(issuer) if !keys_awaited => {
                if let Some(keyring) = exchange.snapshot.gate.keyrings().get(issuer.0) {
                    keyring.refetch().await;
                }
                keys_awaited = true;
            }
            decision if gateway.current.is(&exchange.snapshot) => return decision,
            _ => {}
        }
        exchange.snapshot = gateway.current.load();
    }
}

fn ask(session: &Session, exchange: &mut Exchange, tokens: &TokenCache, keys_awaited: bool) -> Decision {
    let Some(connection) = &exchange.connection else {
        return Decision::Deny(Denial::new(Reason::Internal, None));
    };
    let view = view(session, connection, keys_awaited);
    if let Some(denial) = misdirected(&view, connection) {
        return Decision::Deny(denial);
    }
    let begun = Instant::now();
    let decision = match connection.redirects_to() {
        None => {
            let decision = exchange.snapshot.gate.decide(&view, tokens, Timestamp::now());
            issuer::beside(&exchange.snapshot, &view, decision)
        }
        Some(https_port) => match exchange.snapshot.gate.redirect(&view, https_port) {
            Ok(document) => Decision::Answer(document),
            Err(denial) => Decision::Deny(denial),
        },
    };
    let decided = Instant::now();
    exchange.decided = Some(decided);
    *exchange.record.decision_time.get_or_insert_default() += decided - begun;
    decision
}

/// The request as the guard sees it.
pub(super) fn view<'a>(session: &'a Session, connection: &Connection, keys_awaited: bool) -> RequestView<'a> {
    let header = session.req_header();
    let is_http2 = header.version == Version::HTTP_2;
    RequestView {
        method: &header.method,
        target: header.raw_path(),
        uri_authority: header.uri.authority().filter(|_| is_http2).map(|authority| authority.as_str()),
        headers: &header.headers,
        connection: ConnectionFacts {
            peer: connection.peer(),
            own_port: connection.own_port(),
            tls: connection.is_tls(),
        },
        keys_awaited,
    }
}

/// Refuses a request whose own host is not one that the client's certificate stands for, whatever host a proxy says that
/// it is for: a client that was shown one certificate reaches no host of another one. A host with two readings is left
/// to the guard, which refuses it.
pub(super) fn misdirected(view: &RequestView<'_>, connection: &Connection) -> Option<Denial> {
    if !connection.is_tls() {
        return None;
    }
    let authority = view.authority().ok()?;
    let detail = "the connection's TLS handshake asked for a host with another certificate";
    (!connection.is_for(&authority)).then(|| Rejection::new(Reason::HostUnknown, detail).into())
}

/// Prepares a request that may be forwarded. True when it is answered after all.
async fn admit(session: &mut Session, exchange: &mut Exchange, permit: Permit, gateway: &Gateway) -> Result<bool> {
    let snapshot = Arc::clone(&exchange.snapshot);
    let resource = &snapshot.config.resources[permit.resource().0];
    exchange.record.resource = Some(permit.resource());
    let header = session.req_header();
    let headers = &header.headers;
    if framing::announced_length(headers).is_some_and(|length| length > resource.body_bytes) {
        let cors = permit.cors().clone();
        let denial = Denial::new(Reason::BodyTooLarge, Some(permit.resource())).with_cors(cors);
        return refuse(session, exchange, &denial).await.map(|()| true);
    }
    if permit.forward() == Forward::Narrowed {
        let peer = issuer::peer(session, exchange).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let asker = Asker { peer, request_id: &exchange.request_id };
        match gateway.narrowed.credential(&snapshot, &permit, &gateway.metrics, asker, Timestamp::now()) {
            Ok(credential) => exchange.narrowed = Some(credential),
            Err(rejection) => {
                let denial = snapshot.gate.deny_after_all(&permit, rejection);
                return refuse(session, exchange, &denial).await.map(|()| true);
            }
        }
    }
    exchange.wants_tunnel = may_open_websocket(resource, &header.method, header.version, headers);
    let expects = headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    exchange.record.outcome = Outcome::Forwarded;
    exchange.permit = Some(permit);
    if let Some(key) = exchange.pool().map(|pool| Arc::clone(pool.resource())) {
        exchange.depends_on(&key, resource.on_removal, &gateway.current);
    }
    if expects && !session.as_mut().is_body_done() {
        // Pingora neither answers nor waits for an upstream's answer: the client would sit out its own patience. It
        // also takes an interim answer before the body for a reason to close.
        let keepalive = session.get_keepalive();
        session.write_continue_response().await?;
        session.set_keepalive(keepalive);
    }
    Ok(false)
}

/// Whether the request asks for a WebSocket, rightly (RFC 6455 §4.1), where the resource allows one.
fn may_open_websocket(resource: &Resource, method: &Method, version: Version, headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(UPGRADE).iter();
    let asked = upgrades.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    resource.websocket
        && method == Method::GET
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
        && resource.upstream.protocol == UpstreamProtocol::Http1
        && version == Version::HTTP_11
        && nominates(headers, b"upgrade")
        && asked
        && upgrades.next().is_none()
}

/// Whether a `Connection` field holds this option (RFC 9110 §7.6.1).
fn nominates(headers: &HeaderMap, wanted: &[u8]) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted))
    })
}
