//! `user_claims` of a resource: what a token minted for it says about its user.
//!
//! Every API sees the attributes that its owner lists, and no others. A name that a protocol gives a meaning is refused:
//! an attribute under it could widen a token or make another kind of it (RFC 9068 §2.2, RFC 8725 §3.12).

use super::fault::Place;
use super::model::UserClaim;
use super::read::Reader;
use super::scopes::Declared;
use super::yaml::{Kind, Node};
use crate::oauth::is_protocol_claim;

/// Reads `user_claims`: a list of names, or a mapping from names to the scopes that must be granted for them.
pub(super) fn read(reader: &mut Reader, node: &Node, declared: &Declared) -> Option<Vec<UserClaim>> {
    if let Kind::Mapping(mapping) = &node.kind {
        let claims = mapping.entries.iter().filter_map(|(key, node)| {
            check_name(reader, &key.text, &key.shown(), key.place)?;
            let scopes = reader.one_or_many(node, |reader, item| declared.named(reader, item))?;
            Some(UserClaim { name: key.text.clone(), scopes })
        });
        return Some(claims.collect());
    }
    let names = reader.strings(node)?;
    reader.one_or_many(node, |reader, item| {
        let scalar = reader.scalar(item)?;
        check_name(reader, &scalar.text, &scalar.shown(), item.place)
    })?;
    Some(names.into_iter().map(|name| UserClaim { name, scopes: Vec::new() }).collect())
}

fn check_name(reader: &mut Reader, name: &str, shown: &str, place: Place) -> Option<()> {
    if name.is_empty() {
        reader.log.error(place, "a claim has no name", "write the name of a member, like `email`");
        return None;
    }
    if is_protocol_claim(name) {
        let message = format!("`{shown}` is no claim about a user: a protocol gives it its meaning");
        reader.log.error(place, message, "take it out; name attributes, like `email` or `department`");
        return None;
    }
    Some(())
}
