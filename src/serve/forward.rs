//! The request that the upstream gets: what was matched, without anything that only the gateway may say, and with what
//! it does say.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, Entry, HOST, PROXY_AUTHORIZATION, TE, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::exchange::Exchange;
use super::fields;
use super::identifier::{Identifier, RequestId};
use super::issuer::without_ours;
use super::origin::{Origin, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use crate::guard::{Permit, UpstreamTarget};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What no trace may show.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
/// About how many fields the gateway adds.
const OURS: usize = 8;
/// How long most heads are at most, in bytes.
const USUAL: usize = 2048;

/// Where the fields of an upstream's request are written: Pingora's map of them, or the text itself.
trait Fields {
    /// A field that came with the request.
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue);

    /// A field that the gateway says.
    ///
    /// # Errors
    ///
    /// `InternalError` for a value that no field may have.
    fn say(&mut self, name: &HeaderName, value: &[u8]) -> Result<()>;
}

impl Fields for HeaderMap {
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.append(name.clone(), value.clone());
    }

    fn say(&mut self, name: &HeaderName, value: &[u8]) -> Result<()> {
        let mut value =
            HeaderValue::from_bytes(value).or_err(ErrorType::InternalError, "writing a field of our own")?;
        value.set_sensitive(name == COOKIE);
        self.append(name.clone(), value);
        Ok(())
    }
}

/// The text of a head, as HTTP/1 has it (RFC 9112 §5).
struct Text(Vec<u8>);

impl Text {
    fn line(&mut self, name: &HeaderName, value: &[u8]) {
        let name = name.as_str().as_bytes();
        self.0.reserve(name.len() + value.len() + 4);
        for part in [name, b": ", value, b"\r\n"] {
            self.0.extend_from_slice(part);
        }
    }
}

impl Fields for Text {
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.line(name, value.as_bytes());
    }

    fn say(&mut self, name: &HeaderName, value: &[u8]) -> Result<()> {
        // Without a way out in the middle, so that many bytes are looked at in one step.
        let is_odd = |odd, byte: &u8| odd | (*byte < b' ' && *byte != b'\t') | (*byte == 0x7f);
        if value.iter().fold(false, is_odd) {
            return Error::e_explain(ErrorType::InternalError, "a field of our own has a character that none may have");
        }
        self.line(name, value);
        Ok(())
    }
}

/// Prepares a request for Pingora's own way: marks credentials, so that nothing that prints a header map shows them, and
/// forgets how the names were spelt. Case means nothing in them (RFC 9110 §5.1), and Pingora keeps a second map of it that it
/// copies and asks at every step.
///
/// # Errors
///
/// When a target cannot be put back, which does not happen.
pub(super) fn prepare(session: &mut Session) -> Result<()> {
    fields::edit(session.req_header_mut(), |parts| {
        for name in CREDENTIALS {
            if let Entry::Occupied(mut values) = parts.headers.entry(name) {
                values.iter_mut().for_each(|value| value.set_sensitive(true));
            }
        }
        Ok(())
    })
}

/// Rewrites `upstream`, Pingora's copy of the request. It is a fresh copy at every try, so this is done at every try.
///
/// # Errors
///
/// `InternalError` without a permit, and when a header cannot be written.
pub(super) fn rewrite(session: &Session, exchange: &mut Exchange, upstream: &mut RequestHeader) -> Result<()> {
    let permit = permit(exchange)?;
    let received = session.req_header();
    fields::edit(upstream, |parts| {
        let room = HeaderMap::with_capacity(parts.headers.len() + OURS);
        let passed = std::mem::replace(&mut parts.headers, room);
        let is_http2 = parts.version == Version::HTTP_2;
        write(&mut parts.headers, &passed, received, exchange, is_http2)
    })?;
    let target = target(permit, received);
    // An HTTP/2 request has its host in the URI, too, where it would count before the upstream's.
    if upstream.uri.authority().is_some() || upstream.raw_path() != target {
        upstream.set_raw_path(target)?;
    }
    note_trace(received, exchange);
    Ok(())
}

/// The whole head of a request without a body, as an HTTP/1 upstream gets it, where `Connection` names no field of the request.
///
/// # Errors
///
/// `InternalError` without a permit, and when a header cannot be written.
pub(super) fn head(session: &Session, exchange: &mut Exchange) -> Result<Vec<u8>> {
    let received = session.req_header();
    let target = target(permit(exchange)?, received);
    if target.iter().any(|byte| matches!(byte, b'\0' | b'\r' | b'\n' | b' ')) {
        return Error::e_explain(ErrorType::InternalError, "a target has a character that ends it");
    }
    let mut text = Text(Vec::with_capacity(USUAL));
    for part in [received.method.as_str().as_bytes(), b" ", target, b" HTTP/1.1\r\n"] {
        text.0.extend_from_slice(part);
    }
    write(&mut text, &received.headers, received, exchange, false)?;
    text.0.extend_from_slice(b"\r\n");
    note_trace(received, exchange);
    Ok(text.0)
}

fn permit(exchange: &Exchange) -> Result<&Permit> {
    exchange
        .permit
        .as_ref()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "a request reached an upstream without a permit"))
}

fn target<'a>(permit: &'a Permit, received: &'a RequestHeader) -> &'a [u8] {
    match permit.target() {
        UpstreamTarget::AsReceived => received.raw_path(),
        UpstreamTarget::Rewritten(target) => target.as_bytes(),
    }
}

fn note_trace(received: &RequestHeader, exchange: &mut Exchange) {
    let trace = trace(&received.headers);
    exchange.record.begins_trace = trace.is_none();
    exchange.record.trace_id = trace.map(str::to_owned);
}

/// Writes every field that the upstream gets: those of `passed` that are for it, and what the gateway says of `received`: for
/// whom, from where, on whose behalf.
fn write(
    fields: &mut impl Fields,
    passed: &HeaderMap,
    received: &RequestHeader,
    exchange: &Exchange,
    is_http2: bool,
) -> Result<()> {
    let permit = permit(exchange)?;
    let Some(destination) = &exchange.destination else {
        return Error::e_explain(ErrorType::InternalError, "a request goes to an upstream that nobody chose");
    };
    fields.pass(&HOST, destination);
    let has_trace = trace(&received.headers).is_some();
    for (name, value) in passed {
        match name {
            _ if ends_here(name) => {
                if exchange.wants_tunnel && (name == UPGRADE || name == CONNECTION) {
                    fields.pass(name, value);
                }
            }
            _ if name == TRACEPARENT && !has_trace => {}
            _ if exchange.snapshot.gate.strips(name) => {}
            _ => fields.pass(name, value),
        }
    }
    write_cookies(fields, passed)?;
    // `Connection: authorization` has taken it away by now, but it is the permit that says what goes on.
    if let Some(credential) = received.headers.get(AUTHORIZATION).filter(|_| permit.keeps_credential()) {
        fields.pass(&AUTHORIZATION, credential);
    }
    if let Some(credential) = &exchange.narrowed {
        fields.pass(&AUTHORIZATION, credential);
    }
    for (name, value) in permit.printed_identity(&exchange.snapshot.gate) {
        fields.say(name, &value)?;
    }
    if is_http2 && wants_trailers(&received.headers) {
        fields.say(&TE, b"trailers")?;
    }
    let via = if received.version == Version::HTTP_2 { "2 narrowgate" } else { "1.1 narrowgate" };
    fields.say(&VIA, via.as_bytes())?;
    if let Some(connection) = &exchange.connection {
        let trusted = exchange.snapshot.gate.trusts_proxy(connection.peer());
        let Origin { forwarded_for, proto, host } = Origin::of(received, connection, trusted);
        fields.say(&X_FORWARDED_FOR, &forwarded_for)?;
        fields.say(&X_FORWARDED_PROTO, proto.as_bytes())?;
        if let Some(host) = host {
            fields.say(&X_FORWARDED_HOST, host)?;
        }
    }
    if !has_trace {
        fields.say(&TRACEPARENT, &begun_trace(&exchange.request_id))?;
    }
    Ok(())
}

/// Whether a field is not passed on: it is the business of one connection (RFC 9110 §7.6.1), or the gateway's to write.
fn ends_here(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "authorization"
            | "connection"
            | "cookie"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "upgrade"
    )
}

/// The trace that begins with a request, not sampled (W3C Trace Context §3.2).
fn begun_trace(request: &RequestId) -> [u8; 55] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    text[3..35].copy_from_slice(request.as_bytes());
    text[36..52].copy_from_slice(Identifier::<8>::random().as_bytes());
    text
}

/// HTTP/2 clients send a cookie a field; elsewhere it must be one field (RFC 9113 §8.2.3). What our own issuer keeps in a
/// browser is no API's to see: where an API shares its host, the browser sends it there as well.
fn write_cookies(fields: &mut impl Fields, passed: &HeaderMap) -> Result<()> {
    let mut cookies = passed.get_all(COOKIE).iter();
    let Some(first) = cookies.next() else {
        return Ok(());
    };
    let further: SmallVec<[&[u8]; 4]> = cookies.map(HeaderValue::as_bytes).collect();
    let joined = match further[..] {
        [] => Cow::Borrowed(first.as_bytes()),
        _ => Cow::Owned([&[first.as_bytes()], &further[..]].concat().join(&b"; "[..])),
    };
    match without_ours(&joined) {
        Some(left) if left.is_empty() => Ok(()),
        Some(left) => fields.say(&COOKIE, &left),
        None if further.is_empty() => {
            fields.pass(&COOKIE, first);
            Ok(())
        }
        None => fields.say(&COOKIE, &joined),
    }
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// The trace that a caller began (W3C Trace Context §3.2), if it says so once and rightly.
fn trace(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    let text = fields.next()?.to_str().ok()?;
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.split('-');
    let (version, trace_id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let valid = hex(version, 2) && version != "ff" && hex(trace_id, 32) && hex(parent, 16) && hex(flags, 2);
    let zero = trace_id.bytes().all(|byte| byte == b'0') || parent.bytes().all(|byte| byte == b'0');
    (valid && !zero && fields.next().is_none()).then_some(trace_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(fields: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut header = RequestHeader::build("GET", b"/a", None).unwrap();
        for (name, value) in fields {
            header.append_header(*name, *value).unwrap();
        }
        header
    }

    #[test]
    fn a_trace_is_honoured_when_it_is_one() {
        let trace_of = |fields: &[(&'static str, &'static str)]| trace(&received(fields).headers).map(str::to_owned);
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_of(&[("traceparent", valid)]).unwrap(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace_of(&[("traceparent", valid), ("traceparent", valid)]), None);
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_of(&[("traceparent", text)]), None, "{text}");
        }
    }

    /// The cookies that an upstream gets.
    fn cookies(fields: &[(&'static str, &'static str)]) -> Vec<HeaderValue> {
        let (mut map, mut text) = (HeaderMap::new(), Text(Vec::new()));
        write_cookies(&mut map, &received(fields).headers).unwrap();
        write_cookies(&mut text, &received(fields).headers).unwrap();
        let written: Vec<HeaderValue> = map.get_all(COOKIE).iter().cloned().collect();
        let lines: Vec<u8> =
            written.iter().flat_map(|value| [b"cookie: ", value.as_bytes(), b"\r\n"].concat()).collect();
        assert_eq!(text.0, lines);
        written
    }

    #[test]
    fn cookies_become_one_field() {
        let cookies = cookies(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
        assert!(cookies[0].is_sensitive());
    }

    #[test]
    fn cookies_of_our_issuer_are_no_apis_to_see() {
        let apart = [("cookie", "a=1; __Host-narrowgate-session=s"), ("cookie", "narrowgate-browser=b")];
        assert_eq!(cookies(&apart), ["a=1"]);
        assert_eq!(cookies(&[("cookie", "__Host-narrowgate-session=s")]), [""; 0]);
        assert_eq!(cookies(&[("cookie", "a=1")]), ["a=1"]);
    }

    #[test]
    fn what_ends_here_is_told_by_its_whole_name() {
        for name in ["te", "connection", "upgrade", "host", "cookie", "authorization", "keep-alive", "trailer"] {
            assert!(ends_here(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["content-type", "cookies", "user-agent", "te-x", "accept", "via"] {
            assert!(!ends_here(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn no_field_of_ours_ends_a_line() {
        for value in ["a\r\nx: y", "a\n", "\0", "\u{7f}"] {
            assert!(Text(Vec::new()).say(&VIA, value.as_bytes()).is_err(), "{value:?}");
            assert!(HeaderMap::new().say(&VIA, value.as_bytes()).is_err(), "{value:?}");
        }
    }

    #[test]
    fn only_trailers_are_wanted_of_te() {
        assert!(wants_trailers(&received(&[("te", "gzip, Trailers")]).headers));
        assert!(!wants_trailers(&received(&[("te", "gzip")]).headers));
        assert!(!wants_trailers(&received(&[]).headers));
    }
}
