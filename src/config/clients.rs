//! `clients` of our own issuer: who may ask for tokens, how each proves who it is, and by which grants it asks.
//!
//! A grant that its client could never use is a fault: whoever wrote it believes that it works. Which tokens a client may
//! have is told by `matrix`.

use std::collections::{BTreeMap, HashMap};

use super::fault::{FaultKind, Place};
use super::issuers::Issuers;
use super::keys;
use super::matrix::{self, Resources, Row, Rows};
use super::model::{Client, ClientAuthentication, GrantType, IssuerId, ResourceId, SecretMethod};
use super::read::{Reader, Section};
use super::yaml::{Key, Node};
use crate::secret::Secret;

use users::{ForUsers, Means, for_users};

pub(super) use users::ONLY_WITH_CODE;

mod users;

/// The longest client id, in bytes.
const MAX_ID: usize = 256;
/// The shortest secret that loads, and the shortest without a warning, in bytes.
const MIN_SECRET: usize = 16;
const GOOD_SECRET: usize = 32;

/// A client, and what only the checks need to know.
pub(super) struct WrittenClient {
    pub(super) id: String,
    /// Where its id stands.
    pub(super) place: Place,
    /// Where it says where its keys are, if it has any.
    pub(super) keys_place: Option<Place>,
    /// Where each resource of its matrix, and each target of its edges, is named.
    pub(super) reached: Vec<(ResourceId, Place)>,
    /// Nothing if it has faults.
    pub(super) client: Option<Client>,
}

/// What the other sections say that a client needs.
pub(super) struct Around<'a> {
    pub(super) issuers: &'a Issuers,
    pub(super) resources: &'a Resources<'a>,
    /// Whether the issuer says how users log in.
    pub(super) has_login: bool,
}

/// Reads `clients`.
pub(super) fn clients(reader: &mut Reader, node: &Node, around: &Around<'_>) -> Option<Vec<WrittenClient>> {
    let section = reader.section(node, "`clients`")?;
    let mut known = KnownAs { issuers: around.issuers, taken: HashMap::new() };
    Some(section.entries().iter().map(|(key, node)| client(reader, key, node, &mut known, around)).collect())
}

fn client<'n>(
    reader: &mut Reader,
    key: &'n Key,
    node: &'n Node,
    known: &mut KnownAs<'n>,
    around: &Around<'_>,
) -> WrittenClient {
    let mut written =
        WrittenClient { id: key.text.clone(), place: key.place, keys_place: None, reached: Vec::new(), client: None };
    let before = reader.log.errors();
    check_id(reader, key);
    let Some(mut section) = reader.section(node, format!("the client `{}`", key.shown())) else { return written };
    let (authentication, secret_method) = authentication(reader, &mut section);
    written.keys_place = section.get("jwks").map(|node| node.place);
    let grants = section.optional(reader, "grants", grants);
    let rows = matrix::rows(reader, &mut section, around.resources);
    let known_as = section.optional(reader, "known_as", |reader, node| known.read(reader, node, &key.text));
    let disabled = section.optional(reader, "disabled", Reader::boolean);
    let for_users = for_users(reader, &mut section);
    let means = Means {
        grants: grants.as_ref().map_or(&[], Vec::as_slice),
        has_rows: section.get("resources").is_some(),
        has_login: around.has_login,
        is_public: section.get("secret").is_none() && section.get("jwks").is_none(),
    };
    check_use(reader, &mut section, &means, &rows);
    users::check(reader, &mut section, key, &means);
    section.finish(reader);
    written.reached = rows.places();
    if reader.log.errors() == before {
        let Rows { resources, default_resource, serves, exchange } = rows;
        let ForUsers { name, redirect_uris, consent, require_pushed_authorization_requests } = for_users;
        let of_row = |row: Row<_>| (row.resource, row.scopes);
        written.client = authentication.map(|authentication| Client {
            id: key.text.clone(),
            name,
            grants: grants.unwrap_or_default().into_iter().map(|(grant, _)| grant).collect(),
            authentication,
            secret_method,
            resources: resources.into_iter().map(of_row).collect(),
            default_resource,
            serves,
            exchange: exchange.into_iter().map(|row| (row.resource, row.scopes)).collect(),
            known_as: known_as.unwrap_or_default(),
            redirect_uris,
            consent,
            require_pushed_authorization_requests,
            disabled: disabled.unwrap_or(false),
        });
    }
    written
}

/// What RFC 6749 §A.1 lets an id hold, without the `|` that sets a foreign one apart.
fn check_id(reader: &mut Reader, key: &Key) {
    let is_legal = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'|';
    let hint = "a client id is printable ASCII without `|`, like `reporting-app` (RFC 6749 appendix A.1)";
    let why = match key.text.as_str() {
        "" => return reader.log.error(key.place, "a client has no id", hint),
        id if id.len() > MAX_ID => "is longer than 256 characters",
        id if id.contains('|') => "holds a `|`",
        id if !id.bytes().all(is_legal) => "holds a character that no client can send",
        _ => return,
    };
    reader.log.error(key.place, format!("the client id `{}` {why}", key.shown()), hint);
}

/// Reads `secret`, `jwks` and `auth`: how a client proves who it is; nothing if that has faults.
fn authentication(
    reader: &mut Reader,
    section: &mut Section<'_>,
) -> (Option<ClientAuthentication>, Option<SecretMethod>) {
    let secrets = section.optional(reader, "secret", secrets);
    let keys = section.optional(reader, "jwks", keys::of_client);
    let (has_secret, jwks) = (section.get("secret").is_some(), section.get("jwks"));
    if let Some(node) = jwks.filter(|_| has_secret) {
        let message = "`secret` and `jwks` both say how the client proves who it is";
        reader.log.error(node.owner, message, "keep `jwks`, which leaves nothing to steal here, or `secret`");
        return (None, None);
    }
    let (what, fitting): (_, &[&str]) = match (has_secret, jwks) {
        (true, _) => ("a `secret`", &["client_secret_basic", "client_secret_post"]),
        (false, Some(_)) => ("`jwks`", &["private_key_jwt"]),
        (false, None) => ("neither `secret` nor `jwks`", &["none"]),
    };
    let method = section.optional(reader, "auth", |reader, node| {
        let words = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
        let method = reader.choice(node, "way to authenticate", &words.map(|word| (word, word)))?;
        if !fitting.contains(&method) {
            let message = format!("`{method}` does not fit: the client has {what}");
            reader.log.error(node.place, message, format!("write `{}`, or leave the key out", fitting.join("` or `")));
        }
        Some(SecretMethod::ALL.into_iter().find(|known| known.as_str() == method))
    });
    let authentication = match (has_secret, jwks) {
        (true, _) => secrets.map(ClientAuthentication::Secrets),
        (false, Some(_)) => keys.map(ClientAuthentication::Keys),
        (false, None) => Some(ClientAuthentication::None),
    };
    (authentication, method.flatten())
}

/// One secret, or the new one and the old one.
fn secrets(reader: &mut Reader, node: &Node) -> Option<Vec<Secret>> {
    let before = reader.log.errors();
    let mut secrets: Vec<Secret> = Vec::new();
    reader.one_or_many(node, |reader, item| {
        let secret = secret(reader, item)?;
        if secrets.contains(&secret) {
            reader.log.error(item.place, "this secret stands here twice", "write the new one and the old one");
        }
        secrets.push(secret);
        Some(())
    })?;
    let hint = "write `secret: \"${NAME}\"`, or `[\"${NEW}\", \"${OLD}\"]` while one takes the place of the other";
    match secrets.len() {
        0 if reader.log.errors() == before => reader.log.error(node.owner, "`secret` is an empty list", hint),
        0..=2 => {}
        _ => reader.log.error(node.owner, "there are more than two secrets", hint),
    }
    (reader.log.errors() == before).then_some(secrets)
}

fn secret(reader: &mut Reader, node: &Node) -> Option<Secret> {
    let secret = reader.secret(node)?;
    let hint = "make a long one, for example with `openssl rand -base64 32`";
    if !secret.expose().iter().all(|byte| (0x20..=0x7e).contains(byte)) {
        let message = "the secret holds a character that no client can send";
        reader.log.error(node.place, message, "a client secret is printable ASCII (RFC 6749 appendix A.2)");
        return None;
    }
    match secret.expose().len() {
        ..MIN_SECRET => {
            let message = format!("the secret is shorter than {MIN_SECRET} characters");
            reader.log.error(node.place, message, hint);
        }
        MIN_SECRET..GOOD_SECRET => {
            let message = format!("the secret is shorter than {GOOD_SECRET} characters");
            reader.log.tell(FaultKind::SecretShort, node.place, message, hint);
        }
        _ => {}
    }
    Some(secret)
}

/// Reads `grants`, each with its place.
fn grants(reader: &mut Reader, node: &Node) -> Option<Vec<(GrantType, Place)>> {
    let mut seen = Vec::new();
    reader.one_or_many(node, |reader, item| {
        let grant = grant(reader, item)?;
        if seen.contains(&grant) {
            reader.repeated(item);
            return None;
        }
        seen.push(grant);
        Some((grant, item.place))
    })
}

fn grant(reader: &mut Reader, node: &Node) -> Option<GrantType> {
    let words = [
        ("authorization_code", GrantType::AuthorizationCode),
        ("refresh_token", GrantType::RefreshToken),
        ("client_credentials", GrantType::ClientCredentials),
        ("token_exchange", GrantType::TokenExchange),
    ];
    reader.choice(node, "grant", &words)
}

/// Refuses what a client could never use. What is there counts, also where it has faults of its own.
fn check_use(reader: &mut Reader, section: &mut Section<'_>, means: &Means<'_>, rows: &Rows) {
    let (is_public, has_rows) = (means.is_public, means.has_rows);
    let has_edges = section.get("exchange").is_some();
    for (grant, place) in means.grants {
        let (word, leads_nowhere) = match grant {
            GrantType::TokenExchange => ("token_exchange", !has_rows && !has_edges),
            GrantType::ClientCredentials => (grant.as_str(), !has_rows),
            // Those that users give have a judge of their own.
            GrantType::AuthorizationCode | GrantType::RefreshToken => continue,
        };
        if is_public {
            let message = format!("`{word}` is for clients that prove who they are");
            reader.log.error(*place, message, "give the client a `secret` or `jwks`, or take the grant out");
        } else if leads_nowhere {
            let also = if *grant == GrantType::TokenExchange { " or `exchange`" } else { "" };
            let hint = format!("list under `resources`{also} where it may have tokens, or take the grant out");
            reader.log.error(*place, format!("`{word}` leads nowhere: the client may have no token"), hint);
        }
    }
    let exchanges = means.grants.iter().any(|(grant, _)| *grant == GrantType::TokenExchange);
    if let Some(node) = section.get("exchange").filter(|_| !exchanges) {
        let hint = "add it to `grants`, or take `exchange` out";
        reader.log.error(node.owner, "`exchange` does nothing without the grant `token_exchange`", hint);
    }
    if let Some(node) = section.get("serves").filter(|_| is_public && rows.serves.is_some()) {
        let message = "a client without a proof of who it is cannot serve a resource";
        reader.log.error(node.owner, message, "give it a `secret` or `jwks`: anybody could say that he is that API");
    }
}

/// `known_as` of all clients: a foreign client id is one client of ours at most.
struct KnownAs<'n> {
    issuers: &'n Issuers,
    /// Which of our clients a foreign one is.
    taken: HashMap<(IssuerId, String), &'n str>,
}

impl<'n> KnownAs<'n> {
    fn read(&mut self, reader: &mut Reader, node: &Node, client: &'n str) -> Option<BTreeMap<IssuerId, String>> {
        let section = reader.section(node, "`known_as`")?;
        let mut known = BTreeMap::new();
        for (key, node) in section.entries() {
            let Some(issuer) = self.issuers.find(&key.text) else {
                let hint = match self.issuers.0.is_empty() {
                    true => "there is no `trusted_issuers`".to_owned(),
                    false => reader.suggest(&key.text, self.issuers.names()),
                };
                reader.log.error(key.place, format!("no trusted issuer is called `{}`", key.shown()), hint);
                continue;
            };
            let Some(id) = reader.string(node) else { continue };
            if let Some(other) = self.taken.insert((issuer, id.clone()), client) {
                let message = format!("`{other}` is known by this id at `{}` already", key.shown());
                reader.log.error(node.place, message, "one foreign client is one client here; take one of the two out");
                continue;
            }
            known.insert(issuer, id);
        }
        Some(known)
    }
}
