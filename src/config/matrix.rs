//! The matrix of a client (`resources`), what it is (`serves`), and where tokens of others may be carried on to
//! (`exchange`).
//!
//! Everything here names resources by their keys and scopes by what the resource declares. There is no word for "all":
//! a right that nobody wrote down is a right that nobody knows of.

use std::collections::HashMap;

use super::fault::Place;
use super::model::{EdgeScope, ResourceId};
use super::nearest::{self, MOST_COMPARED};
use super::read::{Reader, Section};
use super::resource::WrittenResource;
use super::scopes::{self, declares};
use super::yaml::{Key, Kind, Node};
use crate::oauth::{FOR_USERS, ScopePattern};

/// The resources of the file, by their keys.
pub(super) struct Resources<'r> {
    written: &'r [WrittenResource],
    by_key: HashMap<&'r str, ResourceId>,
}

/// A resource, with what a client has there.
pub(super) struct Row<T> {
    pub(super) resource: ResourceId,
    /// Where the resource is named.
    pub(super) place: Place,
    pub(super) scopes: Vec<T>,
}

/// What a client says about resources.
pub(super) struct Rows {
    pub(super) resources: Vec<Row<ScopePattern>>,
    pub(super) default_resource: Option<ResourceId>,
    pub(super) serves: Option<ResourceId>,
    pub(super) exchange: Vec<Row<EdgeScope>>,
}

impl Rows {
    /// Every resource where the client may have tokens, and where it is named.
    pub(super) fn places(&self) -> Vec<(ResourceId, Place)> {
        let rows = self.resources.iter().map(|row| (row.resource, row.place));
        rows.chain(self.exchange.iter().map(|row| (row.resource, row.place))).collect()
    }
}

impl<'r> Resources<'r> {
    pub(super) fn new(written: &'r [WrittenResource]) -> Self {
        let by_key = written.iter().enumerate().map(|(at, one)| (one.key.as_str(), ResourceId(at))).collect();
        Self { written, by_key }
    }

    /// The resource with this key; `shown` is what a message may show of it.
    fn find(
        &self,
        reader: &mut Reader,
        key: &str,
        shown: &str,
        place: Place,
    ) -> Option<(ResourceId, &'r WrittenResource)> {
        if let Some(id) = self.by_key.get(key) {
            return Some((*id, self.written.get(id.0)?));
        }
        let known: Vec<&str> = self.written.iter().map(|one| one.key.as_str()).take(MOST_COMPARED).collect();
        let hint = match nearest::of(key, &known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write the key of a resource, byte for byte, or declare it under `resources`".to_owned(),
        };
        reader.log.error(place, format!("there is no resource `{shown}`"), hint);
        None
    }

    /// A resource that our own issuer mints tokens for.
    fn minted_for(&self, reader: &mut Reader, key: &Key) -> Option<(ResourceId, &'r WrittenResource)> {
        let (id, written) = self.find(reader, &key.text, &key.shown(), key.place)?;
        let Some(resource) = &written.resource else { return Some((id, written)) };
        if resource.public {
            let message = format!("the resource `{}` is public: no token is asked for there", key.shown());
            reader.log.error(key.place, message, "take it out, or take `public: true` out there");
            return None;
        }
        if !resource.own_issuer {
            let message = format!("the resource `{}` does not accept our own issuer", key.shown());
            reader.log.error(key.place, message, "take it out, or take `own: false` out of its `issuers`");
            return None;
        }
        Some((id, written))
    }

    /// The resource that a value names.
    fn named(&self, reader: &mut Reader, node: &Node) -> Option<(ResourceId, &'r WrittenResource)> {
        let scalar = reader.scalar(node)?;
        let found = self.find(reader, &scalar.text, &scalar.shown(), node.place)?;
        if found.1.resource.as_ref().is_some_and(|resource| resource.public) {
            let message = format!("the resource `{}` is public: it has nothing to do with tokens", scalar.shown());
            reader.log.error(node.place, message, "take it out, or take `public: true` out there");
            return None;
        }
        Some(found)
    }
}

/// Reads `resources`, `default_resource`, `serves` and `exchange` of a client.
pub(super) fn rows(reader: &mut Reader, section: &mut Section<'_>, all: &Resources<'_>) -> Rows {
    let before = reader.log.errors();
    let resources = section.optional(reader, "resources", |reader, node| matrix(reader, node, all)).unwrap_or_default();
    let is_whole = reader.log.errors() == before;
    let default_resource = section.optional(reader, "default_resource", |reader, node| {
        let (id, _) = all.named(reader, node)?;
        if is_whole && !resources.iter().any(|row| row.resource == id) {
            let message = format!("`{}` is not among the client's `resources`", reader.scalar(node)?.shown());
            reader.log.error(node.place, message, "the default is one of them; add it there, or take it out here");
            return None;
        }
        Some(id)
    });
    let serves = section.optional(reader, "serves", |reader, node| all.named(reader, node));
    let exchange = section.optional(reader, "exchange", |reader, node| edges(reader, node, all, serves));
    let serves = serves.map(|(id, _)| id);
    Rows { resources, default_resource, serves, exchange: exchange.unwrap_or_default() }
}

fn matrix(reader: &mut Reader, node: &Node, all: &Resources<'_>) -> Option<Vec<Row<ScopePattern>>> {
    let section = reader.section(node, "`resources` of a client")?;
    if section.is_empty() {
        let hint = "name a resource and the scopes there, like `https://api.example.com: [read]`, or leave the key out";
        reader.log.error(section.place(), "`resources` names no resource", hint);
    }
    let mut rows = Vec::new();
    for (key, node) in section.entries() {
        let Some((resource, owner)) = all.minted_for(reader, key) else { continue };
        let before = reader.log.errors();
        let Some(scopes) = scopes_of(reader, node, owner) else { continue };
        let declares_some = owner.resource.as_ref().is_some_and(|owner| !owner.scopes.is_empty());
        if scopes.is_empty() && declares_some && reader.log.errors() == before {
            let message = format!("no scope of `{}` is listed, so no token can be had there", key.shown());
            reader.log.error(key.place, message, "name scopes that the resource declares, or take it out");
        }
        rows.push(Row { resource, place: key.place, scopes });
    }
    Some(rows)
}

/// Scopes of a resource, none twice.
fn scopes_of(reader: &mut Reader, node: &Node, owner: &WrittenResource) -> Option<Vec<ScopePattern>> {
    let mut seen = Vec::new();
    reader.one_or_many(node, |reader, item| {
        let scope = scopes::pattern(reader, item)?;
        let shown = reader.scalar(item)?.shown();
        if FOR_USERS.contains(&scope.as_str()) {
            let message = format!("`{shown}` is never in a token for a resource");
            reader.log.error(item.place, message, "take it out; there are no ID tokens here, and nothing to refresh");
            return None;
        }
        check_declared(reader, item.place, &scope, &shown, owner)?;
        if seen.contains(&scope) {
            reader.repeated(item);
            return None;
        }
        seen.push(scope.clone());
        Some(scope)
    })
}

fn check_declared(
    reader: &mut Reader,
    place: Place,
    scope: &ScopePattern,
    shown: &str,
    owner: &WrittenResource,
) -> Option<()> {
    // What a resource with faults declares, nobody knows yet.
    let Some(resource) = owner.resource.as_ref().filter(|resource| !declares(&resource.scopes, scope)) else {
        return Some(());
    };
    let hint = match resource.scopes.is_empty() {
        true => "it declares none; write `scopes` there".to_owned(),
        false => reader.suggest(scope.as_str(), resource.scopes.iter().map(|(scope, _)| scope.as_str())),
    };
    reader.log.error(place, format!("the resource `{}` has no scope `{shown}`", owner.key), hint);
    None
}

/// Reads `exchange`: targets, each with what the scopes at the served resource are worth there.
fn edges(
    reader: &mut Reader,
    node: &Node,
    all: &Resources<'_>,
    serves: Option<(ResourceId, &WrittenResource)>,
) -> Option<Vec<Row<EdgeScope>>> {
    let section = reader.section(node, "`exchange`")?;
    if section.is_empty() {
        let hint = "name a target, like `https://api2.example.com: { read: [reports] }`, or leave the key out";
        reader.log.error(section.place(), "`exchange` names no resource", hint);
    }
    let mut rows = Vec::new();
    for (key, node) in section.entries() {
        let Some((resource, target)) = all.minted_for(reader, key) else { continue };
        if serves.is_some_and(|(served, _)| served == resource) {
            let message = format!("`{}` is the resource that the client serves", key.shown());
            reader.log.error(key.place, message, "an exchange leads to another one; take it out");
            continue;
        }
        let Some(scopes) = edge(reader, node, target, serves.map(|(_, served)| served)) else { continue };
        rows.push(Row { resource, place: key.place, scopes });
    }
    Some(rows)
}

/// `{}`, a list of names that both resources have, or a mapping from scopes there to scopes here.
fn edge(
    reader: &mut Reader,
    node: &Node,
    target: &WrittenResource,
    served: Option<&WrittenResource>,
) -> Option<Vec<EdgeScope>> {
    if let Kind::Scalar(scalar) = &node.kind
        && scalar.is_null()
    {
        reader.unexpected(node, "a mapping or a list", "");
        return None;
    }
    let Kind::Mapping(mapping) = &node.kind else {
        let same = scopes_of(reader, node, target)?;
        if let Some(served) = served {
            reader.one_or_many(node, |reader, item| {
                let scope = scopes::pattern(reader, item)?;
                let shown = reader.scalar(item)?.shown();
                check_declared(reader, item.place, &scope, &shown, served)
            });
        }
        return Some(same.into_iter().map(|scope| EdgeScope { from: scope.clone(), to: vec![scope] }).collect());
    };
    let mut edge = Vec::new();
    for (key, node) in &mapping.entries {
        let from = match ScopePattern::parse(&key.text) {
            Ok(from) => from,
            Err(why) => {
                reader.log.error(key.place, format!("`{}` is no scope", key.shown()), scopes::hint(why));
                continue;
            }
        };
        if let Some(served) = served {
            check_declared(reader, key.place, &from, &key.shown(), served);
        }
        let Some(to) = scopes_of(reader, node, target) else { continue };
        for to in to.iter().filter(|to| to.parameter().is_some() && to.parameter() != from.parameter()) {
            let (to, from) = (reader.public(to.as_str()).to_owned(), key.shown());
            let message = format!("the value of `{to}` comes from nowhere: `{from}` has no parameter of that name");
            reader.log.error(node.place, message, "give both the same `{name}`, or write a value there");
        }
        edge.push(EdgeScope { from, to });
    }
    Some(edge)
}
