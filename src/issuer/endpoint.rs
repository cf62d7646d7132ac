//! Where the issuer's endpoints lie, and whether a request is for one of them (RFC 8414 §3).
//!
//! Paths are compared byte for byte: what is not exactly an endpoint is none. What some server may read as one is nobody's
//! all the same: an API at this authority would get a form with a secret. Deliberately absent: methods and bodies.

use std::borrow::Cow;

use crate::config::{AuthorizationServer, Config};
use crate::oauth::issuer_paths::{self, OAUTH_METADATA, OPENID_METADATA};
use crate::route::Authority;

/// What our own issuer answers itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// Where tokens are had (RFC 6749 §3.2).
    Token,
    /// Where an API asks about a token (RFC 7662).
    Introspection,
    /// Where a client gives a token up (RFC 7009).
    Revocation,
    /// Where a client leaves beforehand what it will ask a user for (RFC 9126).
    PushedAuthorization,
    /// Where a user is asked (RFC 6749 §3.1).
    Authorization,
    /// Where he chooses how to log in.
    Login,
    /// Where a provider sends him back to.
    LoginCallback,
    /// Where he consents.
    Consent,
    /// Where he sees what he has granted, and takes it back.
    Grants,
    /// Where he logs out.
    Logout,
    /// The public keys (RFC 7517).
    Keys,
    /// What the issuer is and does (RFC 8414), at each place where clients look for it.
    Metadata,
}

/// What a request is to our own issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Site {
    /// Another authority than the issuer's.
    Elsewhere,
    /// The issuer's authority, but none of its paths.
    Beside,
    /// One of its paths at which this configuration has nothing, or what may be read as one of its paths. No API is there
    /// either: it would get what is meant for us.
    Reserved,
    /// One of its endpoints.
    At(Endpoint),
}

impl Endpoint {
    /// All that lie below the issuer's path.
    const ALL_BELOW: [Self; 11] = [
        Self::Token,
        Self::Introspection,
        Self::Revocation,
        Self::PushedAuthorization,
        Self::Authorization,
        Self::Login,
        Self::LoginCallback,
        Self::Consent,
        Self::Grants,
        Self::Logout,
        Self::Keys,
    ];

    /// Its path below the issuer's own; of metadata the one that does not depend on that.
    pub fn path(self) -> &'static str {
        match self {
            Self::Token => issuer_paths::TOKEN,
            Self::Introspection => issuer_paths::INTROSPECTION,
            Self::Revocation => issuer_paths::REVOCATION,
            Self::PushedAuthorization => issuer_paths::PUSHED_AUTHORIZATION,
            Self::Authorization => issuer_paths::AUTHORIZATION,
            Self::Login => issuer_paths::LOGIN,
            Self::LoginCallback => issuer_paths::LOGIN_CALLBACK,
            Self::Consent => issuer_paths::CONSENT,
            Self::Grants => issuer_paths::GRANTS,
            Self::Logout => issuer_paths::LOGOUT,
            Self::Keys => issuer_paths::KEYS,
            Self::Metadata => OAUTH_METADATA,
        }
    }

    /// Whether requests to it carry secrets or tokens: all but those for what everybody may read.
    pub fn takes_secrets(self) -> bool {
        !matches!(self, Self::Keys | Self::Metadata)
    }

    /// Whether it is there only where users can log in.
    pub fn needs_login(self) -> bool {
        match self {
            Self::Token | Self::Introspection | Self::Revocation | Self::Keys | Self::Metadata => false,
            Self::PushedAuthorization
            | Self::Authorization
            | Self::Login
            | Self::LoginCallback
            | Self::Consent
            | Self::Grants
            | Self::Logout => true,
        }
    }

    /// Its URL at a server.
    pub fn url(self, server: &AuthorizationServer) -> String {
        format!("{}{}", server.issuer.trim_end_matches('/'), self.path())
    }

    fn at(base: &str, path: &str) -> Option<Self> {
        let is_metadata = path.strip_prefix(OAUTH_METADATA) == Some(base)
            || path.strip_prefix(OPENID_METADATA) == Some(base)
            || path.strip_prefix(base) == Some(OPENID_METADATA);
        if is_metadata {
            return Some(Self::Metadata);
        }
        let below = path.strip_prefix(base)?;
        Self::ALL_BELOW.into_iter().find(|one| one.path() == below)
    }
}

impl Site {
    /// What a request for `path` at `authority` is, which came in by a listener with `own_port`.
    pub fn of(config: &Config, authority: &Authority<'_>, own_port: u16, path: &str) -> Self {
        let Some(server) = config.issuer.as_ref().filter(|server| is_at(server, config, authority, own_port)) else {
            return Self::Elsewhere;
        };
        let base = server.url.path().trim_end_matches('/');
        match Endpoint::at(base, path) {
            Some(endpoint) if endpoint.needs_login() && server.login.is_none() => Self::Reserved,
            Some(endpoint) => Self::At(endpoint),
            None if reads_like_ours(base, path) => Self::Reserved,
            None => Self::Beside,
        }
    }
}

/// Whether a server that folds case, decodes, or drops parameters and slashes may read one of our paths here, or a path
/// below one.
fn reads_like_ours(base: &str, path: &str) -> bool {
    let read = loosely(path);
    let begins = |first: &str, second: &str| without(without(&read, first)?, second);
    let is_at_or_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    let is_at = |rest: &str| rest.trim_end_matches('/').is_empty();
    let metadata = [(OAUTH_METADATA, base), (OPENID_METADATA, base), (base, OPENID_METADATA)];
    issuer_paths::all_below().any(|own| begins(base, own).is_some_and(is_at_or_below))
        || metadata.into_iter().any(|(first, second)| begins(first, second).is_some_and(is_at))
}

/// The path as a lenient server reads it: decoded once, without what stands behind a `;`, `?` or `#`, or blanks at its end.
fn loosely(path: &str) -> Cow<'_, str> {
    let decoded = match path.contains('%') {
        false => Cow::Borrowed(path),
        true => Cow::Owned(decoded_once(path)),
    };
    let end = decoded.find([';', '?', '#']).unwrap_or(decoded.len());
    let length = decoded[..end].trim_end().len();
    match decoded {
        Cow::Borrowed(path) => Cow::Borrowed(&path[..length]),
        Cow::Owned(mut path) => {
            path.truncate(length);
            Cow::Owned(path)
        }
    }
}

fn decoded_once(path: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// What stands behind a prefix, whatever its case.
fn without<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let (head, rest) = path.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether an authority is the issuer's, by the same rules as a resource's: a port that is named is its port, or the
/// listener's own where no resource has the host at another one.
fn is_at(server: &AuthorizationServer, config: &Config, authority: &Authority<'_>, own_port: u16) -> bool {
    const SCHEME_PORTS: [u16; 2] = [443, 80];
    let Some(host) = server.url.host_str().filter(|host| host.eq_ignore_ascii_case(authority.host())) else {
        return false;
    };
    let port = server.url.port_or_known_default().unwrap_or(443);
    let is_exact = authority.port().map_or(SCHEME_PORTS.contains(&port), |named| named == port);
    let is_own = authority.port().map_or(SCHEME_PORTS.contains(&own_port), |named| named == own_port);
    let mut hosts = config.resources.iter().flat_map(|resource| &resource.matches.hosts);
    is_exact || is_own && !hosts.any(|other| other.host == *host && other.port.unwrap_or(443) != port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UserLogin;
    use crate::issuer::tests::config_with_issuer;

    fn site(issuer: &str, host: &str, own_port: u16, path: &str) -> Site {
        Site::of(&config_with_issuer(issuer), &Authority::parse(host).unwrap(), own_port, path)
    }

    #[test]
    fn every_endpoint_lies_below_the_issuer() {
        for (issuer, base) in [("https://auth.example", ""), ("https://auth.example/t1", "/t1")] {
            for (path, endpoint) in [
                (format!("{base}/token"), Endpoint::Token),
                (format!("{base}/introspect"), Endpoint::Introspection),
                (format!("{base}/revoke"), Endpoint::Revocation),
                (format!("{base}/jwks"), Endpoint::Keys),
                (format!("/.well-known/oauth-authorization-server{base}"), Endpoint::Metadata),
                (format!("/.well-known/openid-configuration{base}"), Endpoint::Metadata),
                (format!("{base}/.well-known/openid-configuration"), Endpoint::Metadata),
            ] {
                assert_eq!(site(issuer, "AUTH.example", 443, &path), Site::At(endpoint), "{path}");
            }
        }
    }

    #[test]
    fn what_may_be_read_as_ours_is_nobodys() {
        for path in [
            "/token/",
            "/Token",
            "/token/x",
            "/token%20",
            "/token%3fx",
            "/%74oken",
            "/token;x",
            "/JWKS",
            "/authorize/",
            "/.well-known/oauth-authorization-server/",
            "/.Well-Known/openid-configuration",
        ] {
            assert_eq!(site("https://auth.example", "auth.example", 443, path), Site::Reserved, "{path}");
        }
        assert_eq!(site("https://auth.example/t1", "auth.example", 443, "/T1/token"), Site::Reserved);
    }

    #[test]
    fn a_near_miss_is_none() {
        for path in ["/", "/t1/token", "/tokens", "/token.", "/authorizes", "/.well-known/jwks.json"] {
            assert_eq!(site("https://auth.example", "auth.example", 443, path), Site::Beside, "{path}");
        }
        for path in ["/token", "/t1token", "/.well-known/oauth-authorization-server", "/t1/t1/token"] {
            assert_eq!(site("https://auth.example/t1", "auth.example", 443, path), Site::Beside, "{path}");
        }
    }

    #[test]
    fn what_is_for_users_is_reserved_where_none_can_log_in() {
        for below in ["/authorize", "/par", "/login", "/login/callback", "/consent", "/grants", "/logout"] {
            assert_eq!(site("https://auth.example", "auth.example", 443, below), Site::Reserved, "{below}");
            assert_eq!(site("https://auth.example/t1", "auth.example", 443, below), Site::Beside, "{below}");
            let path = format!("/t1{below}");
            assert_eq!(site("https://auth.example/t1", "auth.example", 443, &path), Site::Reserved, "{path}");
        }
    }

    #[test]
    fn what_is_for_users_is_there_where_they_can_log_in() {
        let mut config = config_with_issuer("https://auth.example");
        let server = config.issuer.as_mut().unwrap();
        server.login = Some(UserLogin { openid: Vec::new(), users: Vec::new() });
        for (path, endpoint) in [("/authorize", Endpoint::Authorization), ("/login/callback", Endpoint::LoginCallback)]
        {
            let site = Site::of(&config, &Authority::parse("auth.example").unwrap(), 443, path);
            assert_eq!(site, Site::At(endpoint), "{path}");
        }
    }

    #[test]
    fn another_authority_is_elsewhere() {
        for (host, own_port) in [("evil.example", 443), ("auth.example:8443", 443), ("auth.example.", 443)] {
            assert_eq!(site("https://auth.example", host, own_port, "/token"), Site::Elsewhere, "{host}");
        }
        let own_port = site("https://auth.example", "auth.example:8443", 8443, "/token");
        assert_eq!(own_port, Site::At(Endpoint::Token), "behind a forwarded port");
        // A resource of the test's configuration has the host at 443.
        assert_eq!(site("https://api1.example.com:8443", "api1.example.com", 443, "/token"), Site::Elsewhere);
        assert_eq!(
            site("https://api1.example.com:8443", "api1.example.com:8443", 443, "/token"),
            Site::At(Endpoint::Token)
        );
    }
}
