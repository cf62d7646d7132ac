//! URLs that the configuration names: keys and metadata of issuers, and upstreams.
//!
//! The `url` crate repairs what it reads (`\`, tabs, dot segments), so the text is checked before it gets there: what
//! the operator wrote is what is fetched.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::fault::FaultKind;
use super::read::Reader;
use super::yaml::Node;

impl Reader {
    /// An absolute `http` or `https` URL without user information and fragment.
    pub(super) fn url(&mut self, node: &Node) -> Option<Url> {
        let scalar = self.scalar(node)?;
        match parse(&scalar.text) {
            Ok(url) => Some(url),
            Err(UrlFault { why, hint }) => {
                // A URL with user information may hold a password.
                let shown = if scalar.text.contains('@') { "this URL".into() } else { format!("`{}`", scalar.shown()) };
                self.log.error(node.place, format!("{shown} {why}"), hint);
                None
            }
        }
    }

    /// A URL that something is fetched from and trusted: `https`, loopback, or said to be insecure on purpose.
    pub(super) fn trusted_url(&mut self, node: &Node, insecure_http: bool) -> Option<Url> {
        let url = self.url(node)?;
        self.check_secure(node, &url, insecure_http)?;
        Some(url)
    }

    /// Refuses plain `http` that leaves this machine, unless the entry says `insecure_http: true`.
    pub(super) fn check_secure(&mut self, node: &Node, url: &Url, insecure_http: bool) -> Option<()> {
        if url.scheme() == "https" || is_loopback(url) {
            return Some(());
        }
        let shown = self.scalar(node)?.shown();
        if insecure_http {
            let message = format!("`{shown}` is fetched without TLS");
            self.log.tell(
                FaultKind::Plaintext,
                node.place,
                message,
                "whoever is on the way can put in keys of their own; use `https`",
            );
            return Some(());
        }
        let message = format!("`{shown}` is not `https`, and its host is not loopback");
        self.log.error(node.place, message, "use `https`, or say `insecure_http: true` on this entry");
        None
    }
}

/// Why a text is no URL that can be used, as the end of a sentence, and what to do.
struct UrlFault {
    why: &'static str,
    hint: &'static str,
}

fn parse(text: &str) -> Result<Url, UrlFault> {
    let fault = |why, hint| Err(UrlFault { why, hint });
    if !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) || text.contains(['\\', '"', '<', '>', '`']) {
        return fault("holds a character that a URL cannot hold", "write it as a browser would send it");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return fault("is no absolute URL", "write it with its scheme, like `https://host/path`");
    };
    if scheme != "http" && scheme != "https" {
        return fault("is no `http` or `https` URL", "write it with `https://` or `http://` in front");
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.contains('@') {
        return fault("has user information", "take what stands before the `@` out; a URL is no place for a password");
    }
    if text.contains('#') {
        return fault("has a fragment", "take the `#` and what follows out");
    }
    if authority.contains('{') || authority.contains('}') {
        return fault("has a placeholder in its host", "write the real host");
    }
    let path = rest[authority.len()..].split('?').next().unwrap_or_default();
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return fault("has a dot segment", "write the path as it is meant");
    }
    match Url::parse(text) {
        Ok(url) if url.has_host() && url.port() != Some(0) => Ok(url),
        _ => fault("has no valid host or port", "write it like `https://host:port/path`"),
    }
}

/// Whether the host of a URL is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let (v4, v6) = (|address: Ipv4Addr| address.is_loopback(), |address: Ipv6Addr| address.is_loopback());
    match url.host() {
        Some(Host::Ipv4(address)) => v4(address),
        Some(Host::Ipv6(address)) => v6(address),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_crate_would_repair_is_refused() {
        for text in [
            "example.com",
            "https:/example.com",
            "https:\\\\example.com",
            "https://user@example.com",
            "https://example.com/#a",
            "https://example.com/a/../b",
            "https://example.com:99999",
            "https://example.com:0",
            "https://",
            "https:// example.com",
            "HTTPS://example.com",
            "ftp://example.com",
            "https://{tenant}.example.com",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("https://example.com:8443/a?b").is_ok());
    }

    #[test]
    fn loopback_is_this_machine() {
        let loopback = |text: &str| is_loopback(&Url::parse(text).unwrap());
        for text in ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]", "http://localhost", "http://a.localhost"]
        {
            assert!(loopback(text), "{text}");
        }
        for text in ["http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://[::2]"]
        {
            assert!(!loopback(text), "{text}");
        }
    }
}
