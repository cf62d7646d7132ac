//! The cookies of our own issuer (RFC 6265bis): which browser this is, and who has logged in there.
//!
//! They belong to the issuer's host alone, no script reads them, and no other site's form brings them along. Of two cookies of
//! one name neither counts.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::config::AuthorizationServer;
use crate::secret::Secret;

/// What the names of all our cookies hold, so that none is ever forwarded to an API.
pub(in crate::serve) const MARK: &str = "narrowgate-";

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
