//! Names that are one to a careless reader: they differ by case, scheme, `www.`, port or a final slash.
//!
//! All of them are compared byte for byte, so each is a name of its own, and one is likely a typing error. What differs
//! in other ways is not looked at: `api1` and `api2` are one letter apart on purpose.

use std::collections::HashMap;

use super::super::authorization_server::WrittenServer;
use super::super::fault::{FaultKind, Place};
use super::super::issuers::Issuers;
use super::super::read::Reader;
use super::super::resource::WrittenResource;

/// Warns of every pair of such names; quick also for very many, because none is compared with each.
pub(super) fn advise(
    reader: &mut Reader,
    issuers: &Issuers,
    resources: &[WrittenResource],
    server: Option<&WrittenServer>,
) {
    advise_on_keys(reader, resources);
    let ignored = issuers.0.iter().filter_map(|written| written.issuer.as_ref()).map(|one| &one.ignore_audiences);
    if resources.iter().any(|written| !written.audiences.is_empty()) || ignored.into_iter().any(|one| !one.is_empty()) {
        let mut keys: HashMap<String, &WrittenResource> = HashMap::new();
        for written in resources {
            keys.entry(near(&written.key)).or_insert(written);
        }
        advise_on_audiences(reader, &keys, resources);
        advise_on_ignored(reader, &keys, issuers);
    }
    advise_on_issuers(reader, issuers);
    advise_on_own(reader, issuers, server);
}

/// What is left of a name once all is gone that two names may carelessly differ by.
fn near(name: &str) -> String {
    let kept = near_with_port(name);
    let (authority, path) = kept.split_at(kept.find('/').unwrap_or(kept.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    format!("{host}{path}")
}

fn near_with_port(name: &str) -> String {
    let folded = name.to_ascii_lowercase();
    let location = folded.strip_prefix("https://").or(folded.strip_prefix("http://"));
    let bare = location.map_or(folded.as_str(), |rest| rest.strip_prefix("www.").unwrap_or(rest));
    bare.trim_end_matches('/').to_owned()
}

/// Ports tell keys apart: that is how one host serves several APIs.
fn advise_on_keys(reader: &mut Reader, resources: &[WrittenResource]) {
    let mut seen: HashMap<String, &WrittenResource> = HashMap::new();
    for written in resources {
        let Some(first) = seen.insert(near_with_port(&written.key), written) else { continue };
        let message = format!("`{}` and `{}` are nearly the same", written.key, first.key);
        let hint = format!(
            "the other one is in line {}; one resource answers for both addresses with `match: {{ hosts: [ … ] }}`",
            first.place.line
        );
        reader.log.tell(FaultKind::NearMiss, written.place, message, hint);
    }
}

/// An audience that is nearly a name of another resource. Being nearly the own key is usual: providers have their ways.
fn advise_on_audiences(reader: &mut Reader, keys: &HashMap<String, &WrittenResource>, resources: &[WrittenResource]) {
    let mut seen: HashMap<(usize, String), (&str, Place, &WrittenResource)> = HashMap::new();
    for written in resources {
        if written.audiences.is_empty() {
            continue;
        }
        let own = near(&written.key);
        for (issuer, audience, place) in &written.audiences {
            let name = near(audience);
            let other = keys.get(&name).filter(|other| name != own && other.key != *audience);
            if let Some(other) = other {
                let (line, key) = (other.place.line, &other.key);
                told(reader, *place, audience, "the key of another resource", &format!("`{key}` in line {line}"));
                continue;
            }
            let earlier = seen.insert((issuer.0, name), (audience, *place, written));
            if let Some((_, first, _)) = earlier.filter(|(text, _, at)| text != audience && at.place != written.place) {
                let where_it_is = format!("the one in line {}", first.line);
                told(reader, *place, audience, "an audience of another resource", &where_it_is);
            }
        }
    }
}

fn advise_on_ignored(reader: &mut Reader, keys: &HashMap<String, &WrittenResource>, issuers: &Issuers) {
    for written in &issuers.0 {
        let ignored = written.issuer.iter().flat_map(|issuer| &issuer.ignore_audiences);
        for audience in ignored {
            if let Some(resource) = keys.get(&near(audience)).filter(|resource| resource.key != *audience) {
                let other = format!("`{}` in line {}", resource.key, resource.place.line);
                told(reader, written.place, audience, "the key of a resource", &other);
            }
        }
    }
}

fn advise_on_issuers(reader: &mut Reader, issuers: &Issuers) {
    let mut seen: HashMap<String, (&str, &str)> = HashMap::new();
    for written in &issuers.0 {
        for (text, place) in &written.written {
            let earlier = seen.insert(near(text), (&written.name, text));
            if let Some((name, _)) = earlier.filter(|(name, first)| *name != written.name && first != text) {
                let message = format!("`{}` is nearly an `issuer` of `{name}`", reader.public(text));
                let hint = "the same subject of two entries is two people; one entry may list both names";
                reader.log.tell(FaultKind::NearMiss, *place, message, hint);
            }
        }
    }
}

/// Ports tell issuers apart where both are on this machine.
fn advise_on_own(reader: &mut Reader, issuers: &Issuers, server: Option<&WrittenServer>) {
    let Some((own, _, at)) = server.and_then(|server| server.url.as_ref()) else { return };
    for (text, place) in issuers.0.iter().flat_map(|written| &written.written) {
        if text != own && near_with_port(text) == near_with_port(own) {
            told(reader, *place, text, "the `url` of our own issuer", &format!("that one is in line {}", at.line));
        }
    }
}

fn told(reader: &mut Reader, place: Place, name: &str, of: &str, other: &str) {
    let message = format!("`{}` is nearly {of}", reader.public(name));
    let hint = format!("{other}; names are compared byte for byte, so look at the spelling");
    reader.log.tell(FaultKind::NearMiss, place, message, hint);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_one() {
        for name in [
            "https://api.example.com/orders",
            "https://api.example.com/orders/",
            "http://API.example.com/Orders",
            "https://www.api.example.com:8443/orders",
            "api.example.com/orders",
        ] {
            assert_eq!(near(name), "api.example.com/orders");
        }
        assert_eq!(near("https://[::1]:8080/a"), "[::1]/a");
        assert_eq!(near("API://Orders"), "api://orders");
        assert_ne!(near("https://api1.example.com"), near("https://api2.example.com"));
        assert_ne!(near_with_port("https://a.example.com:1"), near_with_port("https://a.example.com:2"));
    }
}
