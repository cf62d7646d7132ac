//! What a user has to do before a client gets what it asks for: log in, consent, both, or nothing
//! (OpenID Connect Core §3.1.2.3, §3.1.2.4).
//!
//! Deliberately absent: what he may have. That is asked once he is known.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, Destination, Interaction, Prompt};
use crate::clock::Timestamp;
use crate::config::{Client, Consent};
use crate::issuer::{Policy, Session, Transaction, consent_covers};
use crate::token::LEEWAY;

impl Asked {
    /// Whether nobody may be asked anything.
    pub fn is_silent(&self) -> bool {
        self.prompt == Prompt::Silent
    }

    /// Whether a user has to be asked this although it may not be needed.
    pub fn wants(&self, interaction: Interaction) -> bool {
        match &self.prompt {
            Prompt::Silent => false,
            Prompt::Asking(asked) => asked.contains(&interaction),
        }
    }

    /// Whether the user has to log in. `sent` is the transaction by which he was sent to do so, if he was. Of a login since then
    /// no more can be had than it was when it was complete; but at a provider it may be an old one, and one that nobody dates
    /// is neither fresh nor young.
    pub fn needs_login(&self, session: Option<&Session>, sent: Option<&Transaction>, now: Timestamp) -> bool {
        let Some(session) = session else { return true };
        let since = sent.filter(|transaction| session.is_since(transaction));
        if self.wants(Interaction::SelectAccount) && since.is_none() {
            return true;
        }
        let is_later = |than: u64| session.login.time.is_some_and(|time| time.0.saturating_add(LEEWAY) >= than);
        if self.wants(Interaction::Login) && !since.is_some_and(|transaction| is_later(transaction.begun.0)) {
            return true;
        }
        self.max_age.is_some_and(|most| match since {
            Some(_) => !is_later(session.begun.0.saturating_sub(most.as_secs())),
            None => {
                most.is_zero() || session.login.time.is_none_or(|time| now.0.saturating_sub(time.0) > most.as_secs())
            }
        })
    }

    /// Whether the user has to be asked, who agreed to `consented` before: resources by their keys, with their scopes.
    ///
    /// A program on somebody's machine that keeps no secret may be any program there, whatever was agreed to before
    /// (RFC 8252 §8.6).
    pub fn needs_consent(&self, policy: &Policy<'_>, consented: &BTreeMap<String, BTreeSet<String>>) -> bool {
        let Some(client) = policy.server.client(&self.client) else { return true };
        if self.wants(Interaction::Consent) || self.may_be_anybody(client) {
            return true;
        }
        match client.consent {
            Consent::Never => false,
            Consent::Ask => !consent_covers(self, policy, consented),
        }
    }

    fn may_be_anybody(&self, client: &Client) -> bool {
        match self.to.destination() {
            Destination::Site(_) => false,
            Destination::Machine(_) | Destination::Program(_) => !client.is_confidential(),
        }
    }
}
