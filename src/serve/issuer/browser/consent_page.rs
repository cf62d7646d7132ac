//! What a user reads before he consents: each API by name and address, and each scope in the words of whoever owns it.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::pages::STYLE;
use super::visit::Visit;
use crate::config::{Client, Resource, ResourceId, is_unseen};
use crate::issuer::{Asked, Destination, Policy, Session, Voucher};
use crate::oauth::Scope;

/// The page.
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentPage<'a> {
    pub(super) client: &'a str,
    pub(super) destination: Destination,
    pub(super) user: User<'a>,
    pub(super) apis: Vec<Api<'a>>,
    /// What is asked for, and not the user's to give.
    pub(super) denied: Vec<&'a str>,
    pub(super) has_changed: bool,
    pub(super) action: String,
    pub(super) transaction: String,
    pub(super) digest: String,
    pub(super) another_account: String,
}

/// Who is logged in, as he knows himself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct User<'a> {
    /// As he calls himself, without what nobody would see.
    pub(super) name: String,
    /// Where he logged in, if that was elsewhere.
    pub(super) provider: Option<&'a str>,
}

/// An API that is asked for.
#[derive(Debug)]
pub(super) struct Api<'a> {
    pub(super) resource: ResourceId,
    pub(super) name: Option<&'a str>,
    pub(super) key: &'a str,
    /// The name of the box by which it is declined as a whole, where unticking its scopes would not do that.
    pub(super) tick: Option<String>,
    pub(super) scopes: Vec<ShownScope<'a>>,
}

/// A scope that is asked for.
#[derive(Debug)]
pub(super) struct ShownScope<'a> {
    pub(super) scope: Scope,
    pub(super) description: Option<&'a str>,
    /// What stands in the place of its parameter.
    pub(super) value: Option<String>,
    pub(super) tick: Tick,
}

/// Whether a scope can be declined by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Tick {
    /// By a box of this name.
    Box(String),
    /// No: every request of the API needs it.
    Needed,
}

impl Api<'_> {
    /// Whether there is something here that cannot be declined by itself.
    pub(super) fn is_needed(&self) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|shown| shown.tick == Tick::Needed)
    }
}

/// What is asked for, in the order in which it is shown.
pub(super) fn apis<'a>(policy: &Policy<'a>, asked: &Asked) -> Vec<Api<'a>> {
    let is_alone = asked.grant.len() == 1;
    let known = asked.grant.iter().filter_map(|(id, scopes)| Some((*id, policy.config.resources.get(id.0)?, scopes)));
    let shown = known.enumerate().map(|(place, (resource, known, scopes))| {
        let scopes =
            scopes.iter().enumerate().map(|(at, scope)| shown(policy, known, scope, format!("scope-{place}-{at}")));
        let mut api = Api {
            resource,
            name: known.name.as_deref(),
            key: known.key.as_str(),
            tick: None,
            scopes: scopes.collect(),
        };
        api.tick = (api.is_needed() && !is_alone).then(|| format!("api-{place}"));
        api
    });
    shown.collect()
}

fn shown<'a>(policy: &Policy<'a>, known: &'a Resource, scope: &Scope, name: String) -> ShownScope<'a> {
    let text = scope.as_str();
    let declared = known.scopes.iter().find(|(pattern, _)| pattern.covers(text));
    let own = declared.and_then(|(_, description)| description.as_deref());
    let is_needed = known.required_scopes.iter().any(|pattern| pattern.covers(text));
    ShownScope {
        description: own.or_else(|| policy.config.scopes.get(scope).map(String::as_str)),
        value: declared.and_then(|(pattern, _)| pattern.value_in(text)).map(str::to_owned),
        tick: if is_needed { Tick::Needed } else { Tick::Box(name) },
        scope: scope.clone(),
    }
}

/// Who is logged in, by what is known of him that people call themselves.
pub(super) fn user<'a>(visit: &Visit<'a>, session: &'a Session) -> User<'a> {
    let called = ["name", "preferred_username", "email"].into_iter();
    let name = called.filter_map(|claim| session.user_claims.get(claim)).find_map(Value::as_str);
    let name = name.filter(|name| !name.trim().is_empty()).unwrap_or(&session.subject.value);
    let name = name.replace(is_unseen, "\u{fffd}");
    let login = visit.server().login.iter().flat_map(|login| &login.openid);
    let provider = login
        .filter_map(|login| Some((visit.policy.config.trusted_issuers.get(login.issuer.0)?, login)))
        .find(|(trusted, _)| session.voucher == Voucher::Provider(trusted.name.clone()));
    User { name, provider: provider.map(|(_, login)| login.title.as_str()) }
}

/// What an answer is bound to: who answers, whom, where the answer goes, and every word that was shown.
pub(super) fn digest_of(asked: &Asked, client: &Client, session: &Session, apis: &[Api<'_>]) -> String {
    let apis = apis.iter().map(|api| {
        let scopes = api
            .scopes
            .iter()
            .map(|shown| json!([shown.scope.as_str(), shown.description, shown.value, shown.tick == Tick::Needed]));
        json!([api.key, api.name, api.tick, scopes.collect::<Vec<_>>()])
    });
    let shown = json!([
        session.subject.to_string(),
        client.id,
        client.shown(),
        asked.to.redirect_uri(),
        apis.collect::<Vec<_>>(),
    ]);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, shown.to_string().as_bytes()))
}
