//! Editing the fields of a request as one map.
//!
//! Pingora keeps a second map beside the fields, with the spelling of every name, and each edit goes through both: a name is
//! spelt, parsed and hashed anew, and allocated. An HTTP/1 head that was taken apart and put together again is without that
//! map; its names leave in lower case, as they do over HTTP/2.

use http::Request;
use http::request::Parts;
use pingora_error::Result;
use pingora_http::RequestHeader;

/// Whether the target of a request is the one in its URI. Pingora keeps others, which no URI can hold, where an edit would lose
/// them.
pub(super) fn keeps_target(header: &RequestHeader) -> bool {
    header.uri.path_and_query().is_some_and(|target| target.as_str().as_bytes() == header.raw_path())
}

/// Edits a request whose target is the one in its URI; afterwards its names have no spelling of their own.
///
/// # Errors
///
/// Those of `edit`.
pub(super) fn edit(header: &mut RequestHeader, edit: impl FnOnce(&mut Parts) -> Result<()>) -> Result<()> {
    let nothing = RequestHeader::from(Request::new(()).into_parts().0);
    let mut parts = Parts::from(std::mem::replace(header, nothing));
    let edited = edit(&mut parts);
    *header = RequestHeader::from(parts);
    edited
}
