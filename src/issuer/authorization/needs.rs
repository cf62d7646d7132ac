//! What a user has to do before a client gets what it asks for: log in, consent, both, or nothing
//! (OpenID Connect Core §3.1.2.3, §3.1.2.4).
//!
//! Deliberately absent: what he may have. That is asked once he is known.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, Destination, Interaction, Prompt};
use crate::clock::Timestamp;
use crate::config::{Client, Consent};
use crate::issuer::{Policy, Session, consent_covers};

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

    /// Whether the user has to log in. `begun` is when he was sent to do so, if he was: a login since then is as fresh as
    /// any can be.
    pub fn needs_login(&self, session: Option<&Session>, begun: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(session) = session else { return true };
        let is_fresh = begun.is_some_and(|begun| session.begun >= begun);
        let is_to_be_fresh = self.wants(Interaction::Login) || self.wants(Interaction::SelectAccount);
        let age = now.0.saturating_sub(session.login.time.0);
        let is_too_old = self.max_age.is_some_and(|most| most.is_zero() || age > most.as_secs());
        (is_to_be_fresh || is_too_old) && !is_fresh
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
