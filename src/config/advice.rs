//! Warnings: what loads, and is likely not meant or not wise.

use std::collections::HashSet;

use url::Url;

use super::authorization_server::WrittenServer;
use super::fault::FaultKind;
use super::issuers::{Issuers, WrittenIssuer};
use super::keys::host_of;
use super::model::{Forward, IssuerId, JwksLocation, KeySource, Resource, ResourceId, TrustedIssuer, Unmatched};
use super::read::Reader;
use super::resource::WrittenResource;
use super::url::is_loopback;

mod clients;
mod near;
mod scopes;

/// Issuers where anybody may ask for a token with any audience.
const OPEN_ISSUERS: [&str; 3] = ["token.actions.githubusercontent.com", "accounts.google.com", "gitlab.com"];
/// Issuers whose keys do not say which algorithm they are for.
const KEYS_WITHOUT_ALG: [&str; 4] =
    ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.windows.net"];

/// Records every warning that needs more than one section.
pub(super) fn advise(
    reader: &mut Reader,
    issuers: &Issuers,
    resources: &[WrittenResource],
    server: Option<&WrittenServer>,
) {
    advise_on_use(reader, issuers, resources);
    near::advise(reader, issuers, resources, server);
    for (at, written) in issuers.0.iter().enumerate() {
        let Some(issuer) = &written.issuer else { continue };
        advise_on_keys(reader, written);
        advise_on_files(reader, written, issuer);
        advise_on_callers(reader, written, issuer, IssuerId(at), resources);
    }
    let minted = server.and_then(clients::Minted::of);
    if let Some(server) = server {
        clients::advise(reader, server, issuers, resources);
    }
    for (at, written) in resources.iter().enumerate() {
        let Some(resource) = &written.resource else { continue };
        let minted = minted.as_ref().filter(|_| resource.own_issuer).map(|minted| minted.at(ResourceId(at)));
        advise_on_resource(reader, written, resource, minted.is_some());
        if let Some(None) = minted {
            clients::advise_on_reach(reader, written, resource);
        }
        scopes::advise(reader, issuers, written, resource, minted.flatten());
    }
}

/// An issuer that no resource names, where each says who may vouch there.
fn advise_on_use(reader: &mut Reader, issuers: &Issuers, resources: &[WrittenResource]) {
    let protected = || resources.iter().filter_map(|written| written.resource.as_ref()).filter(|one| !one.public);
    if protected().next().is_none() {
        return;
    }
    let used: HashSet<IssuerId> = protected().flat_map(|one| one.issuers.iter().map(|entry| entry.issuer)).collect();
    for (at, written) in issuers.0.iter().enumerate() {
        if !used.contains(&IssuerId(at)) {
            let message = format!("no resource accepts the tokens of `{}`", written.name);
            let hint = "every resource lists its `issuers`; name it at one of them, or take it out";
            reader.log.tell(FaultKind::IssuerUnused, written.place, message, hint);
        }
    }
}

/// Keys in files do not follow their issuer. Where it cannot be reached, as inside a cluster, there is no other way.
fn advise_on_files(reader: &mut Reader, written: &WrittenIssuer, issuer: &TrustedIssuer) {
    let KeySource::Jwks(places) = &issuer.keys else { return };
    let in_file = |place: &JwksLocation| matches!(place, JwksLocation::File { .. });
    let Some(host) = issuer.issuers.first().filter(|name| name.starts_with("https://")).map(|name| host_of(name))
    else {
        return;
    };
    let inside = host.ends_with(".local") || host.ends_with(".internal") || !host.contains('.');
    if places.iter().all(in_file) && !inside {
        let message = format!("the keys of `{}` come from files alone", written.name);
        let hint = "a rotation gets here with the files only; leave `jwks` out, and its own metadata names its keys";
        reader.log.tell(FaultKind::KeysPinned, written.keys_place.unwrap_or(written.place), message, hint);
    }
}

fn is_one_of(written: &WrittenIssuer, hosts: &[&str]) -> bool {
    written.written.iter().any(|(issuer, _)| hosts.contains(&host_of(issuer)))
}

/// Without `alg` in a key, an RSA key fits six algorithms.
fn advise_on_keys(reader: &mut Reader, written: &WrittenIssuer) {
    if !written.algorithms_listed && is_one_of(written, &KEYS_WITHOUT_ALG) {
        let message = format!("the keys of `{}` do not say which algorithm they are for", written.name);
        reader.log.tell(FaultKind::AlgorithmsMissing, written.place, message, "write `algorithms: [RS256]`");
    }
    let okta = written.written.iter().any(|(issuer, _)| {
        let host = host_of(issuer);
        (host.ends_with(".okta.com") || host.ends_with(".oktapreview.com")) && !issuer.contains("/oauth2/")
    });
    if okta {
        let message = format!("`{}` is an Okta org: nobody can verify its access tokens", written.name);
        reader.log.tell(
            FaultKind::IssuerUnverifiable,
            written.place,
            message,
            "use a custom authorization server: `https://ORG.okta.com/oauth2/ID`",
        );
    }
}

/// Where any caller picks the audience, something else must say who calls.
fn advise_on_callers(
    reader: &mut Reader,
    written: &WrittenIssuer,
    issuer: &TrustedIssuer,
    id: IssuerId,
    resources: &[WrittenResource],
) {
    if !issuer.require.is_empty() || !is_one_of(written, &OPEN_ISSUERS) {
        return;
    }
    let open = |resource: &Resource| {
        // `allowed_clients` is closed: whoever is not on it is not let in, whatever the audience.
        let entry = resource.issuers.iter().find(|entry| entry.issuer == id);
        entry.is_some_and(|entry| entry.require.is_empty()) && resource.allowed_clients.is_none()
    };
    if let Some(first) = resources.iter().find(|written| written.resource.as_ref().is_some_and(open)) {
        let message = format!("anybody at `{}` may ask for a token for `{}`", written.name, first.key);
        let hint = "say who may call with `require:`, like `require: { repository_owner_id: [\"65\"] }`";
        reader.log.tell(FaultKind::IssuerOpen, written.place, message, hint);
    }
}

fn advise_on_resource(reader: &mut Reader, written: &WrittenResource, resource: &Resource, own_vouches: bool) {
    if !resource.key.is_http() {
        let message = format!("`{}` is no URL, so clients find no metadata for it", written.key);
        reader.log.tell(
            FaultKind::ResourceUnreachable,
            written.place,
            message,
            "prefer the public URL of the API (RFC 8707 section 3)",
        );
    }
    if !resource.public && resource.issuers.is_empty() && !own_vouches {
        let message = format!("no issuer may vouch at `{}`, so every request is refused", written.key);
        reader.log.tell(FaultKind::ResourceUnreachable, written.place, message, "name one under `trusted_issuers`");
    }
    if resource.unmatched == Unmatched::Refuse && resource.rules.is_empty() {
        let message = format!("`{}` has no rules and refuses what no rule matches, so every request", written.key);
        let hint = "write a rule for each path that is served, or `unmatched: allow`";
        reader.log.tell(FaultKind::ResourceUnreachable, written.place, message, hint);
    }
    let in_the_clear = |url: &Url| url.scheme() == "http" && !is_loopback(url);
    if resource.forward == Forward::Token && resource.upstream.urls.iter().any(in_the_clear) {
        let message = format!("the tokens of `{}` go to its upstream without TLS", written.key);
        reader.log.tell(
            FaultKind::Plaintext,
            written.place,
            message,
            "use `https` there, or `forward: none` (RFC 6750 section 5.2)",
        );
    }
}
