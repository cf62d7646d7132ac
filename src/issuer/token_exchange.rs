//! Another token instead of one that the client holds (RFC 8693): the four questions, all of which must be answered yes.
//!
//! *Genuine*: is the subject token one that may be exchanged here at all? *Whose*: what is this client to it?
//! *Where to*: does that lead to the target? *What*: which of its rights arrive there? The proof of the tokens is done
//! before; nothing here could make up for a missing one.
//!
//! Deliberately absent: a token without a subject token, a refresh token, impersonation. Whoever carries a token of others
//! on is named in `act`.

use super::client_credentials::check_grant;
use super::grant::{Holder, Parts};
use super::policy::is_known_as;
use super::scopes::{carried, kept, mapped};
use super::target::named;
use super::{Grant, MayAct, Party, Policy, Refusal, TokenFacts, TokenIssuer, Wanted};
use crate::config::{Client, EdgeScope, GrantType, IssuerId, PlainSubjects, ResourceId, SubjectForm, TrustedIssuer};

/// One exchange.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Who asks, authenticated.
    pub client: &'a Client,
    /// For what.
    pub wanted: &'a Wanted,
    /// The token that it holds.
    pub subject: &'a TokenFacts,
    /// The token that says who acts, if the client brings one.
    pub actor: Option<&'a TokenFacts>,
}

/// What a client is to a subject token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relation {
    /// The token was issued to it.
    Own,
    /// The token is addressed to the resource that it serves.
    Addressed,
    /// The token's `may_act` names it.
    Named,
}

/// How a subject token leads to the target.
enum Way<'a> {
    /// It stays in the hands of its client.
    Stays,
    /// It is carried on, over an edge; its scopes mean what they mean at this resource.
    CarriedOn { from: ResourceId, edge: &'a [EdgeScope] },
}

/// The resource that an exchange is for: what its tokens have to be proven for.
///
/// # Errors
///
/// [`Refusal`] if the client has not got the grant, or names no resource, several, or one out of its reach.
pub fn exchange_target(policy: &Policy<'_>, client: &Client, wanted: &Wanted) -> Result<ResourceId, Refusal> {
    check_grant(client, GrantType::TokenExchange)?;
    named(policy, client, wanted)?.ok_or(Refusal::TargetMissing)
}

/// Decides what comes of an exchange.
///
/// # Errors
///
/// [`Refusal`] says which question was answered with no; a bad subject or actor token is `invalid_request`, whatever is
/// wrong with it (RFC 8693 §2.2.2), and a user who may not have the API is `invalid_target`.
pub fn token_exchange(policy: &Policy<'_>, exchange: &Exchange<'_>) -> Result<Grant, Refusal> {
    let Exchange { client, wanted, subject: token, .. } = *exchange;
    let target = exchange_target(policy, client, wanted)?;
    check_genuine(policy, token, target)?;
    let subject = party(policy, token, target)?;
    let relations = relations(policy, client, token, target)?;
    let mut ways = relations.into_iter().filter_map(|relation| way(policy, client, token, target, relation));
    let way = ways.next().ok_or(Refusal::TargetNotReached)?;
    policy.admits_subject_of(token, &subject, target).then_some(()).ok_or(Refusal::UserNotAdmitted)?;
    let actor = exchange.actor.map(|actor| proven_actor(policy, client, actor, target)).transpose()?;
    let mut act = earlier_actors(policy, token)?;
    let available = match way {
        Way::Stays if actor.is_some() => return Err(Refusal::ActorNotTheirs),
        Way::Stays => kept(carried(policy, token, target), client, target),
        Way::CarriedOn { from, edge } => {
            act.insert(0, actor.unwrap_or_else(|| Party::client(client)));
            mapped(&carried(policy, token, from), edge)
        }
    };
    let ends = exchange.actor.map_or(token.expires, |actor| actor.expires.min(token.expires));
    let asked = wanted.scopes.as_ref();
    let parts = Parts {
        resource: target,
        holder: Holder::Client(client),
        available,
        asked,
        subject,
        act,
        expires_no_later_than: Some(ends),
        earlier: Some(token.into()),
    };
    Grant::new(policy, parts)
}

/// *Genuine*, as far as a proof does not say it: the target admits the issuer for exchange, the token is unbound, has
/// the claims that the target demands, and, if it is ours, has what all of ours have.
fn check_genuine(policy: &Policy<'_>, token: &TokenFacts, target: ResourceId) -> Result<(), Refusal> {
    if token.bound {
        return Err(Refusal::TokenBound);
    }
    match token.issuer {
        // Without a root, no revocation would ever reach what is minted from it.
        TokenIssuer::Own if token.root.is_none() || token.audiences.len() != 1 => {
            return Err(Refusal::TokenIncomplete);
        }
        TokenIssuer::Own => {}
        TokenIssuer::Trusted(_) => {
            let admitted = policy.entry(target, token.issuer).is_some_and(|entry| entry.exchange);
            admitted.then_some(()).ok_or(Refusal::IssuerNotAdmitted)?;
        }
    }
    match token.refused_at.contains(&target) {
        true => Err(Refusal::ClaimNotAllowed),
        false => Ok(()),
    }
}

/// *Whose*: all that the client is to the token, the closest first.
fn relations(
    policy: &Policy<'_>,
    client: &Client,
    token: &TokenFacts,
    target: ResourceId,
) -> Result<Vec<Relation>, Refusal> {
    let is_named = match &token.may_act {
        None => false,
        Some(MayAct::Client { issuer, id }) if is_known_as(client, *issuer, id) => true,
        Some(MayAct::Client { .. } | MayAct::Stranger) => return Err(Refusal::MayActOther),
    };
    let mut relations = Vec::new();
    if is_clients_own(client, token, target) {
        relations.push(Relation::Own);
    }
    let named = policy.named_by(token);
    // Whoever is one of several addressees must not reach the others by the same token.
    if named.len() <= 1 {
        if client.serves.is_some_and(|served| named.contains(&served)) {
            relations.push(Relation::Addressed);
        }
        if is_named {
            relations.push(Relation::Named);
        }
    }
    match relations.is_empty() {
        true => Err(Refusal::SubjectNotTheirs),
        false => Ok(relations),
    }
}

fn is_clients_own(client: &Client, token: &TokenFacts, target: ResourceId) -> bool {
    let id = token.claimed_at(target).client.as_deref();
    id.is_some_and(|id| is_known_as(client, token.issuer, id))
}

/// *Where to*: how this relation leads to the target, if it does.
fn way<'c>(
    policy: &Policy<'_>,
    client: &'c Client,
    token: &TokenFacts,
    target: ResourceId,
    relation: Relation,
) -> Option<Way<'c>> {
    let named = policy.named_by(token);
    match relation {
        Relation::Own => {
            let leads_there = named.contains(&target) || policy.is_for_exchange(token);
            (leads_there && client.resources.contains_key(&target)).then_some(Way::Stays)
        }
        Relation::Addressed | Relation::Named => {
            let edge = client.exchange.get(&target)?;
            // An edge says what scopes of an API are worth: of the one that the client serves, where it serves one.
            let from = *named.first().filter(|from| client.serves.is_none_or(|served| served == **from))?;
            // A token that the API itself would turn away is worth nothing behind it either.
            policy.lets_in(from, token).then_some(Way::CarriedOn { from, edge })
        }
    }
}

/// The actor that the client proves to be: the subject of a token of its own, which is the client itself. A user's token
/// in its hands would name the user as the one who acts.
fn proven_actor(
    policy: &Policy<'_>,
    client: &Client,
    actor: &TokenFacts,
    target: ResourceId,
) -> Result<Party, Refusal> {
    check_genuine(policy, actor, target)?;
    let claimed = actor.claimed_at(target);
    let is_itself = claimed.subject.as_ref().is_none_or(|subject| is_known_as(client, actor.issuer, subject));
    let acts_for_itself = actor.act.is_empty() && is_itself && is_clients_own(client, actor, target);
    acts_for_itself.then_some(()).ok_or(Refusal::ActorNotTheirs)?;
    party(policy, actor, target)
}

/// The subject of a token, with its issuer.
pub(super) fn party(policy: &Policy<'_>, token: &TokenFacts, target: ResourceId) -> Result<Party, Refusal> {
    let value = token.claimed_at(target).subject.clone().filter(|subject| !subject.is_empty());
    let value = value.ok_or(Refusal::TokenIncomplete)?;
    match token.issuer {
        // Our own tokens name their subjects with the issuer already.
        TokenIssuer::Own => Ok(Party { issuer: None, value }),
        TokenIssuer::Trusted(issuer) => vouched_for(policy, issuer, value),
    }
}

/// Whom this issuer calls so, as he is printed here.
///
/// # Errors
///
/// [`Refusal::SubjectAmbiguous`] if that reads like somebody else, and [`Refusal::IssuerNotAdmitted`] if there is no such
/// issuer.
pub(super) fn vouched_for(policy: &Policy<'_>, issuer: IssuerId, value: String) -> Result<Party, Refusal> {
    let trusted = policy.config.trusted_issuers.get(issuer.0).ok_or(Refusal::IssuerNotAdmitted)?;
    let plain = || PlainSubjects::of(policy.config);
    match trusted.subjects {
        SubjectForm::Qualified => Ok(Party { issuer: Some(trusted.name.clone()), value }),
        SubjectForm::Plain if plain().is_some_and(|plain| plain.reads_like_another(issuer, &value)) => {
            Err(Refusal::SubjectAmbiguous)
        }
        SubjectForm::Plain => Ok(Party { issuer: None, value }),
    }
}

/// Those who acted before, as the token's issuer names them.
pub(super) fn earlier_actors(policy: &Policy<'_>, token: &TokenFacts) -> Result<Vec<Party>, Refusal> {
    let issuer = trusted(policy, token)?.map(|trusted| trusted.name.clone());
    Ok(token.act.iter().map(|value| Party { issuer: issuer.clone(), value: value.clone() }).collect())
}

/// The issuer of a token; nothing for our own.
pub(super) fn trusted<'a>(policy: &Policy<'a>, token: &TokenFacts) -> Result<Option<&'a TrustedIssuer>, Refusal> {
    match token.issuer {
        TokenIssuer::Own => Ok(None),
        TokenIssuer::Trusted(issuer) => {
            policy.config.trusted_issuers.get(issuer.0).map(Some).ok_or(Refusal::IssuerNotAdmitted)
        }
    }
}
