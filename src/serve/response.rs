//! The upstream's answer on its way to the client: what concerns one connection goes, challenges become ours.

use std::time::{Duration, Instant};

use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, ALT_SVC, CONNECTION, CONTENT_LENGTH, DATE, PROXY_AUTHENTICATE, SET_COOKIE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::exchange::Exchange;
use super::fields;
use super::issuer::sets_ours;
use crate::clock::Timestamp;
use crate::config::Forward;
use crate::guard::Permit;

/// The upstream wants a credential that it is not given.
pub(super) const UNAUTHORIZED: ErrorType = ErrorType::Custom("upstream_unauthorized");

/// Fields that end with the upstream's connection.
const NOT_PASSED_ON: [HeaderName; 6] = [
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    ALT_SVC,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Fields that `Connection` may name and that stay all the same.
const FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, DATE];

/// Takes note of the header of an answer. An interim one is none yet: the server may still break off.
pub(super) fn arrived(exchange: &mut Exchange, header: &ResponseHeader) {
    if header.status.is_informational() && header.status != StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    exchange.is_answered = true;
    if let (Some(pool), Some(attempt)) = (exchange.pool(), &exchange.attempt) {
        pool.answered(attempt);
    }
}

/// Cleans the header of an answer, and turns a connection that becomes a tunnel into one that ends.
///
/// # Errors
///
/// [`UNAUTHORIZED`] for a 401 to a request that carried no credential; `InternalError` without a permit.
pub(super) fn clean(session: &mut Session, exchange: &mut Exchange, header: &mut ResponseHeader) -> Result<()> {
    // Also told of an exchange that is cut before its end.
    exchange.record.status = Some(header.status.as_u16());
    let Some(permit) = &exchange.permit else {
        return Error::e_explain(ErrorType::InternalError, "an answer came without a permit");
    };
    if let (None, Some(forwarded)) = (exchange.record.upstream_time, exchange.record.forwarded) {
        exchange.record.upstream_time = Some(Instant::now() - forwarded);
    }
    if header.status == StatusCode::UNAUTHORIZED && permit.forward() == Forward::None {
        let detail = "the upstream answered 401 to a request without its credential";
        return Err(Error::create(UNAUTHORIZED, ErrorSource::Upstream, Some(detail.into()), None));
    }
    let is_tunnel = header.status == StatusCode::SWITCHING_PROTOCOLS;
    if is_tunnel && !(exchange.wants_tunnel && is_websocket(header)) {
        let detail = "the upstream switched to a protocol that nobody asked for";
        return Err(Error::create(ErrorType::InvalidHTTPHeader, ErrorSource::Upstream, Some(detail.into()), None));
    }
    if let (false, Some(connection)) = (session.as_mut().is_body_done(), &exchange.connection) {
        connection.leaves_body_unread();
    }
    let is_old = session.req_header().version == Version::HTTP_10;
    fields::edit_answer(header, |status, fields| {
        remove_hop_by_hop(fields, is_tunnel);
        if is_old {
            // Chunks are unknown there (RFC 9112 §6.1): the body ends with the connection.
            fields.remove(TRANSFER_ENCODING);
        }
        if status == StatusCode::UNAUTHORIZED || fields.get_all(WWW_AUTHENTICATE).iter().any(is_bearer) {
            replace_bearer(fields, exchange.snapshot.gate.challenge(permit.resource()), status);
        }
        remove_our_cookies(fields);
        write_cors(permit, fields);
    })?;
    if is_tunnel {
        open_tunnel(session, exchange);
    }
    Ok(())
}

/// Says where the body of an answer ends if its server did not: by chunks, so that the client's connection need not end with it.
///
/// # Errors
///
/// When the field cannot be written.
pub(super) fn frame(session: &Session, header: &mut ResponseHeader, is_end: bool) -> Result<()> {
    let has_none = session.req_header().method == Method::HEAD
        || header.status.is_informational()
        || matches!(header.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_framed = header.headers.contains_key(CONTENT_LENGTH) || header.headers.contains_key(TRANSFER_ENCODING);
    if !is_end && !has_none && !is_framed {
        // Chunks are unknown before.
        header.set_version(Version::HTTP_11);
        header.insert_header(TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

/// Whether one of the challenges in a field is for a bearer token; a field may hold several (RFC 9110 §11.6.1).
fn is_bearer(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|part| {
        let scheme = part.trim_ascii().split(|byte| *byte == b' ').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer")
    })
}

fn is_websocket(header: &ResponseHeader) -> bool {
    let mut protocols = header.headers.get_all(UPGRADE).iter();
    let is_websocket = protocols.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    is_websocket && protocols.next().is_none()
}

/// Puts our challenge in place of those that would send the client to somebody else's metadata; in place of all where it
/// is the credential that was refused.
fn replace_bearer(fields: &mut HeaderMap, ours: HeaderValue, status: StatusCode) {
    let stays = |value: &&HeaderValue| status != StatusCode::UNAUTHORIZED && !is_bearer(value);
    let others: SmallVec<[HeaderValue; 2]> = fields.get_all(WWW_AUTHENTICATE).iter().filter(stays).cloned().collect();
    fields.insert(WWW_AUTHENTICATE, ours);
    for value in others {
        fields.append(WWW_AUTHENTICATE, value);
    }
}

/// Removes what an upstream says about its own connection (RFC 9110 §7.6.1), and where else it may be reached. The
/// framing stays: Pingora reads it from here.
fn remove_hop_by_hop(fields: &mut HeaderMap, is_tunnel: bool) {
    let mut gone: SmallVec<[HeaderName; 4]> = SmallVec::new();
    for name in fields.keys() {
        let is_ours_to_say = (name == CONNECTION || name == UPGRADE) && !is_tunnel;
        if is_ours_to_say || NOT_PASSED_ON.contains(name) {
            gone.push(name.clone());
        }
    }
    for value in fields.get_all(CONNECTION) {
        let options = value.as_bytes().split(|byte| *byte == b',');
        let nominated = options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok());
        gone.extend(nominated.filter(|name| !FRAMING.contains(name)));
    }
    for name in &gone {
        fields.remove(name);
    }
}

/// An API that shares a host with our issuer could put a session of somebody else into its user's browser.
fn remove_our_cookies(fields: &mut HeaderMap) {
    let ours = |value: &HeaderValue| sets_ours(value.as_bytes());
    if !fields.get_all(SET_COOKIE).iter().any(ours) {
        return;
    }
    let others: SmallVec<[HeaderValue; 4]> =
        fields.get_all(SET_COOKIE).iter().filter(|value| !ours(value)).cloned().collect();
    fields.remove(SET_COOKIE);
    for value in others {
        fields.append(SET_COOKIE, value);
    }
}

/// Where the resource has a CORS policy, it is the gateway's word that counts; which fields a page may read besides,
/// the API knows best.
fn write_cors(permit: &Permit, fields: &mut HeaderMap) {
    if !permit.cors().governs() {
        return;
    }
    if fields.contains_key(WWW_AUTHENTICATE) {
        fields.append(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate"));
    }
    let theirs: SmallVec<[HeaderName; 4]> = fields
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-") && **name != ACCESS_CONTROL_EXPOSE_HEADERS)
        .cloned()
        .collect();
    for name in &theirs {
        fields.remove(name);
    }
    for (name, value) in permit.cors().fields() {
        if name == VARY {
            fields.append(name, value);
        } else {
            fields.insert(name, value);
        }
    }
}

/// A tunnel may be silent for as long as it lives, and lives as long as the token that opened it.
fn open_tunnel(session: &mut Session, exchange: &Exchange) {
    let age = exchange.snapshot.config.limits.tunnel_age;
    session.set_read_timeout(Some(age));
    let expires = exchange.permit.as_ref().and_then(Permit::expires);
    let left = expires.map(|end| Duration::from_secs(end.0.saturating_sub(Timestamp::now().0)));
    exchange.ending.no_later_than(tokio::time::Instant::now() + left.map_or(age, |left| left.min(age)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn answer(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn names(fields: &HeaderMap) -> BTreeSet<&str> {
        fields.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn no_api_sets_a_cookie_of_ours() {
        let mut answer = answer(&[
            ("set-cookie", "a=1; Path=/"),
            ("set-cookie", "narrowgate-browser=fixed; Path=/"),
            ("set-cookie", " __HOST-Narrowgate-Session=evil; Secure"),
            ("set-cookie", "narrowgate=none of ours"),
        ]);
        remove_our_cookies(&mut answer);
        let left: Vec<_> = answer.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1; Path=/", "narrowgate=none of ours"]);
    }

    #[test]
    fn what_concerns_one_connection_goes() {
        let mut answer = answer(&[
            ("connection", "x-hop, keep-alive, content-length"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("alt-svc", "h3=\":443\""),
            ("proxy-authenticate", "Basic"),
            ("content-length", "3"),
            ("etag", "\"1\""),
        ]);
        remove_hop_by_hop(&mut answer, false);
        assert_eq!(names(&answer), BTreeSet::from(["content-length", "etag"]));
    }

    #[test]
    fn a_tunnel_keeps_its_upgrade() {
        let mut answer = answer(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        remove_hop_by_hop(&mut answer, true);
        assert_eq!(names(&answer), BTreeSet::from(["connection", "upgrade"]));
    }

    #[test]
    fn a_bearer_challenge_becomes_ours_and_others_stay() {
        let theirs = "Bearer resource_metadata=\"https://evil.example\"";
        let mut answer = answer(&[("www-authenticate", theirs), ("www-authenticate", "Negotiate")]);
        let ours = HeaderValue::from_static("Bearer realm=\"ours\"");
        replace_bearer(&mut answer, ours.clone(), StatusCode::FORBIDDEN);
        assert!(answer.get_all(WWW_AUTHENTICATE).iter().eq([&ours, &HeaderValue::from_static("Negotiate")]));
        replace_bearer(&mut answer, ours.clone(), StatusCode::UNAUTHORIZED);
        assert!(answer.get_all(WWW_AUTHENTICATE).iter().eq([&ours]));
        assert!(is_bearer(&HeaderValue::from_static("BEARER x")) && !is_bearer(&HeaderValue::from_static("Bearers")));
        assert!(is_bearer(&HeaderValue::from_static("Negotiate, Bearer realm=\"x\"")));
    }
}
