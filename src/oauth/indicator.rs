//! The name of a protected resource (RFC 8707 §2), and the two ways of comparing it.
//!
//! The operator writes a *registered identifier*: canonical, checked once, published and compared byte for byte.
//! A client sends an *indicator*, which matches after the few steps that RFC 9110 §4.2.3 calls equal, and no more.
//! What a token carries in `aud` is compared by [`ResourceIndicator::as_str`] alone.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The longest indicator, in bytes.
const MAX_LENGTH: usize = 512;

/// An absolute URI without a fragment that names a protected resource (RFC 8707 §2).
///
/// Two indicators are equal when their strings are equal. There is no prefix match,
/// no case folding and no default port: a near miss is a different audience.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ResourceIndicator(Arc<str>);

/// Which rule for a registered identifier a text breaks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidIndicator {
    /// No scheme, or nothing behind it.
    #[error("not an absolute URI")]
    NotAbsolute,
    /// Longer than 512 bytes.
    #[error("longer than 512 bytes")]
    TooLong,
    /// A space, a control, or a byte beyond ASCII.
    #[error("holds a character that a URI cannot hold")]
    Character,
    /// A fragment, even an empty one (RFC 8707 §2).
    #[error("has a fragment")]
    Fragment,
    /// A query: the path is what requests are routed by.
    #[error("has a query")]
    Query,
    /// `user@` before the host.
    #[error("has user information")]
    UserInformation,
    /// Plain `http` for a host that is not loopback.
    #[error("uses `http` for a host that is not loopback")]
    Insecure,
    /// Not the one spelling that this gateway publishes; holds that spelling.
    #[error("is not canonical: write `{0}`")]
    NotCanonical(String),
    /// A host that is no name, no address, or ends in a dot.
    #[error("has no valid host")]
    Host,
    /// A port outside 1 to 65535.
    #[error("has no valid port")]
    Port,
    /// A path with dot segments, empty segments, parameters or escapes.
    #[error("has a path that can be read in more than one way")]
    Path,
}

impl ResourceIndicator {
    /// Reads a registered identifier as the configuration writes it.
    ///
    /// # Errors
    ///
    /// [`InvalidIndicator`] says which rule the text breaks; for a mere matter of spelling it holds the right one.
    pub fn parse(text: &str) -> Result<Self, InvalidIndicator> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidIndicator::TooLong);
        }
        if text.bytes().any(|byte| !(0x21..=0x7e).contains(&byte) || matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'`'))
        {
            return Err(InvalidIndicator::Character);
        }
        if text.contains('#') {
            return Err(InvalidIndicator::Fragment);
        }
        let (scheme, rest) = text.split_once(':').ok_or(InvalidIndicator::NotAbsolute)?;
        if !is_scheme(scheme) || rest.is_empty() {
            return Err(InvalidIndicator::NotAbsolute);
        }
        let lower = scheme.to_ascii_lowercase();
        if lower == "http" || lower == "https" {
            return Self::parse_http(&lower, rest, text);
        }
        if lower != scheme {
            return Err(InvalidIndicator::NotCanonical(format!("{lower}:{rest}")));
        }
        Ok(Self(text.into()))
    }

    fn parse_http(scheme: &str, rest: &str, text: &str) -> Result<Self, InvalidIndicator> {
        let rest = rest.strip_prefix("//").ok_or(InvalidIndicator::NotAbsolute)?;
        if rest.contains('?') {
            return Err(InvalidIndicator::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(InvalidIndicator::UserInformation);
        }
        let (host, port) = split_port(authority)?;
        let canonical_host = host.to_ascii_lowercase();
        check_host(&canonical_host)?;
        check_path(path)?;
        if scheme == "http" && !is_loopback(&canonical_host) {
            return Err(InvalidIndicator::Insecure);
        }
        let default_port = default_port(scheme);
        let port = port.filter(|port| *port != default_port).map_or(String::new(), |port| format!(":{port}"));
        let path = if path == "/" { "" } else { path };
        let canonical = format!("{scheme}://{canonical_host}{port}{path}");
        if canonical != text {
            return Err(InvalidIndicator::NotCanonical(canonical));
        }
        Ok(Self(text.into()))
    }

    /// The identifier exactly as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this names a network location (`http` or `https`), as opposed to `urn:` and the like.
    pub fn is_http(&self) -> bool {
        self.0.starts_with("https://") || self.0.starts_with("http://")
    }

    /// The host of a network location, in lower case, without the port.
    pub fn host(&self) -> Option<&str> {
        let (host, _) = split_port(self.authority()?).ok()?;
        Some(host)
    }

    /// The port of a network location: the written one, or the scheme's own.
    pub fn port(&self) -> Option<u16> {
        let (_, port) = split_port(self.authority()?).ok()?;
        Some(port.unwrap_or_else(|| default_port(self.scheme())))
    }

    /// The path of a network location; empty for the root.
    pub fn path(&self) -> Option<&str> {
        let rest = self.0.split_once("://").filter(|_| self.is_http())?.1;
        Some(rest.find('/').map_or("", |slash| &rest[slash..]))
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// Scheme and authority of a network location, as RFC 6454 §6.2 prints an origin.
    pub fn origin(&self) -> Option<&str> {
        let authority = self.authority()?;
        Some(&self.0[..self.scheme().len() + "://".len() + authority.len()])
    }

    /// Where the metadata document of this resource lies: the well-known path is put between host and path, and only a
    /// slash that follows the host directly is dropped (RFC 9728 §3). Nothing for an identifier that is no location.
    pub fn metadata_url(&self) -> Option<String> {
        Some([self.origin()?, &self.metadata_path()?].concat())
    }

    /// The path of [`ResourceIndicator::metadata_url`].
    pub fn metadata_path(&self) -> Option<String> {
        Some([Self::METADATA_PREFIX, self.path()?].concat())
    }

    /// The path under which metadata documents lie (RFC 9728 §3).
    pub const METADATA_PREFIX: &'static str = "/.well-known/oauth-protected-resource";

    /// What a client means that sends `indicator`; nothing if that can be no resource.
    ///
    /// Scheme and host are lower-cased, the scheme's own port and the slash of the root are dropped, and nothing else:
    /// no percent-decoding, no dot segments, no prefix match.
    pub fn meant_by(indicator: &str) -> Option<Self> {
        match Self::parse(indicator) {
            Err(InvalidIndicator::NotCanonical(canonical)) => Self::parse(&canonical).ok(),
            parsed => parsed.ok(),
        }
    }

    fn authority(&self) -> Option<&str> {
        let rest = self.0.split_once("://").filter(|_| self.is_http())?.1;
        Some(rest.find('/').map_or(rest, |slash| &rest[..slash]))
    }
}

impl fmt::Display for ResourceIndicator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "http" { 80 } else { 443 }
}

/// Splits `host[:port]`; the host of an IPv6 literal keeps its brackets.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), InvalidIndicator> {
    let port_from = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(port_from);
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.strip_prefix(':').ok_or(InvalidIndicator::Host)?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|_| plain).ok_or(InvalidIndicator::Port)?;
    Ok((host, Some(port)))
}

fn check_host(host: &str) -> Result<(), InvalidIndicator> {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
        return address.map(|_| ()).ok_or(InvalidIndicator::Host);
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let valid = host.len() <= 253 && host.split('.').all(label);
    let address = !last_is_numeric || host.parse::<Ipv4Addr>().is_ok();
    (valid && address).then_some(()).ok_or(InvalidIndicator::Host)
}

/// An escape is refused whatever it stands for: an upstream may read it undone or as it is, and a request for the one
/// would have to be refused as ambiguous with the other.
fn check_path(path: &str) -> Result<(), InvalidIndicator> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !last) || segment.contains([';', '%']) {
            return Err(InvalidIndicator::Path);
        }
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered() -> Vec<ResourceIndicator> {
        [
            "https://api.example.com",
            "https://api.example.com/orders",
            "https://mcp.example.com/mcp",
            "https://xn--bcher-kva.example/a",
        ]
        .into_iter()
        .map(|text| ResourceIndicator::parse(text).unwrap())
        .collect()
    }

    fn meant_by(indicator: &str) -> Option<String> {
        let meant = ResourceIndicator::meant_by(indicator)?;
        registered().contains(&meant).then(|| meant.to_string())
    }

    #[test]
    fn a_client_may_vary_case_port_and_root_slash_only() {
        let orders = Some("https://api.example.com/orders".to_owned());
        let root = Some("https://api.example.com".to_owned());
        assert_eq!(meant_by("https://api.example.com/orders"), orders);
        assert_eq!(meant_by("HTTPS://API.Example.com/orders"), orders);
        assert_eq!(meant_by("https://api.example.com:443/orders"), orders);
        assert_eq!(meant_by("https://api.example.com"), root);
        assert_eq!(meant_by("https://api.example.com/"), root);
    }

    #[test]
    fn a_near_miss_means_nothing() {
        for indicator in [
            "https://api.example.com/orders/",
            "https://api.example.com/Orders",
            "https://api.example.com/orders/42",
            "https://api.example.com/%6Frders",
            "https://api.example.com/x/../orders",
            "https://api.example.com//orders",
            "https://api.example.com/orders?x=1",
            "https://api.example.com/orders#a",
            "https://api.example.com/orders#",
            "https://api.example.com:8443/orders",
            "http://api.example.com/orders",
            "https://user@api.example.com/orders",
            "https://api.example.com./orders",
            "https://api.example.com\\orders",
            " https://api.example.com/orders",
            "https://api.example.com/or ders",
            "https://api.example.com/orders\n",
            "//api.example.com/orders",
            "/orders",
            "orders",
            "",
            "https%3A%2F%2Fapi.example.com%2Forders",
            "https://b\u{fc}cher.example/a",
            "https://api.example.com:/orders",
            "https://api.example.com:0443/orders",
        ] {
            assert_eq!(meant_by(indicator), None, "{indicator}");
        }
    }

    #[test]
    fn names_the_rule_that_is_broken() {
        let error = |text: &str| ResourceIndicator::parse(text).unwrap_err();
        assert_eq!(error("https://api.example/#part"), InvalidIndicator::Fragment);
        assert_eq!(error("https://api.example/?a"), InvalidIndicator::Query);
        assert_eq!(error("http://api.example"), InvalidIndicator::Insecure);
        assert_eq!(error("https://u@api.example"), InvalidIndicator::UserInformation);
        assert_eq!(error("https://api.example./"), InvalidIndicator::Host);
        assert_eq!(error("https://1.2.3"), InvalidIndicator::Host);
        assert_eq!(error("https://api.example:0"), InvalidIndicator::Port);
        assert_eq!(error("https://api.example/a//b"), InvalidIndicator::Path);
        assert_eq!(error("https://api.example/a%2fb"), InvalidIndicator::Path);
        assert_eq!(error("https://api.example/%41"), InvalidIndicator::Path);
        assert_eq!(error("https://api.example/a%40b"), InvalidIndicator::Path);
        assert_eq!(error("https://API.example/"), InvalidIndicator::NotCanonical("https://api.example".into()));
        assert_eq!(error("api.example"), InvalidIndicator::NotAbsolute);
    }

    #[test]
    fn knows_its_parts() {
        let key = ResourceIndicator::parse("https://api.example.com:8443/v1/").unwrap();
        assert_eq!((key.host(), key.port(), key.path()), (Some("api.example.com"), Some(8443), Some("/v1/")));
        assert_eq!(key.origin(), Some("https://api.example.com:8443"));
        let loopback = ResourceIndicator::parse("http://[::1]:9000").unwrap();
        assert_eq!((loopback.host(), loopback.port(), loopback.path()), (Some("[::1]"), Some(9000), Some("")));
        let abstract_name = ResourceIndicator::parse("urn:example:orders").unwrap();
        assert_eq!((abstract_name.host(), abstract_name.metadata_url()), (None, None));
    }

    #[test]
    fn metadata_lies_between_host_and_path() {
        let url = |text: &str| ResourceIndicator::parse(text).unwrap().metadata_url().unwrap();
        assert_eq!(url("https://api.example.com"), "https://api.example.com/.well-known/oauth-protected-resource");
        assert_eq!(
            url("https://api.example.com/v1/"),
            "https://api.example.com/.well-known/oauth-protected-resource/v1/"
        );
    }
}
