//! Where the answer to an authorization request leads, as a user and his browser are told.

use url::{Host, Url};

use super::ReturnAddress;

/// The port that `https` has anyway is never written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// A site: its host, with a port if it has one of its own.
    Site(String),
    /// A program on the user's own machine that listens there. Whoever runs on that machine may be it.
    Machine(String),
    /// A program that opens addresses of this scheme. Whoever is installed may have taken it.
    Program(String),
}

impl ReturnAddress {
    /// Where it leads.
    pub fn destination(&self) -> Destination {
        let uri = self.redirect_uri();
        let scheme = uri.split(':').next().unwrap_or_default();
        let Some(url) = Url::parse(uri).ok().filter(|_| scheme == "https" || scheme == "http") else {
            return Destination::Program(scheme.to_owned());
        };
        let host = url.host_str().unwrap_or_default();
        let authority = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        match scheme {
            "https" => Destination::Site(authority),
            _ => Destination::Machine(authority),
        }
    }

    /// What a page's policy has to name so that a form may lead there (Content Security Policy §6.4.1.1); nothing for
    /// `https`, which each such page names anyway.
    pub fn form_source(&self) -> Option<String> {
        match self.destination() {
            Destination::Site(_) => None,
            Destination::Program(scheme) => Some(format!("{scheme}:")),
            Destination::Machine(authority) => {
                let url = Url::parse(self.redirect_uri()).ok()?;
                // A policy has no word for an IPv6 address.
                match url.host() {
                    Some(Host::Ipv6(_)) | None => Some("http:".to_owned()),
                    Some(_) => Some(format!("http://{authority}")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(redirect_uri: &str) -> (Destination, Option<String>) {
        let address = ReturnAddress::new(redirect_uri.to_owned(), None, "https://auth.example.com");
        (address.destination(), address.form_source())
    }

    #[test]
    fn a_site_is_told_by_its_host() {
        assert_eq!(at("https://app.example.com/cb?x=1"), (Destination::Site("app.example.com".into()), None));
        assert_eq!(at("https://app.example.com:8443/cb"), (Destination::Site("app.example.com:8443".into()), None));
    }

    #[test]
    fn a_program_is_no_site() {
        let machine = |authority: &str| Destination::Machine(authority.to_owned());
        let source = |text: &str| Some(text.to_owned());
        assert_eq!(at("http://127.0.0.1:7777/cb"), (machine("127.0.0.1:7777"), source("http://127.0.0.1:7777")));
        assert_eq!(at("http://localhost/cb"), (machine("localhost"), source("http://localhost")));
        assert_eq!(at("http://[::1]:7777/cb"), (machine("[::1]:7777"), source("http:")));
        let scheme = Destination::Program("com.example.app".into());
        assert_eq!(at("com.example.app:/cb"), (scheme, source("com.example.app:")));
    }
}
