//! `identity_headers`: which fields tell the upstream who calls.

use http::HeaderName;
use smallvec::SmallVec;

use super::claims;
use super::model::{IdentityHeader, IdentitySource};
use super::read::Reader;
use super::yaml::{Key, Node};

/// Fields that carry the message, the credential or the gateway's own word; the gateway or the upstream's server acts on
/// them, so a claim has no place there. In lower case.
const OWNED: [&str; 45] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "age",
    "authorization",
    "cache-control",
    "client-cert",
    "client-cert-chain",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "cookie2",
    "date",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-method-override",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];
/// Families of such fields, by how their names begin.
const OWNED_FAMILIES: [&str; 6] = ["access-control-", "proxy-", "sec-", "x-forwarded-", "x-http-method", "x-original-"];

/// Reads `identity_headers`.
pub(super) fn identity_headers(reader: &mut Reader, node: &Node) -> Option<Vec<IdentityHeader>> {
    let section = reader.section(node, "`identity_headers`")?;
    let mut headers: Vec<(FoldedName, IdentityHeader)> = Vec::new();
    for (key, node) in section.entries() {
        let source = source(reader, node);
        let Some(name) = name(reader, key) else { continue };
        let folded = fold_field_name(&key.text);
        if let Some((_, first)) = headers.iter().find(|(known, _)| *known == folded) {
            let message = format!("`{}` and `{}` are one field to many servers", key.shown(), first.name);
            reader.log.error(key.place, message, "case, `-` and `_` do not tell fields apart; keep one of them");
            continue;
        }
        let Some(source) = source else { continue };
        headers.push((folded, IdentityHeader { name, source }));
    }
    Some(headers.into_iter().map(|(_, header)| header).collect())
}

fn name(reader: &mut Reader, key: &Key) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(key.text.as_bytes()) else {
        let message = format!("`{}` is no field name", key.shown());
        reader.log.error(key.place, message, "use letters, digits and `-`, like `X-User` (RFC 9110 section 5.1)");
        return None;
    };
    let folded = fold_field_name(&key.text);
    let owned = OWNED.iter().any(|name| *folded == *name.as_bytes());
    if owned || OWNED_FAMILIES.iter().any(|family| folded.starts_with(family.as_bytes())) {
        let message =
            format!("`{}` cannot carry an identity: it belongs to the message or to the gateway", key.shown());
        reader.log.error(key.place, message, "use a name of your own, like `X-User`");
        return None;
    }
    Some(name)
}

/// What [`fold_field_name`] makes, on the stack for all but the longest.
pub type FoldedName = SmallVec<[u8; 48]>;

/// A field's name as many servers read it: in lower case, with `-` for all that is no letter and no digit. What the
/// loader compares here, the guard compares at every request.
pub fn fold_field_name(name: &str) -> FoldedName {
    name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }).collect()
}

fn source(reader: &mut Reader, node: &Node) -> Option<IdentitySource> {
    let path = claims::path(reader, node)?;
    Some(match path.text.as_str() {
        "sub" => IdentitySource::Subject,
        "client_id" => IdentitySource::Client,
        "iss" => IdentitySource::Issuer,
        "scope" => IdentitySource::Scope,
        _ => IdentitySource::Claim(path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_as_servers_fold_them() {
        assert_eq!(&*fold_field_name("X_User"), b"x-user");
        assert_eq!(&*fold_field_name("x.USER"), b"x-user");
    }

    #[test]
    fn what_is_owned_is_listed_as_it_is_compared() {
        for name in OWNED.iter().chain(&OWNED_FAMILIES) {
            assert_eq!(&*fold_field_name(name), name.as_bytes());
        }
        assert!(OWNED.is_sorted());
    }
}
