//! Where our own issuer answers: the requests that are its own, at its authority and below its path.
//!
//! At that authority its paths win. A resource that lies at or below one of them could never be reached and does not
//! load; one that lies around them loses a few paths, which warns. So does one at the same host where users log in: to a browser
//! they are one site.

use url::Url;

use super::authorization_server::WrittenServer;
use super::fault::Place;
use super::issuers::Issuers;
use super::model::Match;
use super::read::Reader;
use super::resource::WrittenResource;
use crate::oauth::issuer_paths::{self, OAUTH_METADATA, OPENID_METADATA};

/// Records every fault and warning about what the issuer shares with issuers and resources.
pub(super) fn check(reader: &mut Reader, server: &WrittenServer, issuers: &Issuers, resources: &[WrittenResource]) {
    let Some((issuer, url, place)) = &server.url else { return };
    for written in &issuers.0 {
        if let Some((_, place)) = written.written.iter().find(|(text, _)| text == issuer) {
            let message = format!("`{}` has the `iss` of our own issuer", written.name);
            let hint = "its tokens are accepted already, by our own keys; take this one out";
            reader.log.error(*place, message, hint);
        }
    }
    let own = own_paths(url);
    // On this machine everything has one host.
    let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let has_users = !is_loopback && server.server.as_ref().is_some_and(|server| server.login.is_some());
    for written in resources {
        let Some(resource) = &written.resource else { continue };
        let at = written.match_place.unwrap_or(written.place);
        if has_users && is_same_host(&resource.matches, url) {
            let message =
                format!("the resource `{}` shares its host with our own issuer, where users log in", written.key);
            let hint = "a page of that API can act at the issuer as its user does; give one of the two another host";
            reader.log.warning(at, message, hint);
        }
        if !is_same_authority(&resource.matches, url) {
            continue;
        }
        match lie(&resource.matches.path, &own) {
            Lie::Below(path) => {
                let message = format!("the path of the resource `{}` belongs to our own issuer", written.key);
                let hint = format!("`{path}` is one of its endpoints; give one of the two another host or path");
                reader.log.error(at, message, hint);
            }
            Lie::Around(path) => warn(reader, &written.key, path, *place),
            Lie::Beside => {}
        }
    }
}

fn warn(reader: &mut Reader, key: &str, path: &'static str, place: Place) {
    let message = format!("the issuer lies within the resource `{key}`, and its paths win there");
    let hint = format!("requests to `{path}` and the like never reach that API; a host of its own is clearer");
    reader.log.warning(place, message, hint);
}

/// A path of the issuer.
struct Endpoint {
    /// Without the issuer's own path, which a message may not be allowed to show.
    name: &'static str,
    /// As a whole, in lower case.
    folded: String,
}

/// Every path of the issuer, the token endpoint first.
fn own_paths(url: &Url) -> Vec<Endpoint> {
    let base = url.path().trim_end_matches('/');
    let endpoint = |name, path: String| Endpoint { name, folded: path.to_ascii_lowercase() };
    let below = issuer_paths::all_below().map(|name| endpoint(name, format!("{base}{name}")));
    let metadata = [OAUTH_METADATA, OPENID_METADATA].into_iter().map(|name| endpoint(name, format!("{name}{base}")));
    // OpenID Connect Discovery §4 puts its document behind the issuer's path.
    let appended = (!base.is_empty()).then(|| endpoint(OPENID_METADATA, format!("{base}{OPENID_METADATA}")));
    below.chain(metadata).chain(appended).collect()
}

fn is_same_authority(matches: &Match, url: &Url) -> bool {
    let port = url.port_or_known_default();
    let is_same = |host: &str| url.host_str().is_some_and(|own| own.eq_ignore_ascii_case(host));
    matches.hosts.iter().any(|host| is_same(&host.host) && host.port.or(Some(443)) == port)
}

/// Whatever the port: cookies know none (RFC 6265 §8.5).
fn is_same_host(matches: &Match, url: &Url) -> bool {
    url.host_str().is_some_and(|own| matches.hosts.iter().any(|host| own.eq_ignore_ascii_case(&host.host)))
}

/// How a resource lies to the issuer's paths.
enum Lie {
    /// At or below this one.
    Below(&'static str),
    /// Around this one.
    Around(&'static str),
    Beside,
}

/// Case is folded: a resource whose path differs from an endpoint's by case alone is nobody's.
fn lie(prefix: &str, own: &[Endpoint]) -> Lie {
    let prefix = prefix.trim_end_matches('/').to_ascii_lowercase();
    let is_within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(endpoint) = own.iter().find(|endpoint| is_within(&prefix, &endpoint.folded)) {
        return Lie::Below(endpoint.name);
    }
    let inside = own.iter().find(|endpoint| is_within(&endpoint.folded, &prefix));
    inside.map_or(Lie::Beside, |endpoint| Lie::Around(endpoint.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_with_a_path_has_its_documents_in_front_of_it() {
        let paths = own_paths(&Url::parse("https://a.example.com/tenant").unwrap());
        for path in [
            "/tenant/token",
            "/tenant/login/callback",
            "/.well-known/oauth-authorization-server/tenant",
            "/.well-known/openid-configuration/tenant",
            "/tenant/.well-known/openid-configuration",
        ] {
            assert!(paths.iter().any(|own| own.folded == path), "{path}");
        }
        assert_eq!(own_paths(&Url::parse("https://a.example.com").unwrap()).len(), 13);
    }

    #[test]
    fn a_resource_lies_below_an_endpoint_around_it_or_beside_it() {
        let own = own_paths(&Url::parse("https://a.example.com").unwrap());
        for below in ["/token", "/token/", "/Token", "/jwks/v1", "/login/callback"] {
            assert!(matches!(lie(below, &own), Lie::Below(_)), "{below}");
        }
        for around in ["", "/.well-known"] {
            assert!(matches!(lie(around, &own), Lie::Around(_)), "{around}");
        }
        for beside in ["/tokens", "/api", "/log"] {
            assert!(matches!(lie(beside, &own), Lie::Beside), "{beside}");
        }
    }
}
