//! Where an issuer says that its keys lie: OpenID Connect Discovery 1.0 §4 and RFC 8414 §3.
//!
//! Only a configured issuer is ever asked, and only a document that names that issuer byte for byte is believed
//! (RFC 8414 §3.3). Of a document two members count, so that the shortest ones work; the keys may lie on another host,
//! because the issuer itself, over its own TLS, says so.

use serde::Deserialize;
use url::{Host, Url};

use crate::config::{KeySource, TrustedIssuer};

/// Where an issuer's metadata lies, and whom it may be about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetadataPlaces {
    /// The documents, in the order in which they are asked.
    pub documents: Vec<Url>,
    /// The issuers that they may be about, byte for byte.
    pub issuers: Vec<String>,
}

impl MetadataPlaces {
    /// Those of an issuer; nothing where the configuration says itself where the keys lie.
    pub fn of(issuer: &TrustedIssuer) -> Option<Self> {
        match &issuer.keys {
            KeySource::Discovery { issuer: url } => {
                // The URL has lost how it was written; what the document must say is what was written.
                let is_asked = |name: &&String| Url::parse(name).is_ok_and(|parsed| parsed == *url);
                let issuers = issuer.issuers.iter().filter(is_asked).cloned().collect();
                Some(Self { documents: well_known(url), issuers })
            }
            KeySource::DiscoveryAt { url } => {
                Some(Self { documents: vec![url.clone()], issuers: issuer.issuers.clone() })
            }
            KeySource::Jwks(_) | KeySource::Own => None,
        }
    }
}

/// How much of a wrong issuer is repeated in a message.
const SHOWN_ISSUER: usize = 200;

/// The places of an issuer's metadata, in the order in which they are asked.
fn well_known(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().strip_suffix('/').unwrap_or(issuer.path());
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        url
    };
    vec![
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

/// Why a metadata document is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidMetadata {
    /// No JSON object with both members, each once.
    #[error("it is not metadata with one `issuer` and one `jwks_uri`")]
    Json(#[source] serde_json::Error),
    /// It is about somebody else.
    #[error("its `issuer` is `{}`, not the configured one", .0.escape_debug())]
    OtherIssuer(String),
    /// `jwks_uri` is no URL that keys may come from.
    #[error("its `jwks_uri` is not an `https` URL that keys may come from")]
    KeysUrl,
}

/// What counts of a metadata document.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Where the keys lie by `document`, which was read at `place` and must be about one of `issuers`.
///
/// # Errors
///
/// [`InvalidMetadata`] if it is about anybody else, or if it names a place where no keys should lie.
pub(super) fn keys_url(document: &[u8], issuers: &[String], place: &Url) -> Result<Url, InvalidMetadata> {
    let metadata: Metadata = serde_json::from_slice(document).map_err(InvalidMetadata::Json)?;
    if !issuers.contains(&metadata.issuer) {
        return Err(InvalidMetadata::OtherIssuer(metadata.issuer.chars().take(SHOWN_ISSUER).collect()));
    }
    endpoint(&metadata.jwks_uri, place).ok_or(InvalidMetadata::KeysUrl)
}

/// The URL that a document from `place` names; nothing for one where it may not send us.
pub fn endpoint(named: &str, place: &Url) -> Option<Url> {
    let url = Url::parse(named).ok()?;
    let anonymous = url.username().is_empty() && url.password().is_none();
    (anonymous && is_fenced(&url, place)).then_some(url)
}

/// Whether a document from `place` may send us to `url`: never to an address of the link, where clouds keep their
/// instances' credentials, and over `http` only from `http`, to the same host or to this machine.
fn is_fenced(url: &Url, place: &Url) -> bool {
    let (is_loopback, is_link_local) = match url.host() {
        None => return false,
        Some(Host::Domain(name)) => (name == "localhost", false),
        Some(Host::Ipv4(address)) => (address.is_loopback(), address.is_link_local() || address.is_unspecified()),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(address) => (address.is_loopback(), address.is_link_local() || address.is_unspecified()),
            None => (address.is_loopback(), address.is_unicast_link_local() || address.is_unspecified()),
        },
    };
    match url.scheme() {
        "https" => !is_link_local,
        "http" => place.scheme() == "http" && (url.host() == place.host() || is_loopback),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example.com/realms/corp";

    fn read(document: &str, place: &str) -> Result<String, InvalidMetadata> {
        let place = Url::parse(place).unwrap();
        keys_url(document.as_bytes(), &[ISSUER.to_owned()], &place).map(String::from)
    }

    fn document(issuer: &str, keys: &str) -> String {
        serde_json::json!({ "issuer": issuer, "jwks_uri": keys }).to_string()
    }

    fn places(issuer: &str) -> Vec<String> {
        well_known(&Url::parse(issuer).unwrap()).into_iter().map(String::from).collect()
    }

    #[test]
    fn metadata_lies_at_two_places() {
        let root = [
            "https://login.example.com/.well-known/openid-configuration",
            "https://login.example.com/.well-known/oauth-authorization-server",
        ];
        assert_eq!(places("https://login.example.com"), root);
        assert_eq!(places("https://login.example.com/"), root);
        let path = [
            "https://login.example.com/realms/corp/.well-known/openid-configuration",
            "https://login.example.com/.well-known/oauth-authorization-server/realms/corp",
        ];
        assert_eq!(places(ISSUER), path);
        assert_eq!(places("https://login.example.com/realms/corp/"), path);
    }

    #[test]
    fn the_shortest_document_is_enough_and_keys_may_lie_elsewhere() {
        let keys = "https://keys.example.net/certs?v=2";
        assert_eq!(read(&document(ISSUER, keys), "https://login.example.com/x").unwrap(), keys);
    }

    #[test]
    fn an_issuer_that_differs_in_one_byte_is_refused() {
        for issuer in [
            "https://login.example.com/realms/corp/",
            "https://login.example.com:443/realms/corp",
            "https://LOGIN.example.com/realms/corp",
            "http://login.example.com/realms/corp",
            "https://login.example.com/realms/{realm}",
            "",
        ] {
            let refused = read(&document(issuer, "https://login.example.com/certs"), "https://login.example.com/x");
            assert!(matches!(refused, Err(InvalidMetadata::OtherIssuer(said)) if said == issuer), "{issuer}");
        }
    }

    #[test]
    fn keys_come_over_https_unless_the_document_did_not() {
        let keys = "http://login.example.com/certs";
        let refused = read(&document(ISSUER, keys), "https://login.example.com/x");
        assert!(matches!(refused, Err(InvalidMetadata::KeysUrl)));
        assert_eq!(read(&document(ISSUER, keys), "http://login.example.com/x").unwrap(), keys);
        let keys = "http://localhost:8080/certs";
        assert_eq!(read(&document(ISSUER, keys), "http://login.example.com/x").unwrap(), keys);
        for keys in ["/certs", "file:///etc/passwd", "data:application/json,{}", "https://me:pw@login.example.com/", ""]
        {
            let refused = read(&document(ISSUER, keys), "http://127.0.0.1/x");
            assert!(matches!(refused, Err(InvalidMetadata::KeysUrl)), "{keys}");
        }
    }

    #[test]
    fn metadata_leads_to_no_address_of_the_link() {
        for keys in ["http://169.254.169.254/k", "http://10.0.0.1/k", "http://other.example.com/k"] {
            let refused = read(&document(ISSUER, keys), "http://127.0.0.1/x");
            assert!(matches!(refused, Err(InvalidMetadata::KeysUrl)), "{keys}");
        }
        for host in ["169.254.169.254", "0.0.0.0", "[fe80::1]", "[::]", "[::ffff:169.254.169.254]", "2852039166"] {
            let refused = read(&document(ISSUER, &format!("https://{host}/k")), "https://login.example.com/x");
            assert!(matches!(refused, Err(InvalidMetadata::KeysUrl)), "{host}");
        }
        assert!(
            read(&document(ISSUER, "https://10.96.0.1:6443/openid/v1/jwks"), "https://login.example.com/x").is_ok()
        );
    }

    #[test]
    fn a_document_that_says_it_twice_or_not_at_all_is_refused() {
        let twice = r#"{"issuer":"https://a.example","issuer":"https://b.example","jwks_uri":"https://a.example/k"}"#;
        for text in ["", "[]", "{}", r#"{"issuer":"https://login.example.com/realms/corp"}"#, twice] {
            assert!(matches!(read(text, "https://login.example.com/x"), Err(InvalidMetadata::Json(_))), "{text}");
        }
    }
}
