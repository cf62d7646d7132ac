//! What resources may say and `defaults` may say for all of them.

use super::cors;
use super::fault::Place;
use super::headers;
use super::limits::MAX_BODY;
use super::model::{BroadTokens, Cors, Forward, IdentityHeader, OnRemoval, Unmatched};
use super::read::{Reader, Section};
use super::yaml::{Kind, Node};

/// The keys that `defaults` and a resource share; nothing where nothing is said.
#[derive(Clone, Default)]
pub(super) struct Shared {
    pub(super) forward: Option<Forward>,
    pub(super) identity_headers: Option<Vec<IdentityHeader>>,
    pub(super) cors: Option<Cors>,
    /// With the place where it is said.
    pub(super) broad_tokens: Option<(BroadTokens, Place)>,
    pub(super) body_bytes: Option<u64>,
    pub(super) unmatched: Option<Unmatched>,
    pub(super) path_parameters: Option<bool>,
    pub(super) websocket: Option<bool>,
    pub(super) on_removal: Option<OnRemoval>,
}

/// Reads `defaults`.
pub(super) fn defaults(reader: &mut Reader, node: &Node, has_issuer: bool) -> Option<Shared> {
    let mut section = reader.section(node, "`defaults`")?;
    let shared = shared(reader, &mut section, has_issuer);
    section.finish(reader);
    Some(shared)
}

/// Reads the shared keys of a section. Without an issuer of our own nothing can be narrowed.
pub(super) fn shared(reader: &mut Reader, section: &mut Section<'_>, has_issuer: bool) -> Shared {
    section.not_yet(reader, "mode", "leave it out: every request is judged");
    Shared {
        forward: section.optional(reader, "forward", |reader, node| {
            let forward = forward(reader, node)?;
            needs_issuer(reader, node, forward == Forward::Narrowed, has_issuer)?;
            Some(forward)
        }),
        identity_headers: section.optional(reader, "identity_headers", headers::identity_headers),
        cors: section.optional(reader, "cors", cors::cors),
        broad_tokens: section.optional(reader, "broad_tokens", |reader, node| {
            let broad_tokens = broad_tokens(reader, node)?;
            needs_issuer(reader, node, broad_tokens == BroadTokens::Narrow, has_issuer)?;
            Some((broad_tokens, node.owner))
        }),
        body_bytes: section.optional(reader, "body_bytes", |reader, node| reader.size(node, 1..=MAX_BODY)),
        unmatched: section.optional(reader, "unmatched", |reader, node| {
            let words = [("allow", Unmatched::Allow), ("refuse", Unmatched::Refuse)];
            reader.choice(node, "answer to requests that no rule matches", &words)
        }),
        path_parameters: section.optional(reader, "path_parameters", Reader::boolean),
        websocket: section.optional(reader, "upgrade", upgrade),
        on_removal: section.optional(reader, "on_removal", |reader, node| {
            let words = [("drain", OnRemoval::Drain), ("close", OnRemoval::Close)];
            reader.choice(node, "end for what is under way when the resource is removed", &words)
        }),
    }
}

impl Shared {
    /// What is said here, else what `other` says. A map of identity headers replaces the other one whole.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            forward: self.forward.or(other.forward),
            identity_headers: self.identity_headers.or_else(|| other.identity_headers.clone()),
            cors: self.cors.or_else(|| other.cors.clone()),
            broad_tokens: self.broad_tokens.or(other.broad_tokens),
            body_bytes: self.body_bytes.or(other.body_bytes),
            unmatched: self.unmatched.or(other.unmatched),
            path_parameters: self.path_parameters.or(other.path_parameters),
            websocket: self.websocket.or(other.websocket),
            on_removal: self.on_removal.or(other.on_removal),
        }
    }
}

fn forward(reader: &mut Reader, node: &Node) -> Option<Forward> {
    let words = [("none", Forward::None), ("token", Forward::Token), ("narrowed", Forward::Narrowed)];
    reader.choice(node, "credential that is forwarded", &words)
}

fn broad_tokens(reader: &mut Reader, node: &Node) -> Option<BroadTokens> {
    let words = [
        ("reject", BroadTokens::Reject),
        ("strict", BroadTokens::Strict),
        ("narrow", BroadTokens::Narrow),
        ("accept", BroadTokens::Accept),
    ];
    reader.choice(node, "way to treat broad tokens", &words)
}

/// Refuses a word that has somebody mint tokens, where there is nobody.
fn needs_issuer(reader: &mut Reader, node: &Node, narrows: bool, has_issuer: bool) -> Option<()> {
    if !narrows || has_issuer {
        return Some(());
    }
    let message = format!("`{}` needs an `issuer`, and there is none", reader.scalar(node)?.shown());
    let hint = "narrowed tokens are minted here: add `issuer: { url: https://auth.example.com }` at the top";
    reader.log.error(node.place, message, hint);
    None
}

/// `[websocket]`, or `[]`.
fn upgrade(reader: &mut Reader, node: &Node) -> Option<bool> {
    if let Kind::Scalar(_) | Kind::Sequence(_) = node.kind {
        let protocols = reader.one_or_many(node, |reader, item| {
            reader.choice(item, "protocol that a connection may switch to", &[("websocket", ())])
        })?;
        return Some(!protocols.is_empty());
    }
    reader.unexpected(node, "a list", "write `[websocket]`, or `[]` for none");
    None
}
