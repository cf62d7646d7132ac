//! `resources`: what is served. Each entry drives routing, the audience check and the metadata at once.

use std::time::Duration;

use super::authorization_server;
use super::claims;
use super::defaults::{self, Shared};
use super::fault::Place;
use super::issuers::Issuers;
use super::matching;
use super::model::{BroadTokens, Forward, IssuerId, Limits, Match, OnRemoval, Resource, Unmatched};
use super::read::{Reader, Section};
use super::rules;
use super::scopes::{self, Declared};
use super::signing;
use super::upstream;
use super::user_claims;
use super::vouching::{self, Vouching};
use super::yaml::{Key, Node};
use crate::oauth::{InvalidIndicator, ResourceIndicator, ScopePattern};

/// What has no meaning where nobody is asked for a token.
pub(super) const ONLY_PROTECTED: [&str; 10] = [
    "scopes",
    "required_scopes",
    "issuers",
    "broad_tokens",
    "identity_headers",
    "allowed_clients",
    "user_claims",
    "access",
    "signing_algorithm",
    "lifetimes",
];

/// A resource, and what only the checks need to know.
pub(super) struct WrittenResource {
    pub(super) key: String,
    /// Where the key stands.
    pub(super) place: Place,
    /// Where it says what is its own, if not by the key.
    pub(super) match_place: Option<Place>,
    /// Where it says, or `defaults` for it, how broad tokens are treated.
    pub(super) broad_tokens_place: Option<Place>,
    /// Every scope that a request may need, with the place that says so.
    pub(super) demanded: Vec<(ScopePattern, Place)>,
    /// Every entry of `audiences`, with its place.
    pub(super) audiences: Vec<(IssuerId, String, Place)>,
    /// The clients of our own issuer in `allowed_clients`, with their places.
    pub(super) own_clients: Vec<(String, Place)>,
    /// Where it says which users it is for, if it does.
    pub(super) access_place: Option<Place>,
    /// Nothing if it has faults that leave nothing to check.
    pub(super) resource: Option<Resource>,
}

/// What the other sections say that a resource needs.
pub(super) struct Surroundings<'s> {
    pub(super) issuers: &'s Issuers,
    pub(super) defaults: &'s Shared,
    pub(super) limits: &'s Limits,
    /// Whether there is an issuer of our own.
    pub(super) has_issuer: bool,
}

/// Reads `resources`.
pub(super) fn resources(reader: &mut Reader, node: &Node, around: &Surroundings<'_>) -> Option<Vec<WrittenResource>> {
    let section = reader.section(node, "`resources`")?;
    if section.is_empty() {
        let hint = "write at least one, like `https://api.example.com: { upstream: http://127.0.0.1:9001 }`";
        reader.log.error(section.place(), "there is no resource", hint);
    }
    Some(section.entries().iter().map(|(key, node)| resource(reader, key, node, around)).collect())
}

fn resource(reader: &mut Reader, key: &Key, node: &Node, around: &Surroundings<'_>) -> WrittenResource {
    let mut written = WrittenResource {
        key: key.text.clone(),
        place: key.place,
        match_place: None,
        broad_tokens_place: None,
        demanded: Vec::new(),
        audiences: Vec::new(),
        own_clients: Vec::new(),
        access_place: None,
        resource: None,
    };
    let indicator = indicator(reader, key);
    if let Some(mut section) = reader.section(node, format!("the resource `{}`", key.shown())) {
        written.resource = content(reader, indicator, &mut section, around, &mut written);
        section.finish(reader);
    }
    written
}

fn indicator(reader: &mut Reader, key: &Key) -> Option<ResourceIndicator> {
    let why = match ResourceIndicator::parse(&key.text) {
        Ok(indicator) => return Some(indicator),
        Err(why) => why,
    };
    let (message, hint) = match &why {
        InvalidIndicator::NotCanonical(canonical) => {
            ("is not in its one canonical spelling".to_owned(), format!("write `{canonical}`"))
        }
        InvalidIndicator::NotAbsolute => {
            (why.to_string(), "write the public URL of the API, like `https://api.example.com`".to_owned())
        }
        InvalidIndicator::Insecure => {
            (why.to_string(), "write `https`: it is what clients see, not how they connect".to_owned())
        }
        InvalidIndicator::Query | InvalidIndicator::Fragment | InvalidIndicator::UserInformation => {
            (why.to_string(), "a key is scheme, host, port and path alone".to_owned())
        }
        InvalidIndicator::TooLong
        | InvalidIndicator::Character
        | InvalidIndicator::Host
        | InvalidIndicator::Port
        | InvalidIndicator::Path => (why.to_string(), "write it like `https://api.example.com/orders`".to_owned()),
    };
    let verb = if message.starts_with("not ") || message.starts_with("longer ") { "is " } else { "" };
    reader.log.error(key.place, format!("the resource `{}` {verb}{message}", key.shown()), hint);
    None
}

fn content(
    reader: &mut Reader,
    key: Option<ResourceIndicator>,
    section: &mut Section<'_>,
    around: &Surroundings<'_>,
    written: &mut WrittenResource,
) -> Option<Resource> {
    let name = section.optional(reader, "name", Reader::string);
    let public = section.optional(reader, "public", Reader::boolean).unwrap_or(false);
    if public {
        refuse_protection(reader, section);
    }
    let matches = matches(reader, section, key.as_ref(), written);
    let strip_prefix = section.optional(reader, "strip_prefix", Reader::boolean);
    let upstream_hint = "say where its requests go, like `upstream: http://127.0.0.1:9001`";
    let upstream = section
        .required(reader, "upstream", upstream_hint, |reader, node| upstream::upstream(reader, node, around.limits));
    let mut declared = section.get("scopes").map(|node| scopes::declared(reader, node)).unwrap_or_default();
    let required_scopes = section.optional(reader, "required_scopes", |reader, node| {
        reader.one_or_many(node, |reader, item| required_scope(reader, item, &mut declared))
    });
    let rules = section.optional(reader, "rules", |reader, node| rules::rules(reader, node, &mut declared, public));
    written.demanded = std::mem::take(&mut declared.demanded);
    let vouching = vouching(reader, section, around.issuers, &declared, public);
    written.audiences.clone_from(&vouching.audiences);
    let allowed_clients = section.optional(reader, "allowed_clients", |reader, node| {
        vouching::allowed_clients(reader, node, around, &vouching, &mut written.own_clients)
    });
    let said = defaults::shared(reader, section, around.has_issuer);
    // A public resource sees credentials only if it says so itself.
    let own_forward = said.forward;
    let shared = said.or(around.defaults);
    let forward = if public { own_forward } else { shared.forward };
    if let Some(node) = section.get("forward").filter(|_| public && own_forward == Some(Forward::Narrowed)) {
        let message = "`forward: narrowed` has no meaning at a public resource: nobody is asked for a token";
        reader.log.error(node.owner, message, "take it or `public: true` out");
    }
    written.broad_tokens_place = shared.broad_tokens.map(|(_, place)| place);
    if let Some((BroadTokens::Narrow, place)) =
        shared.broad_tokens.filter(|_| !public && forward == Some(Forward::Token))
    {
        let message = "`broad_tokens: narrow` keeps broad tokens from the API, and `forward: token` hands them over";
        reader.log.error(place, message, "write `forward: narrowed` beside it, or `forward: none`");
    }
    let user_claims =
        section.optional(reader, "user_claims", |reader, node| user_claims::read(reader, node, &declared));
    written.access_place = section.get("access").map(|node| node.owner);
    let access = section.optional(reader, "access", claims::require);
    let signing_algorithm = section.optional(reader, "signing_algorithm", signing::algorithm);
    let most = around.has_issuer.then_some(around.limits.token_lifetime);
    let access_token_lifetime =
        section.optional(reader, "lifetimes", |reader, node| lifetimes(reader, node, most)).flatten();
    section.not_yet(reader, "proof", "leave it out: a token that is bound to a key is refused");
    section.not_yet(reader, "forward_auth", "leave it out: requests go through this gateway");
    section.not_yet(reader, "accept_unbound", "leave it out: a token that names no audience is refused");
    Some(Resource {
        key: key?,
        name,
        public,
        matches: matches?,
        strip_prefix: strip_prefix.unwrap_or(false),
        upstream: upstream?,
        scopes: declared.scopes,
        required_scopes: required_scopes.unwrap_or_default(),
        rules: rules.unwrap_or_default(),
        unmatched: shared.unmatched.unwrap_or(Unmatched::Allow),
        issuers: vouching.issuers,
        own_issuer: vouching.own,
        broad_tokens: shared.broad_tokens.map_or(BroadTokens::Reject, |(broad_tokens, _)| broad_tokens),
        forward: forward.unwrap_or(Forward::None),
        identity_headers: shared.identity_headers.filter(|_| !public).unwrap_or_default(),
        cors: shared.cors,
        allowed_clients,
        path_parameters: shared.path_parameters.unwrap_or(false),
        websocket: shared.websocket.unwrap_or(false),
        on_removal: shared.on_removal.unwrap_or(OnRemoval::Drain),
        body_bytes: shared.body_bytes.unwrap_or(around.limits.body_bytes),
        user_claims: user_claims.unwrap_or_default(),
        access: access.unwrap_or_default(),
        signing_algorithm,
        access_token_lifetime,
    })
}

fn refuse_protection(reader: &mut Reader, section: &mut Section<'_>) {
    for key in ONLY_PROTECTED {
        if let Some(node) = section.get(key) {
            let message = format!("`{key}` has no meaning at a public resource: nobody is asked for a token");
            reader.log.error(node.owner, message, format!("take `{key}` or `public: true` out"));
        }
    }
}

fn matches(
    reader: &mut Reader,
    section: &mut Section<'_>,
    key: Option<&ResourceIndicator>,
    written: &mut WrittenResource,
) -> Option<Match> {
    if let Some(node) = section.get("match") {
        written.match_place = Some(node.owner);
        return matching::by_match(reader, node, key);
    }
    let matches = key.and_then(matching::by_key);
    if key.is_some() && matches.is_none() {
        let hint = "a key that is no `https` URL names no host; write `match: { hosts: [api.example.com] }`";
        reader.log.error(written.place, format!("the resource `{}` has no `match`", written.key), hint);
    }
    matches
}

/// A scope that every request needs, so there is no path that could fill in a value.
fn required_scope(reader: &mut Reader, node: &Node, declared: &mut Declared) -> Option<ScopePattern> {
    let scope = declared.demanded(reader, node)?;
    if scope.parameter().is_some() {
        let message = format!("`{}` takes its value from a path", reader.scalar(node)?.shown());
        reader.log.error(node.place, message, "demand it by a rule whose path has that parameter");
        return None;
    }
    Some(scope)
}

fn vouching(
    reader: &mut Reader,
    section: &mut Section<'_>,
    issuers: &Issuers,
    declared: &Declared,
    public: bool,
) -> Vouching {
    if public {
        return vouching::nobody();
    }
    match section.get("issuers") {
        None => vouching::everybody(issuers),
        Some(node) => {
            let written = vouching::vouching(reader, node, issuers, declared);
            written.unwrap_or_else(|| vouching::everybody(issuers))
        }
    }
}

fn lifetimes(reader: &mut Reader, node: &Node, most: Option<Duration>) -> Option<Option<Duration>> {
    let mut section = reader.section(node, "`lifetimes`")?;
    let lifetime = authorization_server::access_token(reader, &mut section, most);
    section.finish(reader);
    Some(lifetime)
}
