//! What the clients of this issuer hold of one user: the grants that live, and what he agreed to.

use std::collections::{BTreeMap, BTreeSet};

use super::halted::Halted;
use super::visit::Visit;
use crate::clock::Timestamp;
use crate::issuer::GrantRecord;
use crate::oauth::Scope;
use crate::serve::issuer::given;
use crate::store::{FAMILY_PAGE, Family, Whose};

/// The most grants of one user that are looked at: a client that asks for ever must not keep this page from being made.
const MOST: usize = 50 * FAMILY_PAGE;

/// What one client holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// At which APIs, by their keys.
    pub(super) apis: BTreeMap<String, HeldApi>,
    /// How many grants live.
    pub(super) grants: usize,
}

/// What a client holds at one API.
#[derive(Debug, Default)]
pub(super) struct HeldApi {
    pub(super) scopes: BTreeSet<String>,
    /// When the oldest grant that lives was given.
    pub(super) since: Option<Timestamp>,
    /// When the last of them ends.
    pub(super) until: Option<Timestamp>,
}

/// Everything that clients hold of a user, by their ids.
///
/// # Errors
///
/// [`Halted::Unavailable`] if the store cannot be read.
pub(super) async fn held(visit: &Visit<'_>, subject: &str) -> Result<BTreeMap<String, Held>, Halted> {
    let mut all: BTreeMap<String, Held> = BTreeMap::new();
    for family in families(visit, subject).await? {
        let record = given::opened(&visit.issuing.seals, &family);
        let held = all.entry(family.client).or_default();
        held.grants += 1;
        for (key, scopes) in record.iter().flat_map(GrantRecord::resources) {
            let api = held.apis.entry(key.as_str().to_owned()).or_default();
            api.scopes.extend(scopes.iter().map(Scope::to_string));
            let begun = record.as_ref().map(GrantRecord::begun);
            api.since = [api.since, begun].into_iter().flatten().min();
            api.until = api.until.max(Some(family.end));
        }
    }
    // Also what was agreed to before a client was not to ask any more, or not so: it may be to ask again some day.
    for client in &visit.server().clients {
        let consented = visit.issuing.store.consent_of(&client.id, subject).await?;
        if consented.is_empty() {
            continue;
        }
        let held = all.entry(client.id.clone()).or_default();
        for (key, scopes) in consented {
            held.apis.entry(key).or_default().scopes.extend(scopes);
        }
    }
    Ok(all)
}

/// The families of a user that live.
///
/// # Errors
///
/// [`Halted::Unavailable`] if the store cannot be read.
async fn families(visit: &Visit<'_>, subject: &str) -> Result<Vec<Family>, Halted> {
    let mut all: Vec<Family> = Vec::new();
    while all.len() < MOST {
        let after = all.last().map(|family| family.root.as_str());
        let page = visit.issuing.store.families(Whose::Subject(subject), after, visit.now).await?;
        let is_last = page.len() < FAMILY_PAGE;
        all.extend(page);
        if is_last {
            break;
        }
    }
    Ok(all)
}
