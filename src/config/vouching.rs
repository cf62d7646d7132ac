//! `issuers` of a resource: who may vouch here, and what their tokens are worth.

use std::collections::BTreeMap;

use super::claims;
use super::fault::Place;
use super::issuers::Issuers;
use super::model::{AllowedClient, IssuerId, ResourceIssuer};
use super::read::Reader;
use super::resource::Surroundings;
use super::scopes::Declared;
use super::yaml::{Key, Node};
use crate::oauth::Scope;

/// Who may vouch at one resource.
pub(super) struct Vouching {
    pub(super) own: bool,
    pub(super) issuers: Vec<ResourceIssuer>,
    /// Every entry of `audiences`, with its place.
    pub(super) audiences: Vec<(IssuerId, String, Place)>,
}

/// Our own issuer and every trusted one, by the key alone.
pub(super) fn everybody(issuers: &Issuers) -> Vouching {
    let plain = |at| ResourceIssuer {
        issuer: IssuerId(at),
        audiences: Vec::new(),
        claims: None,
        scope_map: None,
        scopes_if_none: Vec::new(),
        require: Vec::new(),
        exchange: false,
    };
    Vouching { own: true, issuers: (0..issuers.0.len()).map(plain).collect(), audiences: Vec::new() }
}

/// Nobody: at a public resource.
pub(super) fn nobody() -> Vouching {
    Vouching { own: false, issuers: Vec::new(), audiences: Vec::new() }
}

/// Reads `issuers` of a resource.
pub(super) fn vouching(reader: &mut Reader, node: &Node, issuers: &Issuers, declared: &Declared) -> Option<Vouching> {
    let mut section = reader.section(node, "`issuers`")?;
    let own = section.optional(reader, "own", Reader::boolean).unwrap_or(true);
    let mut vouching = Vouching { own, ..nobody() };
    for (key, node) in section.entries().iter().filter(|(key, _)| key.text != "own") {
        let Some(id) = issuers.find(&key.text) else {
            let hint = unknown_hint(reader, key, issuers);
            reader.log.error(key.place, format!("no trusted issuer is called `{}`", key.shown()), hint);
            continue;
        };
        let entry = entry(reader, key, node, id, (issuers, declared), &mut vouching.audiences);
        vouching.issuers.extend(entry);
    }
    Some(vouching)
}

fn unknown_hint(reader: &Reader, key: &Key, issuers: &Issuers) -> String {
    match issuers.0.is_empty() {
        true => format!("declare it under `trusted_issuers`, like `{}: {{ issuer: https://… }}`", key.shown()),
        false => reader.suggest(&key.text, issuers.names().chain(["own"])),
    }
}

fn entry(
    reader: &mut Reader,
    key: &Key,
    node: &Node,
    id: IssuerId,
    (issuers, declared): (&Issuers, &Declared),
    placed: &mut Vec<(IssuerId, String, Place)>,
) -> Option<ResourceIssuer> {
    let mut section = reader.section(node, format!("the entry of `{}`", key.shown()))?;
    let audiences = section.optional(reader, "audiences", |reader, node| {
        let audiences = reader.strings(node)?;
        reader.one_or_many(node, |reader, item| {
            placed.push((id, reader.string(item)?, item.place));
            Some(())
        });
        Some(audiences)
    });
    let base = issuers.claims(id);
    let claims = section.optional(reader, "claims", |reader, node| claims::claims(reader, node, &base));
    let scope_map = section.optional(reader, "scope_map", |reader, node| scope_map(reader, node, declared));
    let scopes_if_none = section.optional(reader, "scopes_if_none", |reader, node| granted(reader, node, declared));
    let require = section.optional(reader, "require", claims::require);
    let exchange = section.optional(reader, "exchange", Reader::boolean);
    section.not_yet(reader, "accept_unbound", "leave it out: a token that names no audience is refused");
    section.finish(reader);
    Some(ResourceIssuer {
        issuer: id,
        audiences: audiences.unwrap_or_default(),
        claims,
        scope_map,
        scopes_if_none: scopes_if_none.unwrap_or_default(),
        require: require.unwrap_or_default(),
        exchange: exchange.unwrap_or(false),
    })
}

fn scope_map(reader: &mut Reader, node: &Node, declared: &Declared) -> Option<BTreeMap<String, Vec<Scope>>> {
    let section = reader.section(node, "`scope_map`")?;
    let entries = section.entries().iter();
    Some(entries.filter_map(|(key, node)| Some((key.text.clone(), granted(reader, node, declared)?))).collect())
}

fn granted(reader: &mut Reader, node: &Node, declared: &Declared) -> Option<Vec<Scope>> {
    reader.one_or_many(node, |reader, item| declared.granted(reader, item))
}

/// Reads `allowed_clients`: our own by their id, which also go to `own`, and foreign ones as `corp|id`.
pub(super) fn allowed_clients(
    reader: &mut Reader,
    node: &Node,
    around: &Surroundings<'_>,
    vouching: &Vouching,
    own: &mut Vec<(String, Place)>,
) -> Option<Vec<AllowedClient>> {
    let before = reader.log.errors();
    let clients = reader.one_or_many(node, |reader, item| {
        let client = allowed_client(reader, item, around, vouching)?;
        if let AllowedClient::Own(id) = &client {
            own.push((id.clone(), item.place));
        }
        Some(client)
    })?;
    if clients.is_empty() && reader.log.errors() == before {
        let hint = "name the clients, or leave the key out to let in every client that has a token";
        reader.log.error(node.owner, "no client is listed, so nobody would be let in", hint);
    }
    Some(clients)
}

fn allowed_client(
    reader: &mut Reader,
    node: &Node,
    around: &Surroundings<'_>,
    vouching: &Vouching,
) -> Option<AllowedClient> {
    let issuers = around.issuers;
    let text = reader.string(node)?;
    let shown = reader.scalar(node)?.shown();
    let Some((name, id)) = text.split_once('|') else {
        if !around.has_issuer {
            let message = format!("`{shown}` is a client of our own issuer, which does not run yet");
            reader.log.warning(node.place, message, "a client of another issuer is written `NAME|ID`");
        } else if !vouching.own {
            let message = format!("`{shown}` cannot come: this resource does not accept our own issuer");
            reader.log.error(node.place, message, "take `own: false` out of `issuers`, or take the client out");
            return None;
        }
        return Some(AllowedClient::Own(text));
    };
    let Some(issuer) = issuers.find(name) else {
        let message = format!("`{shown}` names an issuer that is not among `trusted_issuers`");
        let hint = reader.suggest(name, issuers.names());
        reader.log.error(node.place, message, hint);
        return None;
    };
    if id.is_empty() {
        reader.log.error(node.place, format!("`{shown}` names no client"), "write its id behind the `|`");
        return None;
    }
    if !vouching.issuers.iter().any(|entry| entry.issuer == issuer) {
        let message = format!("`{shown}` cannot come: this resource does not accept that issuer");
        reader.log.error(node.place, message, "add the issuer under `issuers`, or take the client out");
        return None;
    }
    Some(AllowedClient::Foreign(issuer, id.to_owned()))
}
