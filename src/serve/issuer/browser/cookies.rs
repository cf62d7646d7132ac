//! The cookies of our own issuer (RFC 6265bis): which browser this is, and who has logged in there.
//!
//! They belong to the issuer's host alone, no script reads them, and no other site's form brings them along. Of two cookies of
//! one name neither counts.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::config::AuthorizationServer;
use crate::secret::Secret;

/// What the names of all our cookies hold, so that none is ever forwarded to an API.
const MARK: &str = "narrowgate-";

/// What may stand before that.
const PREFIXES: [&str; 3] = ["", "__Host-", "__Secure-"];

/// A `Cookie` field without what is ours, whoever set it; nothing if none of it is.
pub(in crate::serve) fn without_ours(field: &[u8]) -> Option<Vec<u8>> {
    let pairs = || field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    pairs().any(is_ours).then(|| pairs().filter(|pair| !is_ours(pair)).collect::<Vec<_>>().join(&b"; "[..]))
}

/// Whether a `Set-Cookie` field would put one of ours into a browser.
pub(in crate::serve) fn sets_ours(field: &[u8]) -> bool {
    is_ours(field.trim_ascii_start())
}

/// In any case: browsers do not mind it in a prefix, and some servers do not in names.
fn is_ours(pair: &[u8]) -> bool {
    PREFIXES.iter().any(|prefix| {
        let rest = pair.get(prefix.len()..).filter(|_| pair[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes()));
        let mark = rest.and_then(|rest| rest.get(..MARK.len()));
        mark.is_some_and(|mark| mark.eq_ignore_ascii_case(MARK.as_bytes()))
    })
}

/// A cookie of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::serve::issuer) enum Cookie {
    /// Which browser this is; by it a login is finished where it was begun.
    Browser,
    /// Who has logged in there.
    Session,
}

impl Cookie {
    /// Its name, whose prefix makes browsers hold it to where it came from.
    fn name(self, server: &AuthorizationServer) -> String {
        let what = match self {
            Self::Browser => "browser",
            Self::Session => "session",
        };
        let prefix = match (server.url.scheme(), path(server)) {
            ("https", "/") => "__Host-",
            ("https", _) => "__Secure-",
            // Browsers keep no secure cookie of an `http` origin; that is loopback only.
            _ => "",
        };
        format!("{prefix}{MARK}{what}")
    }

    /// Its value, if it came exactly once.
    pub(in crate::serve::issuer) fn read(self, headers: &HeaderMap, server: &AuthorizationServer) -> Option<Secret> {
        let name = self.name(server);
        let fields = headers.get_all(COOKIE).iter();
        let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
        let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        let value = values.next().filter(|value| !value.is_empty())?;
        values.next().is_none().then(|| Secret::new(value))
    }

    /// What puts it into the browser, until that is closed.
    pub(in crate::serve::issuer) fn set(self, server: &AuthorizationServer, value: &Secret) -> Option<HeaderValue> {
        let value = std::str::from_utf8(value.expose()).ok()?;
        field(&format!("{}={value}; {}", self.name(server), attributes(server)))
    }

    /// What takes it out again.
    pub(in crate::serve::issuer) fn clear(self, server: &AuthorizationServer) -> Option<HeaderValue> {
        field(&format!("{}=; Max-Age=0; {}", self.name(server), attributes(server)))
    }
}

fn field(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn path(server: &AuthorizationServer) -> &str {
    match server.url.path().trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}

/// `Lax`: a provider's answer comes from another site, and is a plain visit.
fn attributes(server: &AuthorizationServer) -> String {
    let secure = if server.url.scheme() == "https" { "; Secure" } else { "" };
    format!("Path={}; HttpOnly; SameSite=Lax{secure}", path(server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_goes_and_the_rest_stays() {
        let left = |field: &str| without_ours(field.as_bytes()).map(|left| String::from_utf8(left).unwrap());
        for field in ["", "a=1", "a=1;b=2", "x=narrowgate-session", "my-narrowgate-x=1", "narrowgate=1", ";;"] {
            assert_eq!(left(field), None, "{field}");
        }
        for (field, expected) in [
            ("narrowgate-session=s", ""),
            ("a=1; __Host-narrowgate-session=s;b=2", "a=1; b=2"),
            ("__Secure-narrowgate-browser=x; a=1", "a=1"),
            ("__host-NARROWGATE-browser=x; narrowgate-other", ""),
        ] {
            assert_eq!(left(field).as_deref(), Some(expected), "{field}");
        }
    }
}
