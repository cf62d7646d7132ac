//! `match` of a resource: which requests are its own, if its key does not say it or not all of it.

use super::model::Match;
use super::read::Reader;
use super::yaml::Node;
use crate::oauth::ResourceIndicator;
use crate::route::{HostPattern, PathPattern, Segment};

/// The requests that an `http(s)` key claims by itself: its authority and its path.
///
/// A port is written out unless it is 443, so that no port means the same for every resource.
pub(super) fn by_key(key: &ResourceIndicator) -> Option<Match> {
    let host = HostPattern { host: key.host()?.to_owned(), port: key.port().filter(|port| *port != 443) };
    Some(Match { hosts: vec![host], path: key.path()?.to_owned() })
}

/// Reads `match`; what it does not say is as the key says.
pub(super) fn by_match(reader: &mut Reader, node: &Node, key: Option<&ResourceIndicator>) -> Option<Match> {
    let mut section = reader.section(node, "`match`")?;
    let own = key.and_then(by_key);
    let before = reader.log.errors();
    let hosts = section.optional(reader, "hosts", |reader, node| {
        let hosts = reader.one_or_many(node, |reader, item| host(reader, item, key))?;
        if hosts.is_empty() && reader.log.errors() == before {
            let hint = "name a host, or leave `hosts` out for the key's own";
            reader.log.error(node.owner, "`hosts` is an empty list", hint);
        }
        Some(hosts)
    });
    let path = section.optional(reader, "path", path);
    let place = section.place();
    section.finish(reader);
    let hosts = match (hosts, &own) {
        (Some(hosts), _) => hosts,
        (None, Some(own)) => own.hosts.clone(),
        (None, None) => {
            if key.is_some() && reader.log.errors() == before {
                let hint = "a key that is no `https` URL names no host; write `match: { hosts: [api.example.com] }`";
                reader.log.error(place, "`match` has no `hosts`", hint);
            }
            return None;
        }
    };
    Some(Match { hosts, path: path.or(own.map(|own| own.path)).unwrap_or_default() })
}

fn host(reader: &mut Reader, node: &Node, key: Option<&ResourceIndicator>) -> Option<HostPattern> {
    let scalar = reader.scalar(node)?;
    let Ok(mut host) = HostPattern::parse(&scalar.text) else {
        let message = format!("`{}` is no host", scalar.shown());
        reader.log.error(
            node.place,
            message,
            "write a name or an address, with a port if need be: `api.example.com:8443`",
        );
        return None;
    };
    if host.host.ends_with('.') {
        let message = format!("`{}` ends in a dot", scalar.shown());
        reader.log.error(node.place, message, "take it out: requests that carry one are not let in");
        return None;
    }
    if host.port.is_none() && key.is_some_and(|key| key.scheme() == "http") {
        host.port = Some(80);
    }
    host.port = host.port.filter(|port| *port != 443);
    Some(host)
}

/// A prefix as requests have it; the root is empty.
fn path(reader: &mut Reader, node: &Node) -> Option<String> {
    let scalar = reader.scalar(node)?;
    let plain = |pattern: &PathPattern| {
        !pattern.has_rest() && pattern.segments().iter().all(|segment| matches!(segment, Segment::Literal(_)))
    };
    match PathPattern::parse(&scalar.text) {
        Ok(pattern) if plain(&pattern) => Some(if scalar.text == "/" { String::new() } else { scalar.text.clone() }),
        _ => {
            let message = format!("`{}` is no path prefix", scalar.shown());
            reader.log.error(node.place, message, "write whole segments without parameters, like `/v1`");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_claims_its_authority_and_its_path() {
        let claimed = |key: &str| {
            let claimed = by_key(&ResourceIndicator::parse(key).unwrap())?;
            Some(format!("{}{}", claimed.hosts[0], claimed.path))
        };
        assert_eq!(claimed("https://a.example.com").as_deref(), Some("a.example.com"));
        assert_eq!(claimed("https://a.example.com:8443/v1/").as_deref(), Some("a.example.com:8443/v1/"));
        assert_eq!(claimed("http://[::1]").as_deref(), Some("[::1]:80"));
        assert_eq!(claimed("urn:example:orders"), None);
    }
}
