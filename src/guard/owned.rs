//! Header fields that only the gateway may write.
//!
//! Upstreams fold field names: CGI, WSGI, PHP and nginx read `X_User`, `X.User` and `x-user` as one. So a name is owned
//! in every spelling that is equal after lower-casing and mapping all that is no letter and no digit to `-`.

use std::collections::HashSet;

use http::HeaderName;

use crate::config::{FoldedName, fold_field_name};

/// Names that tell an upstream who calls, by where, or for what, whoever wrote them: never the client's to say.
const SPOOFABLE: [&str; 11] = [
    "forwarded",
    "proxy-authorization",
    "remote-user",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-http-host-override",
    "x-method-override",
    "x-real-ip",
    "x-rewrite-url",
    "true-client-ip",
    "x-remote-user",
];

/// Beginnings of such names.
const SPOOFABLE_PREFIXES: [&str; 3] = ["x-forwarded-", "x-original-", "x-http-method"];

/// The identity header names of every map in the configuration, folded.
#[derive(Clone, Debug)]
pub struct OwnedHeaders {
    names: HashSet<FoldedName>,
    /// Which characters names begin with that are owned or spoofable: most fields of a request begin with another one.
    first: [bool; 128],
}

impl OwnedHeaders {
    /// Owns these names, in every spelling.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n HeaderName>) -> Self {
        let names: HashSet<_> = names.into_iter().map(|name| fold_field_name(name.as_str())).collect();
        let mut first = [false; 128];
        let spoofable = SPOOFABLE.iter().chain(&SPOOFABLE_PREFIXES).map(|name| name.as_bytes());
        for byte in spoofable.chain(names.iter().map(|name| &name[..])).filter_map(|name| name.first()) {
            first[usize::from(byte & 0x7f)] = true;
        }
        Self { names, first }
    }

    /// Whether a field of this name may come from the gateway only: one that it writes itself, or one that nobody may
    /// say at all.
    pub fn owns(&self, name: &str) -> bool {
        // Folding keeps letters and digits; what it does not keep may be anything's beginning.
        let may_be = |first: u8| !first.is_ascii_alphanumeric() || self.first[usize::from(first.to_ascii_lowercase())];
        if !name.bytes().next().is_some_and(may_be) {
            return false;
        }
        let folded = fold_field_name(name);
        is_spoofable(&folded) || self.names.contains(&folded)
    }
}

/// Whether a field of this name is removed from every forwarded request, whatever the configuration says.
fn is_spoofable(folded: &[u8]) -> bool {
    SPOOFABLE.iter().any(|known| folded == known.as_bytes())
        || SPOOFABLE_PREFIXES.iter().any(|prefix| folded.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_owned_in_every_spelling() {
        let owned = OwnedHeaders::new([&HeaderName::from_static("x-user")]);
        for name in ["x-user", "X-User", "x_user", "X.User", "x!user", "X~USER"] {
            assert!(owned.owns(name), "{name}");
        }
        for name in ["x-users", "xuser", "x--user", "user"] {
            assert!(!owned.owns(name), "{name}");
        }
    }

    #[test]
    fn forwarding_fields_are_never_the_clients() {
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "x_forwarded_host",
            "X-Forwarded-User",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-HTTP-Method",
            "X-HTTP-Method-Override",
            "X-Method-Override",
            "Remote-User",
            "REMOTE_USER",
            "X-Real-IP",
        ] {
            assert!(OwnedHeaders::new([]).owns(name), "{name}");
        }
        for name in ["x-forwarded", "accept", "x-request-id", "traceparent"] {
            assert!(!OwnedHeaders::new([]).owns(name), "{name}");
        }
    }
}
