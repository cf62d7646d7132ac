//! Where the answer to an authorization request may go (RFC 6749 §3.1.2), and which texts mean that place.
//!
//! A registered one is met by its own bytes and nothing else (RFC 9700 §2.1), but for one thing: a program on the user's
//! own machine listens at whatever port is free (RFC 8252 §7.3). That holds for the loopback addresses, not for
//! `localhost`, which is a name that somebody may answer for.

use std::fmt;
use std::sync::Arc;

use url::{Url, form_urlencoded};

/// The longest, in bytes.
const MAX_LENGTH: usize = 2048;

/// What our own answers say, so that a registered query must not.
const OF_THE_ANSWER: [&str; 6] = ["code", "state", "iss", "error", "error_description", "error_uri"];

/// How a registered URI begins whose port may be another one.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// A registered redirect URI, exactly as it was written.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RedirectUri(Arc<str>);

/// Which rule for redirect URIs a text breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Longer than 2048 bytes.
    #[error("longer than 2048 bytes")]
    TooLong,
    /// A space, a control, a `\`, or a byte beyond ASCII.
    #[error("holds a character that a URI cannot hold")]
    Character,
    /// No scheme, no host where one belongs, or a port that is none.
    #[error("not an absolute URI")]
    NotAbsolute,
    /// A fragment, even an empty one (RFC 6749 §3.1.2).
    #[error("has a fragment")]
    Fragment,
    /// `user@` before the host.
    #[error("has user information")]
    UserInformation,
    /// Plain `http` to a host that is not loopback.
    #[error("uses `http` for a host that is not loopback")]
    Insecure,
    /// A scheme that a browser acts on itself, or that any program could claim.
    #[error("has a scheme that is neither `https` nor a program's own, like `com.example.app` (RFC 8252 section 7.1)")]
    Scheme,
    /// A query with a parameter of the answer.
    #[error("has a query with a parameter that belongs to the answer, like `code` or `state`")]
    AnswersParameter,
}

impl RedirectUri {
    /// Reads a redirect URI as it is registered.
    ///
    /// # Errors
    ///
    /// [`InvalidRedirectUri`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidRedirectUri> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidRedirectUri::TooLong);
        }
        let is_legal = |byte: u8| matches!(byte, 0x21..=0x7e) && !b"\\\"<>^`{|}".contains(&byte);
        if !text.bytes().all(is_legal) {
            return Err(InvalidRedirectUri::Character);
        }
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        let (scheme, rest) = text.split_once(':').ok_or(InvalidRedirectUri::NotAbsolute)?;
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
        // The parser takes `https:host` and `https:///host` for `https://host`; browsers do, others do not.
        let names_host = rest.strip_prefix("//").is_some_and(|rest| !rest.starts_with('/'));
        match scheme {
            "https" | "http" if !names_host => return Err(InvalidRedirectUri::NotAbsolute),
            "http" if !is_loopback(&url) => return Err(InvalidRedirectUri::Insecure),
            "https" | "http" => {}
            _ if !scheme.contains('.') => return Err(InvalidRedirectUri::Scheme),
            _ => {}
        }
        let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next());
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(InvalidRedirectUri::UserInformation);
        }
        let query = url.query().unwrap_or_default().as_bytes();
        if form_urlencoded::parse(query).any(|(name, _)| OF_THE_ANSWER.contains(&name.as_ref())) {
            return Err(InvalidRedirectUri::AnswersParameter);
        }
        Ok(Self(text.into()))
    }

    /// The URI as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of the page there, as a browser names it; nothing for a place that is no page.
    pub fn origin(&self) -> Option<String> {
        let url = Url::parse(&self.0).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
        Some(url.origin().ascii_serialization())
    }

    /// Whether `sent` is this URI, byte for byte.
    pub fn is(&self, sent: &str) -> bool {
        *self.0 == *sent
    }

    /// Whether `sent` is this URI, but for the port at a loopback address (RFC 8252 §7.3).
    pub fn is_but_for_the_port(&self, sent: &str) -> bool {
        let same = |start: &str| {
            let behind = |uri| behind_port(str::strip_prefix(uri, start)?);
            behind(&self.0).is_some_and(|registered| behind(sent) == Some(registered))
        };
        self.is(sent) || LOOPBACK.into_iter().any(same)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What follows a host and its port, if it has one; nothing if the host goes on, or the port is none.
fn behind_port(rest: &str) -> Option<&str> {
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(port) => {
            let (digits, rest) = port.split_at(port.find(['/', '?']).unwrap_or(port.len()));
            let is_plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|_| is_plain)?;
            rest
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap()
    }

    #[test]
    fn a_place_of_a_client_is_https_loopback_or_its_own_scheme() {
        for text in [
            "https://app.example.com/callback",
            "https://app.example.com/callback?tenant=7",
            "http://127.0.0.1/cb",
            "http://[::1]:8080/cb",
            "http://localhost:3000/cb",
            "com.example.app:/callback",
        ] {
            assert_eq!(uri(text).as_str(), text);
        }
    }

    #[test]
    fn a_page_has_an_origin_and_a_program_has_none() {
        let origin = |text: &str| uri(text).origin();
        assert_eq!(origin("https://App.example.com:443/cb?a=b").as_deref(), Some("https://app.example.com"));
        assert_eq!(origin("http://localhost:3000/cb").as_deref(), Some("http://localhost:3000"));
        assert_eq!(origin("com.example.app:/callback"), None);
    }

    #[test]
    fn every_other_place_is_refused() {
        use InvalidRedirectUri::{
            AnswersParameter, Character, Fragment, Insecure, NotAbsolute, Scheme, TooLong, UserInformation,
        };
        let long = format!("https://app.example.com/{}", "a".repeat(MAX_LENGTH));
        for (text, fault) in [
            ("https://app.example.com/callback#", Fragment),
            ("https://app.example.com/call back", Character),
            ("https://app.example.com\\callback", Character),
            ("https://app.example.com/*|", Character),
            ("/callback", NotAbsolute),
            ("https:app.example.com", NotAbsolute),
            ("https:///app.example.com", NotAbsolute),
            ("https://", NotAbsolute),
            ("https://app.example.com:70000/", NotAbsolute),
            ("https://me@app.example.com/callback", UserInformation),
            ("http://app.example.com/callback", Insecure),
            ("http://127.0.0.1.example.com/cb", Insecure),
            ("javascript:alert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("file:///etc/passwd", Scheme),
            ("HTTPS://app.example.com/callback", Scheme),
            ("app:/callback", Scheme),
            ("https://app.example.com/callback?x=1&code=2", AnswersParameter),
            ("https://app.example.com/callback?%69ss=2", AnswersParameter),
            (&long, TooLong),
        ] {
            assert_eq!(RedirectUri::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_near_miss_is_another_place() {
        let registered = uri("https://app.example.com/callback");
        assert!(registered.is("https://app.example.com/callback"));
        for other in [
            "https://app.example.com/callback/",
            "https://app.example.com/callback?",
            "https://app.example.com/callback#",
            "https://app.example.com/Callback",
            "https://app.example.com/call%62ack",
            "https://app.example.com/callback/x",
            "https://app.example.com:443/callback",
            "https://APP.example.com/callback",
            "https://app.example.com",
            "https://app.example.com/x/../callback",
            "",
        ] {
            assert!(!registered.is(other) && !registered.is_but_for_the_port(other), "{other}");
        }
    }

    #[test]
    fn the_port_is_free_at_loopback_addresses() {
        for registered in ["http://127.0.0.1/cb", "http://127.0.0.1:8080/cb"] {
            let registered = uri(registered);
            for sent in ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
                assert!(registered.is_but_for_the_port(sent), "{sent}");
            }
            assert!(!registered.is("http://127.0.0.1:1/cb"));
            for other in [
                "http://127.0.0.1:/cb",
                "http://127.0.0.1:0/cb",
                "http://127.0.0.1:080/cb",
                "http://127.0.0.1:65536/cb",
                "http://127.0.0.1:+1/cb",
                "http://127.0.0.1:1@evil.example/cb",
                "http://127.0.0.1.evil.example/cb",
                "http://127.0.0.1@evil.example/cb",
                "http://127.0.0.12/cb",
                "http://127.0.0.1:1/cb/x",
                "http://127.0.0.1:1/cb?x",
                "http://127.0.0.1:1",
                "https://127.0.0.1:1/cb",
                "http://localhost:1/cb",
                "http://[::1]:1/cb",
            ] {
                assert!(!registered.is_but_for_the_port(other), "{other}");
            }
        }
        assert!(uri("http://[::1]/cb?x=1").is_but_for_the_port("http://[::1]:9/cb?x=1"));
        assert!(uri("http://127.0.0.1").is_but_for_the_port("http://127.0.0.1:9"));
    }

    #[test]
    fn localhost_is_a_name_like_others() {
        assert!(!uri("http://localhost:3000/cb").is_but_for_the_port("http://localhost:3001/cb"));
    }
}
