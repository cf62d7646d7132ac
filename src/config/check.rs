//! What no section can know alone: names that mean two things, requests that belong to two resources.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::authorization_server::WrittenServer;
use super::fault::{FaultKind, Place};
use super::issuers::Issuers;
use super::model::{IssuerId, ResourceId};
use super::nearest::{self, MOST_COMPARED};
use super::read::Reader;
use super::resource::WrittenResource;
use crate::oauth::ResourceIndicator;
use crate::route::{HostTable, PrefixClash};

/// Records every fault between sections.
pub(super) fn check(reader: &mut Reader, issuers: &Issuers, resources: &[WrittenResource], admin: Option<SocketAddr>) {
    check_issuers(reader, issuers);
    if let Some(admin) = admin {
        check_admin(reader, admin, resources);
    }
    check_routes(reader, resources);
    check_spelling(reader, resources);
    check_audiences(reader, issuers, resources);
    check_other_audiences(reader, issuers, resources);
}

/// One `iss` is one issuer, and one issuer at most is printed without its name.
fn check_issuers(reader: &mut Reader, issuers: &Issuers) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut plain: Option<&str> = None;
    for written in &issuers.0 {
        for (text, place) in &written.written {
            match names.insert(text, &written.name) {
                Some(first) if first == written.name => {
                    reader.log.error(*place, "this `issuer` is listed twice", "once is enough; is another one meant?");
                }
                Some(first) => {
                    let message = format!("`{}` and `{first}` have the same `issuer`", written.name);
                    reader.log.error(*place, message, "nobody could say whose token it is; keep one of the two");
                }
                None => {}
            }
        }
        match (plain, written.plain_subjects) {
            (Some(first), Some(place)) => {
                let message = format!("`{}` says `subjects: plain`, and so does `{first}`", written.name);
                let hint = "one issuer at most may: the same subject of two issuers is two people";
                reader.log.error(place, message, hint);
            }
            (None, Some(_)) => plain = Some(&written.name),
            (_, None) => {}
        }
    }
}

/// A client of ours that an API lets in is there.
pub(super) fn check_own_clients(reader: &mut Reader, server: &WrittenServer, resources: &[WrittenResource]) {
    let known: HashSet<&str> = server.clients.iter().map(|client| client.id.as_str()).collect();
    let named = resources.iter().flat_map(|written| &written.own_clients);
    for (id, place) in named.filter(|(id, _)| !known.contains(id.as_str())) {
        let message = format!("our own issuer has no client `{}`", reader.public(id));
        let hint = match nearest::of(id, &known.iter().copied().take(MOST_COMPARED).collect::<Vec<_>>()) {
            Some(meant) => format!("did you mean `{meant}`? A client of another issuer is written `NAME|ID`"),
            None => "declare it under `clients` of the issuer; one of another issuer is written `NAME|ID`".to_owned(),
        };
        reader.log.error(*place, message, hint);
    }
}

/// No route leads to the admin listener, which trusts whoever reaches it from this machine.
fn check_admin(reader: &mut Reader, admin: SocketAddr, resources: &[WrittenResource]) {
    for written in resources {
        let Some(resource) = &written.resource else { continue };
        if resource.upstream.leads_to(admin) {
            let message = format!("`{}` leads to the admin listener", resource.key);
            reader.log.error(written.place, message, "give its upstream, or `admin`, another address");
        }
    }
}

/// A request belongs to one resource at most.
fn check_routes(reader: &mut Reader, resources: &[WrittenResource]) {
    let mut table: HostTable<ResourceId> = HostTable::default();
    for (at, written) in resources.iter().enumerate() {
        let Some(resource) = &written.resource else { continue };
        let place = written.match_place.unwrap_or(written.place);
        for host in &resource.matches.hosts {
            if let Err(PrefixClash(first)) = table.insert(host, 443, &resource.matches.path, ResourceId(at)) {
                clash(reader, place, written, &resources[first.0]);
            }
        }
        if resource.matches.path.starts_with(ResourceIndicator::METADATA_PREFIX) {
            let message = format!("the path of the resource `{}` belongs to the gateway", written.key);
            reader.log.error(place, message, "the metadata of resources lies there (RFC 9728 section 3)");
        }
    }
}

fn clash(reader: &mut Reader, place: Place, written: &WrittenResource, first: &WrittenResource) {
    if first.place == written.place {
        return reader.log.error(place, "one host is named twice", "once is enough; is another one meant?");
    }
    if bare(&first.key) == bare(&written.key) {
        // Their spelling is told, and is the cause.
        return;
    }
    let message = format!("the resource `{}` has the same host and path already", first.key);
    let hint = format!("that one is in line {}; give one of them another host or path", first.place.line);
    reader.log.error(place, message, hint);
}

/// Two keys that differ by a final slash alone are one key to whoever types them.
fn check_spelling(reader: &mut Reader, resources: &[WrittenResource]) {
    let mut seen: HashMap<&str, &WrittenResource> = HashMap::new();
    for written in resources {
        if let Some(first) = seen.insert(bare(&written.key), written) {
            let message = format!("`{}` and `{}` differ by a final slash alone", written.key, first.key);
            let hint = format!("the other one is in line {}; nobody can tell them apart", first.place.line);
            reader.log.error(written.place, message, hint);
        }
    }
}

fn bare(key: &str) -> &str {
    key.strip_suffix('/').unwrap_or(key)
}

/// An audience opens one resource: no two may share a name under one issuer.
fn check_audiences(reader: &mut Reader, issuers: &Issuers, resources: &[WrittenResource]) {
    let keys: HashMap<&str, &WrittenResource> =
        resources.iter().map(|written| (written.key.as_str(), written)).collect();
    let mut taken: HashMap<(usize, &str), &WrittenResource> = HashMap::new();
    for written in resources {
        for (issuer, audience, place) in &written.audiences {
            match keys.get(audience.as_str()) {
                Some(own) if own.place == written.place => {
                    let hint = "take it out; only further names stand here";
                    reader.log.tell(
                        FaultKind::AudienceNeedless,
                        *place,
                        "the resource's own key is always an audience",
                        hint,
                    );
                    continue;
                }
                Some(other) => {
                    let message = "this audience is the key of another resource";
                    let hint = format!("a token for `{}` would open this one too; take it out", other.key);
                    reader.log.error(*place, message, hint);
                    continue;
                }
                None => {}
            }
            match taken.insert((issuer.0, audience), written) {
                Some(first) if first.place != written.place => {
                    let name = issuers.0.get(issuer.0).map_or("", |issuer| issuer.name.as_str());
                    let message = format!("the resource `{}` has this audience of `{name}` already", first.key);
                    let hint = "a token with it would open both; ask the provider for one audience for each API";
                    reader.log.error(*place, message, hint);
                }
                _ => {}
            }
        }
    }
}

/// An audience that is overlooked, or that means this gateway, is no API here.
fn check_other_audiences(reader: &mut Reader, issuers: &Issuers, resources: &[WrittenResource]) {
    let keys: HashMap<&str, &WrittenResource> =
        resources.iter().map(|written| (written.key.as_str(), written)).collect();
    for (at, written) in issuers.0.iter().enumerate() {
        let Some(issuer) = &written.issuer else { continue };
        let entries =
            || resources.iter().filter_map(|written| written.resource.as_ref()).flat_map(|known| &known.issuers);
        let own_names = entries().filter(|entry| entry.issuer == IssuerId(at)).flat_map(|entry| &entry.audiences);
        let own_names: HashSet<&str> = own_names.map(String::as_str).collect();
        for meant in &issuer.exchange_audiences {
            if keys.contains_key(meant.as_str()) || own_names.contains(meant.as_str()) {
                let message =
                    format!("`{}` calls `{}` an API and the gateway for exchange", written.name, reader.public(meant));
                let hint = "take it out of `exchange_audiences`; a token for an API is exchanged as one for that API";
                reader.log.error(written.place, message, hint);
            }
        }
        for ignored in &issuer.ignore_audiences {
            if let Some(resource) = keys.get(ignored.as_str()) {
                let message = format!("`{}` overlooks the audience of the resource `{}`", written.name, resource.key);
                let hint = "take it out of `ignore_audiences`; those are audiences that no API here has";
                reader.log.error(written.place, message, hint);
            }
        }
    }
}
