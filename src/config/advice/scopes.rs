//! Scopes that are asked for and that no token can carry, because no issuer's scopes are mapped to them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::fault::FaultKind;
use super::super::issuers::Issuers;
use super::super::model::{Resource, ResourceIssuer};
use super::super::read::Reader;
use super::super::resource::WrittenResource;
use crate::oauth::ScopePattern;

/// Warns of each such scope where it is asked for. Declared and never asked for is legal and usual. `minted` is what
/// clients of our own issuer may have here, if there is one that vouches.
pub(super) fn advise(
    reader: &mut Reader,
    issuers: &Issuers,
    written: &WrittenResource,
    resource: &Resource,
    minted: Option<&[&ScopePattern]>,
) {
    if resource.issuers.is_empty() && minted.is_none() {
        return;
    }
    let minted = minted.unwrap_or_default();
    let mut granted = BTreeSet::new();
    for entry in &resource.issuers {
        match worth(entry, issuers) {
            Some(scopes) => granted.extend(scopes),
            None => return,
        }
    }
    let is_minted = |demanded: &ScopePattern| {
        minted.iter().any(|scope| match (demanded.parameter(), scope.parameter()) {
            (Some(_), Some(_)) => demanded.affixes() == scope.affixes(),
            (Some(_), None) => demanded.covers(scope.as_str()),
            (None, _) => scope.covers(demanded.as_str()),
        })
    };
    let can_come = |demanded: &ScopePattern| match demanded.parameter() {
        _ if is_minted(demanded) => true,
        None => granted.contains(demanded.as_str()),
        Some(_) => granted.iter().any(|scope| demanded.covers(scope)),
    };
    for (demanded, place) in written.demanded.iter().filter(|(demanded, _)| !can_come(demanded)) {
        let message = format!("no token can carry `{}` here", reader.public(demanded.as_str()));
        let hint = match minted.is_empty() {
            true => "map a scope of an issuer to it under `scope_map`, or ask for another one",
            false => "give it to a client, map a scope of an issuer to it under `scope_map`, or ask for another one",
        };
        reader.log.tell(FaultKind::ScopeUnattainable, *place, message, hint);
    }
}

/// The only scopes that tokens of an issuer can have here; nothing if they can have any.
fn worth<'r>(entry: &'r ResourceIssuer, issuers: &Issuers) -> Option<Vec<&'r str>> {
    let claims = entry.claims.as_ref().map_or_else(|| issuers.claims(entry.issuer), Cow::Borrowed);
    let mapped: Vec<_> = match (&entry.scope_map, claims.scope.is_empty()) {
        // Tokens without a scope claim have what `scopes_if_none` says, whatever the map.
        (_, true) => Vec::new(),
        (None, false) => return None,
        (Some(map), false) => map.values().flatten().collect(),
    };
    Some(mapped.into_iter().chain(&entry.scopes_if_none).map(crate::oauth::Scope::as_str).collect())
}
