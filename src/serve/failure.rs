//! What went wrong between the decision and the end of the answer, and how that is told.

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_proxy::{FailToProxy, Session};

use super::answer;
use super::exchange::Exchange;
use super::response::UNAUTHORIZED;
use crate::guard::{Denial, Permit};
use crate::oauth::Reason;
use crate::telemetry::metrics::Outcome;

/// The request's body is longer than allowed.
pub(super) const BODY_TOO_LARGE: ErrorType = ErrorType::Custom("body_too_large");
/// No address of the upstream is known.
pub(super) const NO_ADDRESS: ErrorType = ErrorType::Custom("upstream_unresolved");

/// Whose failure it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Failure {
    /// The client is gone; there is nobody to answer.
    ClientLeft,
    /// Something that can be told.
    Refused(Reason),
    /// The upstream has no address: 503, because it may have one soon.
    NoAddress,
}

/// Answers a request that failed, where nothing was answered yet.
pub(super) async fn tell(session: &mut Session, exchange: &mut Exchange, error: &Error) -> FailToProxy {
    let closed = |error_code| FailToProxy { error_code, can_reuse_downstream: false };
    let failure = classify(error);
    exchange.record.cause = Some(cause(error));
    let reason = match failure {
        Failure::ClientLeft => return closed(0),
        // Nobody can answer a request that has not arrived: HTTP/2 bodies have no deadline of their own in Pingora.
        Failure::Refused(Reason::UpstreamTimeout) if !session.as_mut().is_body_done() => Reason::RequestTimeout,
        Failure::Refused(reason) => reason,
        Failure::NoAddress => Reason::UpstreamUnavailable,
    };
    exchange.record.outcome = Outcome::Denied(reason);
    session.set_keepalive(None);
    if session.response_written().is_some_and(|header| !header.status.is_informational() || header.status == 101) {
        return closed(0);
    }
    let mut denial = Denial::new(reason, exchange.record.resource);
    if let Some(permit) = &exchange.permit {
        denial = denial.with_cors(Permit::cors(permit).clone());
    }
    let mut answer = denial.answer(&exchange.request_id);
    if failure == Failure::NoAddress {
        answer.status = StatusCode::SERVICE_UNAVAILABLE;
        answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    let status = answer.status.as_u16();
    if answer::send(session, exchange.connection.as_deref(), answer).await.is_err() {
        return closed(0);
    }
    if session.as_ref().as_http1().is_some() && !session.as_mut().is_body_done() {
        // Pingora drops the connection behind this, and the system takes the answer back while the client still sends.
        session.as_downstream_mut().shutdown().await;
    }
    closed(status)
}

fn classify(error: &Error) -> Failure {
    use ErrorType::{
        ConnectTimedout, ConnectionClosed, H2Error, ReadError, ReadTimedout, TLSHandshakeTimedout, WriteError,
        WriteTimedout,
    };
    match (error.esource(), error.etype()) {
        (_, etype) if *etype == BODY_TOO_LARGE => Failure::Refused(Reason::BodyTooLarge),
        (_, etype) if *etype == NO_ADDRESS => Failure::NoAddress,
        (_, etype) if *etype == UNAUTHORIZED => Failure::Refused(Reason::UpstreamUnauthorized),
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | TLSHandshakeTimedout | WriteTimedout) => {
            Failure::Refused(Reason::UpstreamTimeout)
        }
        (ErrorSource::Upstream, _) => Failure::Refused(Reason::UpstreamUnavailable),
        (ErrorSource::Downstream, ReadTimedout) => Failure::Refused(Reason::RequestTimeout),
        (ErrorSource::Downstream, ReadError | WriteError | WriteTimedout | ConnectionClosed | H2Error) => {
            Failure::ClientLeft
        }
        // A `Connection` that names what it may not, chunks that are none, bytes behind the body.
        (ErrorSource::Downstream, _) => Failure::Refused(Reason::FramingInvalid),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Failure::Refused(Reason::Internal),
    }
}

/// What the operator is told. An error's full text may hold bytes of a message, except where it is about a connection.
fn cause(error: &Error) -> String {
    let kind = format!("{} {}", error.esource().as_str(), error.etype().as_str());
    let about_connection = matches!(
        error.etype(),
        ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::ConnectTimedout
            | ErrorType::TLSHandshakeFailure
            | ErrorType::TLSHandshakeTimedout
            | ErrorType::InvalidCert
            | ErrorType::SocketError
    );
    match about_connection && *error.esource() == ErrorSource::Upstream {
        true => format!("{kind}: {error}"),
        false => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(source: ErrorSource, etype: ErrorType) -> Failure {
        classify(&Error::create(etype, source, None, None))
    }

    #[test]
    fn every_failure_has_its_answer() {
        use ErrorSource::{Downstream, Internal, Upstream};
        for (source, etype, reason) in [
            (Upstream, ErrorType::ConnectRefused, Reason::UpstreamUnavailable),
            (Upstream, ErrorType::ConnectionClosed, Reason::UpstreamUnavailable),
            (Upstream, ErrorType::InvalidCert, Reason::UpstreamUnavailable),
            (Upstream, ErrorType::InvalidHTTPHeader, Reason::UpstreamUnavailable),
            (Upstream, ErrorType::ReadTimedout, Reason::UpstreamTimeout),
            (Upstream, ErrorType::ConnectTimedout, Reason::UpstreamTimeout),
            (Upstream, UNAUTHORIZED, Reason::UpstreamUnauthorized),
            (Downstream, ErrorType::ReadTimedout, Reason::RequestTimeout),
            (Downstream, ErrorType::InvalidHTTPHeader, Reason::FramingInvalid),
            (Downstream, BODY_TOO_LARGE, Reason::BodyTooLarge),
            (Internal, ErrorType::InternalError, Reason::Internal),
        ] {
            assert_eq!(failure(source, etype.clone()), Failure::Refused(reason), "{etype:?}");
        }
        assert_eq!(failure(Internal, NO_ADDRESS), Failure::NoAddress);
        assert_eq!(failure(Downstream, ErrorType::ConnectionClosed), Failure::ClientLeft);
        assert_eq!(failure(Downstream, ErrorType::WriteError), Failure::ClientLeft);
    }

    #[test]
    fn the_cause_never_holds_bytes_of_a_message() {
        let detail = "buf: Authorization: Bearer secret";
        let error = Error::create(ErrorType::InvalidHTTPHeader, ErrorSource::Upstream, Some(detail.into()), None);
        assert_eq!(cause(&error), "Upstream InvalidHTTPHeader");
    }
}
