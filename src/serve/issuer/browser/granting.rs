//! From a user's yes to a code on its way to the client.
//!
//! The order is that of what a crash may cost: what was pushed is used up first, so that it never gives two codes; what was
//! agreed to is remembered before the code that stands on it.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;

use super::authorize::Ticked;
use super::halted::{Halted, redirect};
use super::kept;
use super::visit::{Present, Visit};
use crate::clock::Timestamp;
use crate::config::Consent;
use crate::issuer::{Asked, CodeRecord, Goal, GrantRecord, Pushed, Transaction};
use crate::oauth::{ResourceIndicator, Scope};
use crate::secret::Secret;
use crate::serve::issuer::{codes, pushed, recalls};
use crate::store;
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::LEEWAY;
use crate::token::mint::GrantId;

/// What a user granted, or had granted before.
#[derive(Debug)]
pub(super) struct Granted<'g> {
    pub(super) transaction: &'g Transaction,
    pub(super) asked: &'g Asked,
    pub(super) present: &'g Present,
    pub(super) ticked: Ticked,
    /// Whether he has said so just now.
    pub(super) by_user: bool,
}

/// Gives the client its code.
///
/// # Errors
///
/// [`Halted`]; there is no code then.
pub(super) async fn grant(visit: &Visit<'_>, granted: Granted<'_>) -> Result<Response, Halted> {
    let Granted { asked, present, .. } = &granted;
    let root = GrantId::generate().map_err(|_| kept::NotKept::Randomness)?;
    let user = present.session.consenting();
    let record = GrantRecord::after_consent(&visit.policy, asked, &granted.ticked, user, root, visit.now);
    let subject = present.session.subject.to_string();
    let recalls = recalls::seen(&*visit.issuing.store, &asked.client, &subject, visit.now).await?;
    visit.settled()?;
    if record.is_ok() {
        use_up(visit, granted.transaction).await?;
    }
    if granted.by_user {
        let left = record.as_ref().map(GrantRecord::resources).ok();
        remember(visit, asked, &subject, left).await?;
    }
    let record = record.map_err(|error| Halted::declined(asked, error, "the user declined everything"))?;
    let to = &asked.to;
    let (redirect_uri, challenge) = (to.redirect_uri().to_owned(), asked.challenge);
    let kept = CodeRecord { grant: record, redirect_uri, challenge, recalls };
    let until = Timestamp(visit.now.0.saturating_add(visit.server().code_lifetime.as_secs()));
    let (code, new) = codes::made(&kept, until).map_err(|_| kept::NotKept::Randomness)?;
    visit.issuing.store.save_code(&new).await?;
    write_down(visit, &kept.grant);
    Ok(redirect(&to.with_code(&code)))
}

/// What was pushed gives one code, however many came with it at once. It need not have lasted until now: whoever came in
/// time may take the time that a login takes.
async fn use_up(visit: &Visit<'_>, transaction: &Transaction) -> Result<(), Halted> {
    let Goal::Authorization { pushed: Some(Pushed { request_uri, .. }), .. } = &transaction.goal else { return Ok(()) };
    let name = format!("pushed|{}|used", kept::digest(&Secret::new(request_uri.as_str())));
    // Longer than any transaction for it, whenever somebody began one, and by whatever clock.
    let longest = pushed::SECONDS + Pushed::SECONDS + 2 * LEEWAY;
    let until = Timestamp(visit.now.0.saturating_add(longest));
    if !visit.issuing.store.mark_used(&name, until).await? {
        return Err(Halted::RequestUri);
    }
    pushed::use_up(visit.issuing, request_uri, visit.now).await?;
    Ok(())
}

/// Notes what the user has agreed to of all that he was shown, where he is asked at all: what he has left out counts no more,
/// although he may have agreed to it before. `left` is nothing where he left out everything.
async fn remember(
    visit: &Visit<'_>,
    asked: &Asked,
    subject: &str,
    left: Option<&BTreeMap<ResourceIndicator, BTreeSet<Scope>>>,
) -> Result<(), Halted> {
    let is_asked = visit.server().client(&asked.client).is_some_and(|client| client.consent == Consent::Ask);
    let words = |scopes: &BTreeSet<Scope>| scopes.iter().map(Scope::to_string).collect::<BTreeSet<_>>();
    for (id, shown) in &asked.grant {
        let Some(known) = visit.policy.config.resources.get(id.0) else { continue };
        let agreed = left.and_then(|left| left.get(&known.key));
        let (scopes, resource) = (agreed.map(words).unwrap_or_default(), known.key.as_str());
        let declined: BTreeSet<String> = words(shown).difference(&scopes).cloned().collect();
        if is_asked {
            let store = &visit.issuing.store;
            match agreed.is_none() && declined.is_empty() {
                // An API without scopes.
                true => drop(store.withdraw_consent(&asked.client, subject, resource).await?),
                false => {
                    let (client, subject) = (asked.client.clone(), subject.to_owned());
                    let (resource, scopes) = (resource.to_owned(), scopes.clone());
                    store.remember_consent(&store::Consent { client, subject, resource, scopes, declined }).await?;
                }
            }
        }
        if agreed.is_none() {
            continue;
        }
        AuditLine {
            client: Some(&asked.client),
            subject: Some(subject),
            resource: Some(resource),
            scopes: Some(&scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")),
            ..AuditLine::new(Deed::ConsentGranted, &visit.call.request_id, visit.call.peer)
        }
        .write();
    }
    Ok(())
}

fn write_down(visit: &Visit<'_>, record: &GrantRecord) {
    let (root, subject) = (record.root().to_string(), record.subject().to_string());
    for (resource, scopes) in record.resources() {
        let words = scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
        AuditLine {
            client: Some(record.client()),
            subject: Some(&subject),
            resource: Some(resource.as_str()),
            scopes: Some(&words),
            grant: Some("authorization_code"),
            jti: Some(&root),
            ..AuditLine::new(Deed::CodeIssued, &visit.call.request_id, visit.call.peer)
        }
        .write();
    }
}
