//! `login` of our own issuer: at which of the trusted issuers users log in, and which users have a password here.
//!
//! A provider is one of `trusted_issuers`, so that the same person is the same subject in its own tokens and in ours.
//! Deliberately absent: its endpoints. They are discovered, as its keys are, so that no two places can say two things.

use super::fault::Place;
use super::issuers::Issuers;
use super::model::{IssuerId, KeySource, LoginAuthentication, OpenIdLogin, UserLogin};
use super::read::{Reader, Section};
use super::signing;
use super::url::is_loopback;
use super::yaml::{Key, Node};
use crate::oauth::Scope;

mod users;

/// The longest `client_id` and `client_key_id`, in bytes.
const MAX_ID: usize = 256;

/// The scope without which a provider would not say who the user is (OpenID Connect Core §3.1.2.1).
const OPENID: &str = "openid";

/// What the file says of logging in.
pub(super) struct WrittenLogin {
    /// Where it stands.
    pub(super) place: Place,
    /// Of each provider: where its key is given, or where it begins.
    pub(super) key_places: Vec<Place>,
    /// Nothing if it has faults.
    pub(super) login: Option<UserLogin>,
}

/// Reads `login`.
pub(super) fn login(reader: &mut Reader, node: &Node, issuers: &Issuers) -> WrittenLogin {
    let mut written = WrittenLogin { place: node.owner, key_places: Vec::new(), login: None };
    let before = reader.log.errors();
    let Some(mut section) = reader.section(node, "`login`") else { return written };
    let openid = section.optional(reader, "openid", |reader, node| providers(reader, node, issuers));
    let users = section.optional(reader, "users", |reader, node| users::users(reader, node, issuers));
    section.finish(reader);
    let (openid, users) = (openid.unwrap_or_default(), users.unwrap_or_default());
    if reader.log.errors() > before {
        return written;
    }
    if openid.is_empty() && users.is_empty() {
        let hint = "name a trusted issuer, like `login: { openid: { corp: { client_id: narrowgate, … } } }`";
        reader.log.error(node.owner, "`login` names no way to log in", hint);
        return written;
    }
    let (openid, key_places) = openid.into_iter().unzip();
    (written.login, written.key_places) = (Some(UserLogin { openid, users }), key_places);
    written
}

fn providers(reader: &mut Reader, node: &Node, issuers: &Issuers) -> Option<Vec<(OpenIdLogin, Place)>> {
    let section = reader.section(node, "`openid`")?;
    Some(section.entries().iter().filter_map(|(key, node)| provider(reader, key, node, issuers)).collect())
}

/// A login, with the place of its key.
fn provider(reader: &mut Reader, key: &Key, node: &Node, issuers: &Issuers) -> Option<(OpenIdLogin, Place)> {
    let issuer = known_provider(reader, key, issuers);
    let mut section = reader.section(node, format!("the login at `{}`", key.shown()))?;
    let id_hint = "write the `client_id` that the provider gave this gateway";
    let client_id = section.required(reader, "client_id", id_hint, id);
    let authentication = authentication(reader, &mut section);
    let title = section.optional(reader, "title", Reader::label);
    let scopes = section.optional(reader, "scopes", scopes);
    let userinfo = section.optional(reader, "userinfo", Reader::boolean);
    let place = section.get("client_key").map_or(key.place, |node| node.place);
    section.finish(reader);
    let login = OpenIdLogin {
        issuer: issuer?,
        title: title.unwrap_or_else(|| key.text.clone()),
        client_id: client_id?,
        authentication: authentication?,
        scopes: scopes.or_else(|| Scope::parse(OPENID).ok().map(|openid| vec![openid]))?,
        userinfo: userinfo.unwrap_or(false),
    };
    Some((login, place))
}

/// The issuer of this name, if a login can be begun there: its endpoints can be discovered, and nobody can read along.
fn known_provider(reader: &mut Reader, key: &Key, issuers: &Issuers) -> Option<IssuerId> {
    let Some(id) = issuers.find(&key.text) else {
        let hint = match issuers.0.is_empty() {
            true => "there is no `trusted_issuers`; a provider is one of them".to_owned(),
            false => reader.suggest(&key.text, issuers.names()),
        };
        reader.log.error(key.place, format!("no trusted issuer is called `{}`", key.shown()), hint);
        return None;
    };
    // An issuer with faults has told them.
    let found_by = &issuers.0.get(id.0)?.issuer.as_ref()?.keys;
    let (KeySource::Discovery { issuer: url } | KeySource::DiscoveryAt { url }) = found_by else {
        let message = format!("`{}` is not found by discovery, so nobody knows where users log in there", key.shown());
        let hint = "take `jwks` out of that issuer, or write `discovery:` in its place";
        reader.log.error(key.place, message, hint);
        return None;
    };
    if url.scheme() != "https" && !is_loopback(url) {
        let message =
            format!("`{}` is reached without TLS, so whoever is on the way could log in as anybody", key.shown());
        reader.log.error(key.place, message, "`insecure_http` does not go as far as logins; use `https`");
        return None;
    }
    Some(id)
}

/// How we prove who we are: `client_secret`, `client_key`, or not at all.
fn authentication(reader: &mut Reader, section: &mut Section<'_>) -> Option<LoginAuthentication> {
    let secret = section.optional(reader, "client_secret", Reader::secret);
    let key = section.optional(reader, "client_key", key);
    let kid = section.optional(reader, "client_key_id", id);
    let (has_secret, has_key) = (section.get("client_secret").is_some(), section.get("client_key"));
    if let Some(node) = has_key.filter(|_| has_secret) {
        let message = "`client_secret` and `client_key` both say how this gateway proves who it is there";
        reader.log.error(node.owner, message, "keep the one that the provider expects");
        return None;
    }
    if let Some(node) = section.get("client_key_id").filter(|_| has_key.is_none()) {
        let message = "`client_key_id` names no key: there is no `client_key`";
        reader.log.error(node.owner, message, "write `client_key: \"${file:key.pem}\"` beside it, or take it out");
        return None;
    }
    match (has_secret, has_key) {
        (true, _) => secret.map(LoginAuthentication::Secret),
        (false, Some(_)) => key.map(|pem| LoginAuthentication::Key { pem, kid }),
        (false, None) => Some(LoginAuthentication::None),
    }
}

fn key(reader: &mut Reader, node: &Node) -> Option<crate::secret::Secret> {
    let pem = reader.secret(node)?;
    let Err((why, hint)) = signing::one_private_key(&pem) else { return Some(pem) };
    let is_path = !pem.expose().starts_with(b"-----");
    let hint = if is_path { "bring the file in: `client_key: \"${file:key.pem}\"`" } else { hint };
    reader.log.error(node.place, format!("`client_key` {why}"), hint);
    None
}

fn id(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    // RFC 6749 §A.1.
    if text.len() <= MAX_ID && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Some(text);
    }
    let hint = "at most 256 characters of printable ASCII (RFC 6749 appendix A.1)";
    reader.log.error(node.place, "this id holds what no provider gives, or is too long", hint);
    None
}

fn scopes(reader: &mut Reader, node: &Node) -> Option<Vec<Scope>> {
    let before = reader.log.errors();
    let words = reader.strings(node)?;
    let scopes: Vec<Scope> = words.iter().filter_map(|word| Scope::parse(word).ok()).collect();
    if scopes.len() < words.len() {
        let hint = "a scope is a word without spaces and quotes, like `profile` (RFC 6749 section 3.3)";
        reader.log.error(node.place, "what stands here is not all scopes", hint);
    } else if !words.iter().any(|word| word == OPENID) && reader.log.errors() == before {
        let hint =
            "write it with the others, like `[openid, email]`: without it the provider does not say who logged in";
        reader.log.error(node.place, "`openid` is not among the scopes", hint);
    }
    Some(scopes)
}
