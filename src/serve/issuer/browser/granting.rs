//! From a user's yes to a code on its way to the client.
//!
//! The order is that of what a crash may cost: what was pushed is used up first, so that it never gives two codes; what was
//! agreed to is remembered before the code that stands on it.

use std::collections::BTreeSet;

use axum::response::Response;

use super::authorize::Ticked;
use super::halted::{Halted, redirect};
use super::kept;
use super::visit::{Present, Visit};
use crate::clock::Timestamp;
use crate::config::Consent;
use crate::issuer::{Asked, CodeRecord, Goal, GrantRecord, TRANSACTION_SECONDS, Transaction};
use crate::oauth::Scope;
use crate::secret::Secret;
use crate::serve::issuer::{codes, pushed};
use crate::store;
use crate::telemetry::audit::{AuditLine, Deed};
use crate::token::mint::GrantId;

/// How long a pushed request can lie before anybody comes with it, at the most, in seconds.
const PUSHED_SECONDS: u64 = 10 * 60;

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
    let record = GrantRecord::after_consent(&visit.policy, asked, &granted.ticked, user, root, visit.now)
        .map_err(|error| Halted::declined(asked, error, "the user declined everything"))?;
    visit.settled()?;
    use_up(visit, granted.transaction).await?;
    if granted.by_user {
        remember(visit, &record).await?;
    }
    let to = &asked.to;
    let kept = CodeRecord { grant: record, redirect_uri: to.redirect_uri().to_owned(), challenge: asked.challenge };
    let until = Timestamp(visit.now.0.saturating_add(visit.server().code_lifetime.as_secs()));
    let (code, new) = codes::made(&kept, until).map_err(|_| kept::NotKept::Randomness)?;
    visit.issuing.store.save_code(&new).await?;
    write_down(visit, &kept.grant);
    Ok(redirect(&to.with_code(&code)))
}

/// What was pushed gives one code, however many came with it at once. It need not have lasted until now: whoever came in
/// time may take the time that a login takes.
async fn use_up(visit: &Visit<'_>, transaction: &Transaction) -> Result<(), Halted> {
    let Goal::Authorization { pushed: Some(request_uri), .. } = &transaction.goal else { return Ok(()) };
    let name = format!("pushed|{}|used", kept::digest(&Secret::new(request_uri.as_str())));
    let until = Timestamp(visit.now.0.saturating_add(TRANSACTION_SECONDS + PUSHED_SECONDS));
    if !visit.issuing.store.mark_used(&name, until).await? {
        return Err(Halted::RequestUri);
    }
    pushed::use_up(visit.issuing, request_uri, visit.now).await?;
    Ok(())
}

/// Notes what the user has agreed to, where he is asked at all.
async fn remember(visit: &Visit<'_>, record: &GrantRecord) -> Result<(), Halted> {
    let is_asked = visit.server().client(record.client()).is_some_and(|client| client.consent == Consent::Ask);
    let subject = record.subject().to_string();
    for (resource, scopes) in record.resources() {
        let scopes: BTreeSet<String> = scopes.iter().map(Scope::to_string).collect();
        let words = scopes.iter().cloned().collect::<Vec<_>>().join(" ");
        if is_asked {
            let (client, subject) = (record.client().to_owned(), subject.clone());
            let consent = store::Consent { client, subject, resource: resource.as_str().to_owned(), scopes };
            visit.issuing.store.remember_consent(&consent).await?;
        }
        AuditLine {
            client: Some(record.client()),
            subject: Some(&subject),
            resource: Some(resource.as_str()),
            scopes: Some(&words),
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
