//! Where a request's head and body end, judged on the bytes that came (RFC 9112 §2.2, §6.3).
//!
//! Pingora has dropped, folded and repaired by the time a hook runs: of `Content-Length` beside `Transfer-Encoding`
//! nothing is left to see, `+5` and `5, 5` pass as lengths, and a bare line feed ends a line. Here one spelling counts;
//! everything else is refused and the connection closed, because nobody can say where its next request begins.
//! Deliberately absent: the authority, which the guard judges.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use memchr::{memchr, memchr2};

use crate::config::Limits;
use crate::oauth::{Reason, Rejection};

/// More digits than any body has bytes.
const LENGTH_DIGITS: usize = 18;

/// Judges an HTTP/1 head as it was received, line ends included.
pub(super) fn judge_head(head: &[u8], limits: &Limits) -> Result<(), Rejection> {
    if head.len() > limits.header_bytes {
        return Err(Rejection::new(Reason::HeaderTooLarge, "the header section is longer than `limits.header_bytes`"));
    }
    let (mut fields, mut lengths, mut codings) = (0_usize, 0_usize, 0_usize);
    let mut begun = false;
    let mut rest = head;
    while !rest.is_empty() {
        let (line, behind) = split_line(rest)?;
        rest = behind;
        if line.is_empty() {
            continue;
        }
        if !begun {
            begun = true;
            continue;
        }
        fields += 1;
        let (name, value) = split_field(line)?;
        if name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str().as_bytes()) {
            lengths += 1;
            judge_length(value)?;
        } else if name.eq_ignore_ascii_case(TRANSFER_ENCODING.as_str().as_bytes()) {
            codings += 1;
            if value != b"chunked" {
                return Err(invalid("`Transfer-Encoding` is not `chunked`"));
            }
        }
    }
    judge_counts(fields, lengths, codings, limits)
}

/// Judges the fields of an HTTP/2 request, which has no lines. What HTTP/1 fields it may not have, the protocol's
/// implementation refuses.
pub(super) fn judge_fields(headers: &HeaderMap, limits: &Limits) -> Result<(), Rejection> {
    // 32 bytes for each field, as RFC 9113 §6.5.2 counts.
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    if bytes > limits.header_bytes {
        return Err(Rejection::new(Reason::HeaderTooLarge, "the header section is longer than `limits.header_bytes`"));
    }
    for value in headers.get_all(CONTENT_LENGTH) {
        judge_length(value.as_bytes())?;
    }
    let count = |name| headers.get_all(name).iter().count();
    judge_counts(headers.len(), count(CONTENT_LENGTH), count(TRANSFER_ENCODING), limits)
}

/// The length that a request announces, if it does. Call it on a head that was judged.
pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).and_then(|value: &HeaderValue| value.to_str().ok()?.parse().ok())
}

/// The first line without its end, and what is behind it. One look over the bytes finds every CR and every LF.
fn split_line(head: &[u8]) -> Result<(&[u8], &[u8]), Rejection> {
    match memchr2(b'\r', b'\n', head) {
        Some(end) if head[end..].starts_with(b"\r\n") => Ok((&head[..end], &head[end + 2..])),
        Some(end) if head[end] == b'\r' => Err(invalid("a line holds a bare CR")),
        Some(_) | None => Err(invalid("a line ends without CR LF")),
    }
}

fn judge_counts(fields: usize, lengths: usize, codings: usize, limits: &Limits) -> Result<(), Rejection> {
    if fields > limits.headers {
        return Err(Rejection::new(Reason::HeaderTooLarge, "there are more header fields than `limits.headers`"));
    }
    match (lengths, codings) {
        (0, 0 | 1) | (1, 0) => Ok(()),
        (0, _) => Err(invalid("more than one `Transfer-Encoding` was sent")),
        (_, 0) => Err(invalid("more than one `Content-Length` was sent")),
        _ => Err(invalid("both `Content-Length` and `Transfer-Encoding` were sent")),
    }
}

fn judge_length(value: &[u8]) -> Result<(), Rejection> {
    let plain = !value.is_empty() && value.len() <= LENGTH_DIGITS && value.iter().all(u8::is_ascii_digit);
    if plain { Ok(()) } else { Err(invalid("`Content-Length` is not one plain number")) }
}

fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Rejection> {
    let colon = memchr(b':', line).ok_or(invalid("a field has no colon"))?;
    let is_blank = |byte: u8| byte == b' ' || byte == b'\t';
    if line[..colon].iter().copied().any(is_blank) {
        return Err(invalid("a field's name holds a blank, or a line continues the one before"));
    }
    let value = &line[colon + 1..];
    let start = value.iter().position(|byte| !is_blank(*byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_blank(*byte)).map_or(start, |last| last + 1);
    Ok((&line[..colon], &value[start..end]))
}

fn invalid(detail: &'static str) -> Rejection {
    Rejection::new(Reason::FramingInvalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(fields: &str) -> Result<(), Reason> {
        let head = format!("POST / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
        judge_head(head.as_bytes(), &Limits::default()).map_err(|rejection| rejection.reason)
    }

    #[test]
    fn one_plain_length_or_one_chunked_is_well_framed() {
        for fields in [
            "",
            "Content-Length: 5\r\n",
            "content-length:0\r\n",
            "Content-Length: \t5 \r\n",
            "Transfer-Encoding: chunked\r\n",
            "X-Content-Length: +5\r\n",
        ] {
            assert_eq!(judge(fields), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\ncontent-length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -0\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length\t: 5\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: Chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding:\r\n",
        ] {
            assert_eq!(judge(fields), Err(Reason::FramingInvalid), "{fields:?}");
        }
    }

    #[test]
    fn lines_end_with_both_bytes_and_hold_neither() {
        for head in [
            "GET / HTTP/1.1\nHost: a.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.example\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.example\r\n\n",
            "GET / HTTP/1.1\r\nHost: a.\rexample\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        ] {
            let judged = judge_head(head.as_bytes(), &Limits::default());
            assert_eq!(judged.unwrap_err().reason, Reason::FramingInvalid, "{head:?}");
        }
        assert!(judge_head(b"\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", &Limits::default()).is_ok());
    }

    #[test]
    fn a_header_section_has_its_bounds() {
        let limits = Limits { header_bytes: 64, headers: 2, ..Limits::default() };
        let judge = |head: &str| judge_head(head.as_bytes(), &limits).map_err(|rejection| rejection.reason);
        assert_eq!(judge("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"), Ok(()));
        assert_eq!(judge("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"), Err(Reason::HeaderTooLarge));
        let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "1".repeat(64));
        assert_eq!(judge(&long), Err(Reason::HeaderTooLarge));
    }

    #[test]
    fn http2_is_held_to_the_same() {
        let limits = Limits { header_bytes: 200, headers: 2, ..Limits::default() };
        let judge = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            judge_fields(&headers, &limits).map_err(|rejection| rejection.reason)
        };
        assert_eq!(judge(&[("content-length", "5")]), Ok(()));
        assert_eq!(judge(&[("content-length", "+5")]), Err(Reason::FramingInvalid));
        assert_eq!(judge(&[("content-length", "5"), ("content-length", "5")]), Err(Reason::FramingInvalid));
        assert_eq!(judge(&[("a", "1"), ("b", "2"), ("c", "3")]), Err(Reason::HeaderTooLarge));
        assert_eq!(judge(&[("a", "1"), ("a", "1"), ("a", "1")]), Err(Reason::HeaderTooLarge));
    }

    #[test]
    fn an_announced_length_is_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(announced_length(&headers), None);
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("17"));
        assert_eq!(announced_length(&headers), Some(17));
    }
}
