//! From Pingora to the endpoints and back: which requests are the issuer's, what is read of them, and how they are answered.
//!
//! A request comes here after its head was judged as every other one's, and before any resource is looked for; none of these is
//! ever forwarded. Secrets and tokens are taken over TLS, over loopback, and from a trusted proxy that does not say that it
//! got them otherwise.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, EXPECT, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use pingora_error::{Error, ErrorType, Result};
use pingora_proxy::Session;
use tokio::time::timeout;
use tower::ServiceExt;

use super::{Call, Endpoints, Superseded, Told, cors, dress};
use crate::guard::{Answer, ConnectionFacts, Decision, Denial, RequestView};
use crate::issuer::{Endpoint, Form, Site};
use crate::oauth::{Reason, Rejection};
use crate::secret::{Secret, WipedBytes};
use crate::serve::exchange::Exchange;
use crate::serve::proxy::Gateway;
use crate::serve::{answer as answers, framing, request};
use crate::snapshot::{Current, Snapshot};
use crate::telemetry::metrics::Outcome;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How often a request is judged at the most, each time under another configuration: a password takes a while.
const MOST_JUDGEMENTS: usize = 16;

/// What the issuer has to do with a request.
#[derive(Debug)]
pub(in crate::serve) enum Errand {
    /// It is for one of the issuer's endpoints.
    Endpoint {
        /// Which one.
        endpoint: Endpoint,
        /// Who asks.
        peer: IpAddr,
        /// What stands behind the `?`.
        query: Secret,
    },
    /// It would be, but its secrets could be read on their way.
    InTheClear,
    /// It is for a path that is kept free.
    Reserved,
}

/// Whether a request is the issuer's own; nothing for one that is the gate's to answer or to refuse.
pub(in crate::serve) fn errand(session: &Session, exchange: &mut Exchange, current: &Current) -> Option<Errand> {
    loop {
        let errand = errand_of(session, exchange);
        if current.is(&exchange.snapshot) {
            return errand;
        }
        exchange.snapshot = current.load();
    }
}

fn errand_of(session: &Session, exchange: &Exchange) -> Option<Errand> {
    let snapshot = &exchange.snapshot;
    let server = snapshot.config.issuer.as_ref()?;
    let connection = exchange.connection.as_deref()?;
    let view = request::view(session, connection, false);
    if !names_host(&view, server.url.host_str()?) {
        return None;
    }
    let place = snapshot.gate.place(&view)?;
    let site = Site::of(&snapshot.config, &place.authority, view.connection.own_port, place.path);
    if request::misdirected(&view, connection).is_some() {
        return None;
    }
    let redirects = connection.redirects_to().is_some();
    let endpoint = match site {
        Site::Elsewhere | Site::Beside => return None,
        Site::Reserved => return (!redirects).then_some(Errand::Reserved),
        Site::At(endpoint) => endpoint,
    };
    // Who redirects has said that nothing is private there.
    if endpoint.takes_secrets() && (redirects || !is_private(snapshot, &view)) {
        return Some(Errand::InTheClear);
    }
    if redirects {
        return None;
    }
    let query = Secret::new(place.query.unwrap_or_default());
    Some(Errand::Endpoint { endpoint, peer: caller(snapshot, &view), query })
}

/// Whether a host stands anywhere in a request where one may be named: most requests are for an API, and need no more.
fn names_host(view: &RequestView<'_>, host: &str) -> bool {
    let fields = [HOST, X_FORWARDED_HOST].map(|name| view.headers.get_all(name));
    let named = fields.iter().flatten().map(HeaderValue::as_bytes).chain(view.uri_authority.map(str::as_bytes));
    named
        .into_iter()
        .any(|named| named.get(..host.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(host.as_bytes())))
}

fn site(snapshot: &Snapshot, view: &RequestView<'_>) -> Option<Site> {
    let place = snapshot.gate.place(view)?;
    Some(Site::of(&snapshot.config, &place.authority, view.connection.own_port, place.path))
}

/// The gate's decision, where it knows no such host, but our issuer is there: then nothing is at this path.
pub(in crate::serve) fn beside(snapshot: &Snapshot, view: &RequestView<'_>, decision: Decision) -> Decision {
    match &decision {
        Decision::Deny(denial)
            if denial.reason == Reason::HostUnknown
                && snapshot.config.issuer.is_some()
                && site(snapshot, view) == Some(Site::Beside) =>
        {
            Decision::Deny(Denial::new(Reason::RouteNotFound, None))
        }
        _ => decision,
    }
}

/// Whether nobody else could read what was sent.
fn is_private(snapshot: &Snapshot, view: &RequestView<'_>) -> bool {
    let ConnectionFacts { peer, tls, .. } = view.connection;
    let protos = view.headers.get_all(X_FORWARDED_PROTO).iter().map(|proto| proto.as_bytes());
    match snapshot.gate.trusts_proxy(peer) {
        true => came_by_tls(protos).unwrap_or(true),
        false => tls || peer.is_loopback(),
    }
}

/// What a trusted proxy says of how it got the request: nothing if it says nothing.
fn came_by_tls<'v>(protos: impl Iterator<Item = &'v [u8]>) -> Option<bool> {
    protos.map(|proto| proto.eq_ignore_ascii_case(b"https")).reduce(|one, other| one && other)
}

/// Who asks, as audit and throttle call him.
pub(in crate::serve) fn peer(session: &Session, exchange: &Exchange) -> Option<IpAddr> {
    let connection = exchange.connection.as_deref()?;
    Some(caller(&exchange.snapshot, &request::view(session, connection, false)))
}

/// Who asks: the last address that no trusted proxy has, as far as they tell.
fn caller(snapshot: &Snapshot, view: &RequestView<'_>) -> IpAddr {
    let peer = view.connection.peer;
    if !snapshot.gate.trusts_proxy(peer) {
        return peer;
    }
    let fields = view.headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = fields.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut farthest = peer;
    for hop in hops.into_iter().rev() {
        let Some(address) = address_of(hop) else { break };
        farthest = address.to_canonical();
        if !snapshot.gate.trusts_proxy(farthest) {
            break;
        }
    }
    farthest
}

/// The address in an element of `X-Forwarded-For`: some proxies write a port behind it, and brackets around an IPv6 one.
fn address_of(hop: &str) -> Option<IpAddr> {
    let plain = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let in_brackets = || plain.and_then(|plain| plain.parse::<Ipv6Addr>().ok()).map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(in_brackets).or_else(with_port)
}

/// Answers a request that is the issuer's.
///
/// A reload may come while the body does, and while keys of others are awaited. Then the request is judged again from its
/// head on, and whoever would send it anew is not told anything else.
///
/// # Errors
///
/// When the client can no longer be written to, or does not send what it announced.
pub(in crate::serve) async fn answer(
    session: &mut Session,
    exchange: &mut Exchange,
    errand: Errand,
    gateway: &Gateway,
    endpoints: &Endpoints,
) -> Result<()> {
    let first = match &errand {
        Errand::Endpoint { endpoint, .. } => *endpoint,
        Errand::InTheClear => return refuse_clear(session, exchange).await,
        Errand::Reserved => return refuse_reserved(session, exchange).await,
    };
    let takes_body = first.takes_secrets() && session.req_header().method == Method::POST;
    let body = match takes_body {
        false => WipedBytes::default(),
        true => match read_body(session, exchange).await? {
            Ok(body) => body,
            Err(reason) => return request::refuse(session, exchange, &Denial::new(reason, None)).await,
        },
    };
    let (body, used) = (Secret::from(body), Arc::default());
    let mut at_first = Some(errand);
    for _ in 0..MOST_JUDGEMENTS {
        // What was found out by the configuration that is still current counts.
        let known = at_first.take().filter(|_| gateway.current.is(&exchange.snapshot));
        let errand = known.or_else(|| self::errand(session, exchange, &gateway.current));
        let (endpoint, peer, query) = match errand {
            Some(Errand::Endpoint { endpoint, peer, query }) if endpoint == first => (endpoint, peer, query),
            Some(Errand::InTheClear) => return refuse_clear(session, exchange).await,
            Some(Errand::Reserved) => return refuse_reserved(session, exchange).await,
            Some(Errand::Endpoint { .. }) | None => return request::refuse_moved(session, exchange, gateway).await,
        };
        let call = Call {
            endpoint,
            headers: session.req_header().headers.clone(),
            peer,
            request_id: exchange.request_id.to_string(),
            query,
            body: body.clone(),
            snapshot: Arc::clone(&exchange.snapshot),
            used: Arc::clone(&used),
        };
        let Some((answer, told)) = ask(session, endpoints, call).await else { continue };
        exchange.record.outcome = Outcome::Answered;
        exchange.record.cause = told;
        return answers::send(session, exchange.connection.as_deref(), answer).await;
    }
    exchange.record.outcome = Outcome::Answered;
    exchange.record.cause = Some("the configuration changes faster than the request is judged".to_owned());
    answers::send(session, exchange.connection.as_deref(), later()).await
}

/// Not now.
fn later() -> Answer {
    let fields = [(RETRY_AFTER, HeaderValue::from_static("1")), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Answer { status: StatusCode::SERVICE_UNAVAILABLE, headers: fields.into_iter().collect(), body: Bytes::new() }
}

async fn refuse_reserved(session: &mut Session, exchange: &mut Exchange) -> Result<()> {
    request::refuse(session, exchange, &Denial::new(Reason::RouteNotFound, None)).await
}

async fn refuse_clear(session: &mut Session, exchange: &mut Exchange) -> Result<()> {
    let detail = "a secret was sent in the clear; use TLS, or list the proxy that ends it under `trusted_proxies`";
    request::refuse(session, exchange, &Rejection::new(Reason::TransportInsecure, detail).into()).await
}

/// Asks the router, which sees what it routes by and no more: the endpoint's own path, the method, and the call. Nothing
/// if what it says does not count any more.
async fn ask(session: &Session, endpoints: &Endpoints, call: Call) -> Option<(Answer, Option<String>)> {
    let header = session.req_header();
    let call = Arc::new(call);
    if let Some(mut response) = cors::preflight(&call, &header.method) {
        dress(&call, response.headers_mut());
        return Some(taken_apart(response).await);
    }
    let mut request = Request::new(Body::empty());
    // The answer to HEAD is that to GET; what is not sent of it is left out where it is written.
    *request.method_mut() = if header.method == Method::HEAD { Method::GET } else { header.method.clone() };
    *request.uri_mut() = http::Uri::from_static(call.endpoint.path());
    request.extensions_mut().insert(Arc::clone(&call));
    let Ok(mut response) = endpoints.0.clone().oneshot(request).await;
    if response.extensions().get::<Superseded>().is_some() {
        return None;
    }
    dress(&call, response.headers_mut());
    Some(taken_apart(response).await)
}

async fn taken_apart(response: Response) -> (Answer, Option<String>) {
    let (parts, body) = response.into_parts();
    let told = parts.extensions.get::<Told>().map(|told| told.0.clone());
    let body = whole(body).await;
    let mut headers: HeaderMap = parts.headers;
    headers.remove(CONTENT_LENGTH);
    (Answer { status: parts.status, headers, body }, told)
}

/// A body in one piece. All of ours are made so, and then nothing is copied.
async fn whole(body: Body) -> Bytes {
    let mut body = pin!(body);
    let mut whole = Bytes::new();
    while let Some(Ok(frame)) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let Ok(piece) = frame.into_data() else { continue };
        whole = if whole.is_empty() { piece } else { [whole, piece].concat().into() };
    }
    whole
}

/// Reads the whole body, in one time for all of it.
async fn read_body(session: &mut Session, exchange: &Exchange) -> Result<std::result::Result<WipedBytes, Reason>> {
    let limits = &exchange.snapshot.config.limits;
    let longest = Form::longest_body(limits.token_bytes) as u64;
    let announced = framing::announced_length(&session.req_header().headers);
    if announced.is_some_and(|length| length > longest) {
        return Ok(Err(Reason::BodyTooLarge));
    }
    let expects = session.req_header().headers.get(EXPECT);
    if expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        && !session.as_mut().is_body_done()
    {
        let keepalive = session.get_keepalive();
        session.write_continue_response().await?;
        session.set_keepalive(keepalive);
    }
    let mut body = WipedBytes::default();
    let reading = async {
        while let Some(piece) = session.as_downstream_mut().read_request_body().await? {
            if (body.len() + piece.len()) as u64 > longest {
                return Ok(Err(Reason::BodyTooLarge));
            }
            append(&mut body, &piece);
        }
        Ok::<_, Box<Error>>(Ok(()))
    };
    match timeout(limits.body_timeout, reading).await {
        Err(_) => Ok(Err(Reason::RequestTimeout)),
        Ok(Err(error)) if *error.etype() == ErrorType::ReadTimedout => Ok(Err(Reason::RequestTimeout)),
        Ok(Err(error)) if matches!(error.etype(), ErrorType::InvalidHTTPHeader | ErrorType::Custom(_)) => {
            Ok(Err(Reason::FramingInvalid))
        }
        Ok(Err(error)) => Err(error),
        Ok(Ok(Err(reason))) => Ok(Err(reason)),
        Ok(Ok(Ok(()))) => Ok(Ok(body)),
    }
}

/// Adds a piece. Nobody has proven anything yet, so memory is taken for what has come, whatever was announced; and where
/// there is not enough, the bytes move into another buffer, so that the one before is wiped.
fn append(body: &mut WipedBytes, piece: &[u8]) {
    /// What most forms fit in.
    const AT_FIRST: usize = 1 << 10;
    let needed = body.len() + piece.len();
    if needed > body.capacity() {
        let mut larger = WipedBytes::with_capacity(needed.max(2 * body.capacity()).max(AT_FIRST));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_memory_for_what_has_come() {
        let mut body = WipedBytes::default();
        for _ in 0..1500 {
            append(&mut body, b"x");
        }
        assert_eq!((body.len(), body.capacity()), (1500, 2048));
        append(&mut body, &[b'y'; 9000]);
        assert_eq!((body.len(), body.capacity()), (10_500, 10_500));
    }

    #[test]
    fn an_address_may_come_with_a_port() {
        for hop in ["192.0.2.1", "192.0.2.1:5678"] {
            assert_eq!(address_of(hop), Some(IpAddr::from([192, 0, 2, 1])), "{hop}");
        }
        for hop in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5678"] {
            assert_eq!(address_of(hop), "2001:db8::1".parse().ok(), "{hop}");
        }
        for hop in ["", "unknown", "192.0.2.1:", "192.0.2.1:99999", "[192.0.2.1]", "[2001:db8::1]:", "_gate:1"] {
            assert_eq!(address_of(hop), None, "{hop}");
        }
    }

    #[test]
    fn a_proxy_that_says_anything_but_https_says_no() {
        let said = |protos: &[&str]| came_by_tls(protos.iter().map(|proto| proto.as_bytes()));
        assert_eq!((said(&[]), said(&["https"]), said(&["HTTPS"])), (None, Some(true), Some(true)));
        for protos in [&["http"][..], &["https", "http"], &["https, http"], &[""], &["wss"]] {
            assert_eq!(said(protos), Some(false), "{protos:?}");
        }
    }
}
