//! Editing the fields of a message as one map.
//!
//! Pingora keeps a second map beside the fields, with the spelling of every name, and each edit goes through both: a name is
//! spelt, parsed and hashed anew, and allocated. An HTTP/1 head that was taken apart and put together again is without that
//! map; its names leave in lower case, as they do over HTTP/2.

use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, response};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};

/// Edits a request; afterwards its names have no spelling of their own. Its target stays what it is.
///
/// # Errors
///
/// Those of `edit`, and when a target that no URI holds cannot be put back, which does not happen: it was read before.
pub(super) fn edit(header: &mut RequestHeader, edit: impl FnOnce(&mut Parts) -> Result<()>) -> Result<()> {
    // Pingora keeps a target beside the parts where a URI cannot hold it: an absolute one, or bytes that are no text.
    let is_in_uri = header.uri.path_and_query().is_some_and(|target| target.as_str().as_bytes() == header.raw_path());
    let target = (!is_in_uri).then(|| header.raw_path().to_vec());
    let nothing = RequestHeader::from(Request::new(()).into_parts().0);
    let mut parts = Parts::from(std::mem::replace(header, nothing));
    let edited = edit(&mut parts);
    *header = RequestHeader::from(parts);
    match target {
        Some(target) if header.raw_path() != target => edited.and_then(|()| header.set_raw_path(&target)),
        _ => edited,
    }
}

/// How many fields Pingora adds to an answer.
const ADDED: usize = 4;

/// Edits an answer; afterwards its names have no spelling of their own. A reason phrase stays what it is.
///
/// # Errors
///
/// When the phrase cannot be put back, which does not happen.
pub(super) fn edit_answer(header: &mut ResponseHeader, edit: impl FnOnce(StatusCode, &mut HeaderMap)) -> Result<()> {
    let phrase = header.get_reason_phrase();
    let unusual = phrase.filter(|_| phrase != header.status.canonical_reason()).map(str::to_owned);
    let nothing = ResponseHeader::from(Response::new(()).into_parts().0);
    let mut parts = response::Parts::from(std::mem::replace(header, nothing));
    // Once, and not at every other one of them.
    parts.headers.reserve(ADDED);
    edit(parts.status, &mut parts.headers);
    *header = ResponseHeader::from(parts);
    match unusual {
        Some(phrase) => header.set_reason_phrase(Some(&phrase)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stays_what_it_is_whatever_its_form() {
        let targets: [&[u8]; 6] =
            [b"/a?b=%2f", b"*", b"http://api.example/a?b", b"api.example:443", b"/\xff", b"http://api.example"];
        for target in targets {
            let mut header = RequestHeader::build("GET", target, None).unwrap();
            header.append_header("X-A", "1").unwrap();
            edit(&mut header, |parts| {
                parts.headers.remove("x-a");
                Ok(())
            })
            .unwrap();
            assert_eq!(header.raw_path(), target, "{}", String::from_utf8_lossy(target));
            assert!(header.headers.is_empty() && !header.has_case());
        }
    }

    #[test]
    fn an_answer_keeps_its_phrase_and_its_version() {
        for phrase in ["OK", "Fine", ""] {
            let mut header = ResponseHeader::build(200, None).unwrap();
            header.set_version(http::Version::HTTP_10);
            header.set_reason_phrase(Some(phrase)).unwrap();
            header.append_header("X-A", "1").unwrap();
            edit_answer(&mut header, |status, fields| {
                assert_eq!(status, StatusCode::OK);
                fields.remove("x-a");
            })
            .unwrap();
            assert_eq!((header.get_reason_phrase(), header.version), (Some(phrase), http::Version::HTTP_10));
            assert!(header.headers.is_empty());
        }
    }
}
