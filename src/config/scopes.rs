//! Scopes: those that a resource declares, and everything that may only name declared ones.

use std::collections::BTreeMap;

use super::fault::Place;
use super::read::Reader;
use super::yaml::{Kind, Node};
use crate::oauth::{InvalidScope, Scope, ScopePattern};

/// The scopes of one resource.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) scopes: Vec<(ScopePattern, Option<String>)>,
    /// Those that somebody must have, with the places that say so.
    pub(super) demanded: Vec<(ScopePattern, Place)>,
    /// Whether some are missing here because they have faults, so that nobody can say what is undefined.
    incomplete: bool,
}

/// Reads a resource's `scopes`: a mapping to descriptions, or a list.
pub(super) fn declared(reader: &mut Reader, node: &Node) -> Declared {
    let before = reader.log.errors();
    let mut declared = Declared::default();
    if let Kind::Mapping(mapping) = &node.kind {
        for (key, node) in &mapping.entries {
            let description = description(reader, node);
            match ScopePattern::parse(&key.text) {
                Ok(scope) => declared.add(reader, scope, description, key.place),
                Err(why) => reader.log.error(key.place, format!("`{}` is no scope", key.shown()), hint(why)),
            }
        }
    } else if let Some(scopes) = reader.one_or_many(node, |reader, item| Some((pattern(reader, item)?, item.place))) {
        for (scope, place) in scopes {
            declared.add(reader, scope, None, place);
        }
    }
    declared.incomplete = reader.log.errors() > before;
    declared
}

/// Reads the top-level `scopes`: descriptions of scopes that several resources share.
pub(super) fn described(reader: &mut Reader, node: &Node) -> Option<BTreeMap<Scope, String>> {
    let section = reader.section(node, "`scopes`")?;
    let mut described = BTreeMap::new();
    for (key, node) in section.entries() {
        let text = reader.string(node);
        match ScopePattern::parse(&key.text).and(Scope::parse(&key.text)) {
            Ok(scope) => described.extend(text.map(|text| (scope, text))),
            Err(why) => reader.log.error(key.place, format!("`{}` is no scope", key.shown()), hint(why)),
        }
    }
    Some(described)
}

/// A description, or nothing where nothing stands.
fn description(reader: &mut Reader, node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.is_null() => None,
        _ => reader.string(node),
    }
}

/// Whether a resource with these scopes has this one, or declares a pattern with its affixes.
pub(super) fn declares(scopes: &[(ScopePattern, Option<String>)], pattern: &ScopePattern) -> bool {
    scopes.iter().any(|(declared, _)| match pattern.parameter() {
        Some(_) => declared.parameter().is_some() && declared.affixes() == pattern.affixes(),
        None => declared.covers(pattern.as_str()),
    })
}

/// A scope, or a scope with a parameter.
pub(super) fn pattern(reader: &mut Reader, node: &Node) -> Option<ScopePattern> {
    let scalar = reader.scalar(node)?;
    match ScopePattern::parse(&scalar.text) {
        Ok(scope) => Some(scope),
        Err(why) => {
            reader.log.error(node.place, format!("`{}` is no scope", scalar.shown()), hint(why));
            None
        }
    }
}

/// What to do about a text that is no scope.
pub(super) fn hint(why: InvalidScope) -> String {
    why.to_string()
}

impl Declared {
    fn add(&mut self, reader: &mut Reader, scope: ScopePattern, description: Option<String>, place: Place) {
        let same = |other: &ScopePattern| {
            other.affixes() == scope.affixes() && other.parameter().is_some() == scope.parameter().is_some()
        };
        if let Some((other, _)) = self.scopes.iter().find(|(other, _)| same(other)) {
            let hint = format!("it is the same as `{}`; keep one of them", reader.public(other.as_str()));
            reader.log.error(place, "a scope is declared twice", hint);
            return;
        }
        self.scopes.push((scope, description));
    }

    /// A scope that somebody must have: a declared one, or a pattern with the affixes of a declared one.
    pub(super) fn demanded(&mut self, reader: &mut Reader, node: &Node) -> Option<ScopePattern> {
        let demanded = pattern(reader, node)?;
        if self.knows(&demanded) {
            self.demanded.push((demanded.clone(), node.place));
            return Some(demanded);
        }
        self.undefined(reader, node);
        None
    }

    /// A scope that something depends on without asking for it.
    pub(super) fn named(&self, reader: &mut Reader, node: &Node) -> Option<ScopePattern> {
        let named = pattern(reader, node)?;
        if !self.knows(&named) {
            self.undefined(reader, node);
            return None;
        }
        Some(named)
    }

    fn knows(&self, pattern: &ScopePattern) -> bool {
        self.incomplete || declares(&self.scopes, pattern)
    }

    /// A scope that somebody gets: a declared one, with a value where the declared one has a parameter.
    pub(super) fn granted(&self, reader: &mut Reader, node: &Node) -> Option<Scope> {
        let pattern = pattern(reader, node)?;
        let shown = reader.scalar(node)?.shown();
        if pattern.parameter().is_some() {
            let message = format!("`{shown}` has no value for its parameter");
            reader.log.error(node.place, message, "a token carries a value there; write one, like `transaction:7`");
            return None;
        }
        let known = self.scopes.iter().any(|(declared, _)| declared.covers(pattern.as_str()));
        if !known && !self.incomplete {
            self.undefined(reader, node);
            return None;
        }
        Scope::parse(pattern.as_str()).ok()
    }

    fn undefined(&self, reader: &mut Reader, node: &Node) {
        let Some(scalar) = reader.scalar(node) else { return };
        let message = format!("this resource has no scope `{}`", scalar.shown());
        let hint = if self.scopes.is_empty() {
            "declare it under the resource's `scopes`".to_owned()
        } else {
            let known = reader.suggest(&scalar.text, self.scopes.iter().map(|(scope, _)| scope.as_str()));
            format!(
                "{known}{} declare it under the resource's `scopes`",
                if known.ends_with('?') { " Else" } else { ";" }
            )
        };
        reader.log.error(node.place, message, hint);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::fault::FaultLog;
    use super::super::files::FilesRead;
    use super::super::yaml;
    use super::*;

    /// What `use_scope` says about each scope of a list, at a resource that declares `read` and `order:{id}`.
    fn judge(list: &str, use_scope: fn(&mut Declared, &mut Reader, &Node) -> bool) -> Vec<bool> {
        let path = Path::new("gateway.yaml");
        let mut log = FaultLog::new(path, list);
        let node = yaml::parse(list, &mut log).unwrap();
        let mut reader = Reader::new(path, log, FilesRead::default());
        let scopes = ["read", "order:{id}"].map(|text| (ScopePattern::parse(text).unwrap(), None));
        let mut declared = Declared { scopes: scopes.into(), ..Declared::default() };
        reader.list(&node, |reader, item| Some(use_scope(&mut declared, reader, item))).unwrap()
    }

    #[test]
    fn only_declared_scopes_are_demanded() {
        let judged =
            judge("[read, 'order:{id}', 'order:{other}', order:7, write, 'read:{id}']", |declared, reader, item| {
                declared.demanded(reader, item).is_some()
            });
        assert_eq!(judged, [true, true, true, true, false, false]);
    }

    #[test]
    fn what_is_granted_has_a_value() {
        let judged = judge("[read, order:7, 'order:{id}', write, order:7/8]", |declared, reader, item| {
            declared.granted(reader, item).is_some()
        });
        assert_eq!(judged, [true, true, false, false, false]);
    }
}
