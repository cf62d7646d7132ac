//! What a login is for, judged anew by the configuration of this request: what it has to be, and who is told if it fails.

use super::refused::NotLoggedIn;
use crate::config::{Config, IssuerId, OpenIdLogin, TrustedIssuer};
use crate::issuer::{Goal, LoginDemand, NotAsked, ReturnAddress, Transaction, asked};
use crate::oauth::IssuerName;
use crate::snapshot::Snapshot;

/// What a login is for.
#[derive(Debug)]
pub(super) struct Way {
    /// The client, if one asks.
    pub(super) client: Option<String>,
    /// Who is told if it fails: the client, if one asks.
    pub(super) to: Option<ReturnAddress>,
    /// What it has to be.
    pub(super) demand: LoginDemand,
}

impl Way {
    /// What a transaction asks for.
    ///
    /// # Errors
    ///
    /// [`NotLoggedIn::NotAsked`] if the configuration does not let it ask for that any more.
    pub(super) fn of(snapshot: &Snapshot, transaction: &Transaction) -> Result<Self, NotLoggedIn> {
        let policy = snapshot.policy().ok_or(NotLoggedIn::NoProvider)?;
        match &transaction.goal {
            Goal::Grants => Ok(Self { client: None, to: None, demand: LoginDemand::default() }),
            Goal::Authorization { request, .. } => {
                let asked =
                    asked(&policy, request).map_err(|fault: NotAsked| NotLoggedIn::NotAsked(Box::new(fault)))?;
                let demand = LoginDemand::of(&asked);
                Ok(Self { client: Some(asked.client), to: Some(asked.to), demand })
            }
        }
    }
}

/// A provider as the configuration has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Provider<'c> {
    pub(super) id: IssuerId,
    pub(super) trusted: &'c TrustedIssuer,
    pub(super) login: &'c OpenIdLogin,
}

impl<'c> Provider<'c> {
    /// The provider of this name, if users may log in there.
    pub(super) fn named(config: &'c Config, name: &IssuerName) -> Option<Self> {
        let place = config.trusted_issuers.iter().position(|trusted| trusted.name == *name)?;
        let id = IssuerId(place);
        let login = config.issuer.as_ref()?.login.as_ref()?.at(id)?;
        Some(Self { id, trusted: &config.trusted_issuers[place], login })
    }

    /// Whether another configuration has it just the same, wherever it stands there.
    pub(super) fn is_the_same(&self, other: &Provider<'_>) -> bool {
        *self.trusted == *other.trusted && OpenIdLogin { issuer: self.id, ..other.login.clone() } == *self.login
    }
}
