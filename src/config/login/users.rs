//! `login.users`: users with a password here, for demos and tests.
//!
//! The configuration holds hashes only, and bounds what one costs: whoever tries to log in makes this program compute it.
//! Deliberately absent: a way to change a password, to lock an account, a second factor. Providers have those.

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use serde_json::{Map, Number, Value};

use super::super::fault::FaultKind;
use super::super::issuers::Issuers;
use super::super::model::{LocalUser, UserLogin};
use super::super::read::Reader;
use super::super::yaml::{Key, Kind, Node, Scalar};
use crate::oauth::is_protocol_claim;
use crate::secret::Secret;

/// The most users.
const MAX_USERS: usize = 1000;
/// The longest name, in characters.
const MAX_NAME: usize = 128;
/// What is known of one user at most, in bytes of JSON: it goes into sessions, grants and tokens.
const MAX_CLAIMS: usize = 4 << 10;

/// The most memory that one look at a password takes, in KiB.
const MAX_MEMORY: u32 = 1 << 20;
/// The most passes over that memory.
const MAX_PASSES: u32 = 16;
/// The most of both together, in KiB: a few seconds of one core.
const MAX_WORK: u64 = 2 << 20;
/// The most lanes.
const MAX_LANES: u32 = 16;

/// Reads `users`.
pub(super) fn users(reader: &mut Reader, node: &Node, issuers: &Issuers) -> Option<Vec<LocalUser>> {
    let section = reader.section(node, "`users`")?;
    if section.entries().len() > MAX_USERS {
        let message = format!("there are more than {MAX_USERS} users");
        reader.log.error(
            section.place(),
            message,
            "this list is for demos and tests; let an OpenID provider keep them",
        );
        return None;
    }
    if let Some(issuer) = issuers.0.iter().find(|issuer| issuer.name == UserLogin::LOCAL) {
        let message = "`local` is the prefix of the users in `login.users`";
        reader.log.error(
            issuer.place,
            message,
            "call this issuer something else: its subjects would read like those users",
        );
    }
    if !section.is_empty() {
        let message = "users log in with passwords from this file: that is for demos and tests";
        let hint = "nobody can change or lock one; name an OpenID provider under `login.openid` in production";
        reader.log.tell(FaultKind::LocalUsers, section.place(), message, hint);
    }
    Some(section.entries().iter().filter_map(|(key, node)| user(reader, key, node)).collect())
}

fn user(reader: &mut Reader, key: &Key, node: &Node) -> Option<LocalUser> {
    let name = name(reader, key);
    let mut section = reader.section(node, format!("the user `{}`", key.shown()))?;
    let password = section.required(reader, "password", HOW, password);
    let claims = section.optional(reader, "claims", claims);
    section.finish(reader);
    Some(LocalUser { name: name?, password: password?, claims: claims.unwrap_or_default() })
}

fn name(reader: &mut Reader, key: &Key) -> Option<String> {
    let text = key.text.as_str();
    let why = match text {
        "" => "is empty",
        _ if text.chars().count() > MAX_NAME => "is longer than 128 characters",
        _ if text.trim() != text || text.chars().any(char::is_control) => {
            "begins or ends with a space, or holds a control character"
        }
        _ => return Some(text.to_owned()),
    };
    let hint = "write what the user types, like `alice`; the subject of the tokens is `local|alice` then";
    reader.log.error(key.place, format!("the user name `{}` {why}", key.shown()), hint);
    None
}

/// How to get a hash.
const HOW: &str = "make one with `narrowgate hash-password`, which reads the password from stdin";

/// The hash of a password, never the password.
fn password(reader: &mut Reader, node: &Node) -> Option<Secret> {
    let text = reader.string(node)?;
    let Ok(hash) = PasswordHash::new(&text) else {
        reader.log.error(node.place, "the password stands here itself, or a hash that cannot be read", HOW);
        return None;
    };
    let is_whole = hash.salt.is_some() && hash.hash.is_some() && hash.version == Some(0x13);
    if hash.algorithm.as_str() != "argon2id" || !is_whole {
        reader.log.error(node.place, "the password is not hashed with Argon2id, version 19", HOW);
        return None;
    }
    let Ok(params) = Params::try_from(&hash) else {
        reader.log.error(node.place, "the parameters of this hash cannot be used", HOW);
        return None;
    };
    let (memory, passes) = (params.m_cost(), params.t_cost());
    let work = u64::from(memory) * u64::from(passes);
    if memory > MAX_MEMORY || passes > MAX_PASSES || work > MAX_WORK || params.p_cost() > MAX_LANES {
        let hint = "at most 1 GiB (`m=1048576`), 16 passes, 16 lanes, and 2 GiB of memory times passes; \
                    `narrowgate hash-password` makes one of usual cost";
        reader.log.error(node.place, "every login would cost too much with this hash", hint);
        return None;
    }
    Some(Secret::new(text))
}

/// Reads `claims`: what a provider would say of the user.
fn claims(reader: &mut Reader, node: &Node) -> Option<Map<String, Value>> {
    let section = reader.section(node, "`claims` of a user")?;
    let mut claims = Map::new();
    for (key, node) in section.entries() {
        if key.text.is_empty() {
            reader.log.error(key.place, "a claim has no name", "write the name of a member, like `email`");
        } else if is_protocol_claim(&key.text) {
            let message = format!("`{}` is no claim about a user: a protocol gives it its meaning", key.shown());
            reader.log.error(key.place, message, "take it out; name attributes, like `email` or `department`");
        } else if let Some(value) = value(reader, node) {
            claims.insert(key.text.clone(), value);
        }
    }
    if serde_json::to_string(&claims).map_or(0, |json| json.len()) > MAX_CLAIMS {
        let message = "more is said of this user than a token should carry";
        reader.log.error(section.place(), message, "4 KiB at most, as JSON");
        return None;
    }
    Some(claims)
}

/// A text, a number, a switch, or a list of those.
fn value(reader: &mut Reader, node: &Node) -> Option<Value> {
    match &node.kind {
        Kind::Sequence(_) => reader.list(node, single).map(Value::Array),
        _ => single(reader, node),
    }
}

fn single(reader: &mut Reader, node: &Node) -> Option<Value> {
    reader.scalar(node).map(as_json)
}

/// What stands without quotes may be a switch or a number, as YAML has it.
fn as_json(scalar: &Scalar) -> Value {
    let text = scalar.text.as_str();
    match text {
        "true" if scalar.plain => Value::Bool(true),
        "false" if scalar.plain => Value::Bool(false),
        _ => {
            let number = text.parse::<Number>().ok().filter(|_| scalar.plain);
            number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
    }
}
