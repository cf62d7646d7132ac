//! The request to explain, put together from the command line.
//!
//! The URL is taken apart and never repaired: a dot segment or an odd escape must reach the gate as the client would
//! send it. Deliberately absent: the `url` crate, which normalises.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::config::Config;
use crate::guard::{ConnectionFacts, RequestView};
use crate::route::Authority;

/// A request, owned.
#[derive(Debug)]
pub(super) struct AskedRequest {
    pub(super) method: Method,
    /// The URL as it was typed.
    pub(super) url: String,
    target: String,
    headers: HeaderMap,
    /// The text that is sent as token, if one came on stdin.
    pub(super) token: Option<String>,
}

/// Why the command line is no request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidRequest {
    // Neither is repeated: a token may have been put there by mistake.
    #[error("METHOD is no method, like `GET`")]
    Method,
    #[error("URL is no URL, like `https://api.example.com/orders`")]
    Url,
    #[error("a header field is written `Name: value`")]
    Header,
    #[error("the text on stdin is no token: it holds a line break or a control character")]
    Token,
}

impl AskedRequest {
    /// Puts a request together.
    pub(super) fn parse(
        method: &str,
        url: &str,
        fields: &[String],
        token: Option<&[u8]>,
    ) -> Result<Self, InvalidRequest> {
        // Much more may be a method, a token among it; nobody means that here.
        let is_word = method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        let parsed_method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok().filter(|_| is_word);
        let parsed_method = parsed_method.ok_or(InvalidRequest::Method)?;
        let (authority, target) = split(url).ok_or(InvalidRequest::Url)?;
        let mut headers = HeaderMap::new();
        for text in fields {
            let (name, value) = field(text).ok_or(InvalidRequest::Header)?;
            headers.append(name, value);
        }
        if !headers.contains_key(HOST) {
            let host = HeaderValue::from_str(authority).map_err(|_| InvalidRequest::Url)?;
            headers.insert(HOST, host);
        }
        let token = token.map(without_scheme);
        if let Some(token) = token {
            let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| InvalidRequest::Token)?;
            headers.append(AUTHORIZATION, value);
        }
        let token = token.map(|token| String::from_utf8_lossy(token).into_owned());
        Ok(Self { method: parsed_method, url: url.to_owned(), target, headers, token })
    }

    /// The request as the gate sees it.
    ///
    /// The port is the listener's: the URL's own where a listener has it, else that of the first one. Listeners that
    /// only redirect are not asked.
    pub(super) fn view(&self, config: &Config, peer: IpAddr, keys_awaited: bool) -> RequestView<'_> {
        let asked = self.headers.get(HOST).and_then(|host| Authority::parse(host.to_str().ok()?).ok()?.port());
        let has_asked = |port: u16| Some(port) == asked || port == 0;
        let mut serving = config.listeners.iter().filter(|listener| listener.purpose.redirects_to().is_none());
        let first = serving.clone().next();
        let listener = serving.find(|listener| has_asked(listener.address.port())).or(first);
        let own_port = listener.map(|listener| listener.address.port()).filter(|port| *port != 0);
        RequestView {
            method: &self.method,
            target: self.target.as_bytes(),
            uri_authority: None,
            headers: &self.headers,
            connection: ConnectionFacts {
                peer,
                own_port: own_port.or(asked).unwrap_or(443),
                tls: listener.is_some_and(|listener| listener.purpose.is_tls()),
            },
            keys_awaited,
        }
    }

    /// A header field, if it is text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The target of the request line.
    pub(super) fn target(&self) -> &str {
        &self.target
    }
}

/// Authority and target of a URL, both as they stand there.
fn split(url: &str) -> Option<(&str, String)> {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let scheme = ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme))?;
    let rest = &url[scheme.len()..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let root = if target.starts_with('/') { "" } else { "/" };
    (!authority.is_empty()).then(|| (authority, [root, target].concat()))
}

fn field(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, HeaderValue::from_str(value.trim()).ok()?))
}

/// People paste the whole field; the scheme is no part of the token.
fn without_scheme(text: &[u8]) -> &[u8] {
    match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"bearer ") => text[7..].trim_ascii(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_never_repaired() {
        let split = |url| split(url).map(|(authority, target)| (authority.to_owned(), target));
        let parts = |authority: &str, target: &str| Some((authority.to_owned(), target.to_owned()));
        assert_eq!(split("https://a.example/x/../y%2e?z#f"), parts("a.example", "/x/../y%2e?z#f"));
        assert_eq!(split("HTTP://a.example:80"), parts("a.example:80", "/"));
        assert_eq!(split("http://a.example?x"), parts("a.example", "/?x"));
        for url in ["", "a.example/x", "https://", "https:///x", "ftp://a.example", "/x", "\u{e4}\u{f6}\u{fc}\u{df}"] {
            assert_eq!(split(url), None, "{url}");
        }
    }

    #[test]
    fn a_listener_that_redirects_is_not_asked() {
        let yaml = "
            listen: [{ address: 127.0.0.1:8080, redirect: 8443 }, 127.0.0.1:8081]
            resources: { https://a.example: { public: true, upstream: http://127.0.0.1:9001 } }
        ";
        let loaded = crate::config::parse(yaml, "gateway.yaml".as_ref(), &crate::config::Environment::default());
        let config = loaded.unwrap().config;
        for url in ["https://a.example/", "http://a.example:8080/"] {
            let request = AskedRequest::parse("GET", url, &[], None).unwrap();
            let peer = IpAddr::from([192, 0, 2, 1]);
            assert_eq!(request.view(&config, peer, false).connection.own_port, 8081, "{url}");
        }
    }

    #[test]
    fn a_pasted_field_is_a_token_too() {
        let request = AskedRequest::parse("get", "https://a.example/", &[], Some(b"bearer  a.b.c")).unwrap();
        assert_eq!(request.headers[AUTHORIZATION], "Bearer a.b.c");
        assert_eq!(request.method, Method::GET);
    }

    #[test]
    fn a_broken_token_is_told_without_showing_it() {
        let error = AskedRequest::parse("GET", "https://a.example/", &[], Some(b"a\nb")).unwrap_err();
        assert_eq!(error, InvalidRequest::Token);
    }
}
