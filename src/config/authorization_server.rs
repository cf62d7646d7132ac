//! `issuer`: the companion authorization server, as far as it is not its clients.
//!
//! Its URL is a name first: clients and resource servers compare it byte for byte with `iss` (RFC 8414 §3.3, RFC 9207), so
//! it has one spelling, and nothing here repairs it. Deliberately absent: a way to serve it in the clear beyond this
//! machine.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::clients::{self, WrittenClient};
use super::fault::{FaultKind, Place};
use super::issuers::Issuers;
use super::login::{self, WrittenLogin};
use super::matrix::Resources;
use super::model::{AuthorizationServer, KeyOrigin, LONGEST_ACCESS_TOKEN, Limits};
use super::read::{Reader, Section};
use super::signing::{self, WrittenSigning};
use super::yaml::Node;
use crate::oauth::{InvalidIndicator, ResourceIndicator};

/// Bounds of the life of a minted token; longer than [`LONG_LIFETIME`] is worth a warning (RFC 6750 §5.3).
const MIN_LIFETIME: Duration = Duration::from_secs(10);
const LONG_LIFETIME: Duration = Duration::from_secs(3600);
const USUAL_LIFETIME: Duration = Duration::from_secs(300);

/// Bounds of the life of a code: whoever gets one redeems it at once (RFC 9700 §2.1.1 wants it short).
const CODE: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(60);
/// Bounds of the life of a user's grant.
const REFRESH_TOKEN: RangeInclusive<Duration> = Duration::from_secs(3600)..=Duration::from_secs(365 * 24 * 3600);
/// Bounds of how long a user stays logged in.
const SESSION: RangeInclusive<Duration> = Duration::from_secs(300)..=Duration::from_secs(30 * 24 * 3600);

/// The longest chain of actors that may be allowed, and what is allowed where nobody says.
const MAX_DEPTH: u64 = 8;
const USUAL_DEPTH: u64 = 4;

/// Our own issuer, and what only the checks need to know.
pub(super) struct WrittenServer {
    /// Where its section begins.
    pub(super) place: Place,
    /// Its URL as it was written, and where; nothing if that cannot be used.
    pub(super) url: Option<(String, Url, Place)>,
    /// Its clients, in the order of the file; one with faults keeps its place.
    pub(super) clients: Vec<WrittenClient>,
    /// Where each of its key files is named.
    pub(super) key_files: Vec<Place>,
    /// Whether its keys come from files.
    pub(super) has_key_files: bool,
    /// How users log in, if they do.
    pub(super) login: Option<WrittenLogin>,
    /// Nothing if it has faults.
    pub(super) server: Option<AuthorizationServer>,
}

/// What the other sections say that the issuer needs.
pub(super) struct Neighbours<'n> {
    pub(super) issuers: &'n Issuers,
    pub(super) resources: &'n Resources<'n>,
    pub(super) limits: &'n Limits,
}

/// Reads `issuer`.
pub(super) fn server(reader: &mut Reader, node: &Node, around: &Neighbours<'_>) -> Option<WrittenServer> {
    let mut section = reader.section(node, "`issuer`")?;
    let place = section.place();
    let url_hint = "write the public URL of this issuer, like `url: https://auth.example.com`";
    let url = section.required(reader, "url", url_hint, url);
    let most = around.limits.token_lifetime;
    let lifetimes =
        section.optional(reader, "lifetimes", |reader, node| lifetimes(reader, node, most)).unwrap_or_default();
    let exchange_depth = section.optional(reader, "exchange_depth", |reader, node| reader.integer(node, 0..=MAX_DEPTH));
    let development_tokens = section.optional(reader, "development_tokens", development_tokens).unwrap_or(false);
    let login = section.get("login").map(|node| login::login(reader, node, around.issuers));
    let has_login = login.is_some();
    let WrittenSigning { signing, key_files } =
        section.get("signing").map_or_else(WrittenSigning::usual, |node| signing::signing(reader, node, has_login));
    let around = clients::Around { issuers: around.issuers, resources: around.resources, has_login };
    let clients = section.optional(reader, "clients", |reader, node| clients::clients(reader, node, &around));
    section.finish(reader);
    let clients = clients.unwrap_or_default();
    let read: Option<Vec<_>> = clients.iter().map(|written| written.client.clone()).collect();
    let has_key_files = signing.as_ref().is_some_and(|signing| matches!(signing.keys, KeyOrigin::Files(_)));
    let server = url.as_ref().zip(signing).zip(read).map(|(((issuer, url, _), signing), clients)| {
        let (issuer, url) = (issuer.clone(), url.clone());
        let access_token_lifetime = lifetimes.access_token.unwrap_or(USUAL_LIFETIME.min(most));
        let exchange_depth = usize::try_from(exchange_depth.unwrap_or(USUAL_DEPTH)).unwrap_or(usize::MAX);
        AuthorizationServer {
            issuer,
            url,
            access_token_lifetime,
            code_lifetime: lifetimes.code.unwrap_or(AuthorizationServer::CODE_LIFETIME),
            refresh_token_lifetime: lifetimes.refresh_token.unwrap_or(AuthorizationServer::REFRESH_TOKEN_LIFETIME),
            session_lifetime: lifetimes.session.unwrap_or(AuthorizationServer::SESSION_LIFETIME),
            login: login.as_ref().and_then(|written| written.login.clone()),
            exchange_depth,
            development_tokens,
            signing,
            clients,
        }
    });
    Some(WrittenServer { place, url, clients, key_files, has_key_files, login, server })
}

/// Whoever reaches the admin address may be anybody then, so it is told wherever it is on.
fn development_tokens(reader: &mut Reader, node: &Node) -> Option<bool> {
    let is_on = reader.boolean(node)?;
    if is_on {
        let message = "`narrowgate token` makes tokens for any subject, without a login";
        let hint = "take it out in production: whoever may order a reload can be anybody";
        reader.log.tell(FaultKind::DevelopmentTokens, node.place, message, hint);
    }
    Some(is_on)
}

/// The issuer's URL: a resource's key could be written no other way, and it has no final slash besides.
fn url(reader: &mut Reader, node: &Node) -> Option<(String, Url, Place)> {
    let scalar = reader.scalar(node)?;
    let shown = match scalar.text.contains('@') {
        // What stands before an `@` may be a password.
        true => "this URL".into(),
        false => format!("`{}`", scalar.shown()),
    };
    let fault = |reader: &mut Reader, why: &str, hint: String| {
        reader.log.error(node.place, format!("{shown} {why}, so it cannot be the issuer"), hint);
        None
    };
    let like = || "write it like `https://auth.example.com`".to_owned();
    let text = scalar.text.as_str();
    if let Some(bare) = text.strip_suffix('/') {
        let hint = format!("write `{}`: `iss` is compared byte for byte", reader.public(bare));
        return fault(reader, "ends in a slash", if scalar.written.is_some() { like() } else { hint });
    }
    match ResourceIndicator::parse(text) {
        Ok(known) if known.is_http() => {}
        Ok(_) => return fault(reader, "is no `https` URL", like()),
        Err(InvalidIndicator::NotCanonical(canonical)) => {
            let hint = if scalar.written.is_some() { like() } else { format!("write `{canonical}`") };
            return fault(reader, "is not in its one canonical spelling", hint);
        }
        Err(why) => {
            let hint = match why {
                InvalidIndicator::Insecure => "write `https`; plain `http` is for this machine alone".to_owned(),
                InvalidIndicator::Query | InvalidIndicator::Fragment | InvalidIndicator::UserInformation => {
                    "an issuer is scheme, host, port and path alone (RFC 8414 section 2)".to_owned()
                }
                _ => like(),
            };
            let why = why.to_string();
            let verb = if why.starts_with("not ") || why.starts_with("longer ") { "is " } else { "" };
            return fault(reader, &format!("{verb}{why}"), hint);
        }
    }
    let Ok(url) = Url::parse(text) else {
        return fault(reader, "has no valid host or port", like());
    };
    if url.path().to_ascii_lowercase().starts_with("/.well-known") {
        return fault(reader, "lies among the well-known documents (RFC 8615)", "give it another path".to_owned());
    }
    Some((text.to_owned(), url, node.place))
}

/// What `lifetimes` of the issuer says.
#[derive(Default)]
struct Lifetimes {
    access_token: Option<Duration>,
    code: Option<Duration>,
    refresh_token: Option<Duration>,
    session: Option<Duration>,
}

/// Reads `lifetimes` of the issuer.
fn lifetimes(reader: &mut Reader, node: &Node, most: Duration) -> Option<Lifetimes> {
    let mut section = reader.section(node, "`lifetimes` of the issuer")?;
    let access_token = access_token(reader, &mut section, Some(most));
    let mut one = |key, bounds| section.optional(reader, key, |reader, node| reader.duration(node, bounds));
    let lifetimes = Lifetimes {
        access_token,
        code: one("code", CODE),
        refresh_token: one("refresh_token", REFRESH_TOKEN),
        session: one("session", SESSION),
    };
    section.finish(reader);
    Some(lifetimes)
}

/// Reads `access_token` of `lifetimes`, here or at a resource. `most` is what the gate takes, where it counts.
pub(super) fn access_token(reader: &mut Reader, section: &mut Section<'_>, most: Option<Duration>) -> Option<Duration> {
    section.optional(reader, "access_token", |reader, node| {
        let lifetime = reader.duration(node, MIN_LIFETIME..=LONGEST_ACCESS_TOKEN)?;
        if most.is_some_and(|most| lifetime > most) {
            let message = "access tokens would live longer than `limits.token_lifetime` allows";
            reader.log.error(node.place, message, "this gateway would refuse its own tokens; shorten one of the two");
        } else if lifetime > LONG_LIFETIME {
            let hint = "a stolen token works until it expires; an hour at most is the rule (RFC 6750 section 5.3)";
            reader.log.tell(FaultKind::LifetimeLong, node.place, "access tokens live longer than an hour", hint);
        }
        Some(lifetime)
    })
}
