//! Answers that the gateway writes itself: refusals, documents, and the last words to a connection.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::connection::Connection;
use crate::guard::{Answer, Denial};
use crate::oauth::Reason;
use crate::telemetry::metrics::ConnectionRefusal;

/// Sends an answer. A connection whose request is not read to its end is closed behind it, so that the rest of the
/// body cannot be taken for the next request.
///
/// # Errors
///
/// When the client can no longer be written to.
pub(super) async fn send(session: &mut Session, connection: Option<&Connection>, answer: Answer) -> Result<()> {
    let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len() + 3))?;
    for (name, value) in &answer.headers {
        header.append_header(name, value)?;
    }
    if answer.status != StatusCode::NO_CONTENT {
        header.insert_header(CONTENT_LENGTH, answer.body.len())?;
    }
    if !session.as_mut().is_body_done() {
        session.set_keepalive(None);
        if let Some(connection) = connection {
            connection.leaves_body_unread();
        }
    }
    let bare = session.req_header().method == Method::HEAD || answer.body.is_empty();
    session.write_response_header(Box::new(header), bare).await?;
    session.write_response_body((!bare).then_some(answer.body), true).await
}

/// The whole HTTP/1 answer to a connection that is refused before any hook has seen a request.
pub(super) fn last_words(refusal: ConnectionRefusal, request_id: &str) -> Bytes {
    let reason = match refusal {
        ConnectionRefusal::Connections | ConnectionRefusal::ConnectionsPerAddress => Reason::RateLimited,
        ConnectionRefusal::Tls | ConnectionRefusal::Malformed => Reason::FramingInvalid,
        ConnectionRefusal::HeaderTimeout => Reason::RequestTimeout,
        ConnectionRefusal::HeaderTooLarge => Reason::HeaderTooLarge,
        ConnectionRefusal::Method => Reason::MethodNotAllowed,
    };
    let Answer { status, headers, body } = Denial::new(reason, None).answer(request_id);
    let mut text = BytesMut::with_capacity(512);
    text.put_slice(format!("HTTP/1.1 {status}\r\n").as_bytes());
    for (name, value) in &headers {
        text.put_slice(name.as_str().as_bytes());
        text.put_slice(b": ");
        text.put_slice(value.as_bytes());
        text.put_slice(b"\r\n");
    }
    text.put_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes());
    text.put_slice(&body);
    text.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_a_whole_answer() {
        let text = last_words(ConnectionRefusal::HeaderTimeout, "r1");
        let text = std::str::from_utf8(&text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())) && head.contains("connection: close"));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["reason"], &body["request_id"]), (&"request_timeout".into(), &"r1".into()));
    }
}
