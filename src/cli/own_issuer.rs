//! What the commands about our own issuer share: its configuration, and whom they ask.
//!
//! The store belongs to one process at a time. While a gateway runs on it, that one is asked, by its admin address; else
//! the store is opened.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::node::{self, Failure, Order};
use super::output::{printable_line, tell};
use crate::app::StartError;
use crate::config::{AuthorizationServer, Config, Environment, Fault, Loaded, Places, Source};
use crate::store::StoreError;

/// Our own issuer as a file has it.
pub(super) struct OwnIssuer {
    pub(super) config: Config,
    pub(super) server: AuthorizationServer,
    pub(super) places: Places,
}

/// Why nothing was done.
pub(super) enum Failed {
    /// The configuration loads and cannot be used.
    Start(StartError),
    /// The gateway that runs did not do it.
    Node(Failure),
    /// The configuration does not allow it, there.
    Fault(Fault),
    /// It is not allowed, or cannot be done.
    Refused(String),
}

impl OwnIssuer {
    /// Reads a configuration with an issuer.
    ///
    /// # Errors
    ///
    /// The exit code, after the faults were told.
    pub(super) fn load(path: &Path) -> Result<Self, ExitCode> {
        let fault = match Source::new(path, Environment::of_process()).read().loaded {
            Ok(Loaded { config, places, .. }) => match config.issuer.clone() {
                Some(server) => return Ok(Self { config, server, places }),
                None => places.fault("there is no `issuer`, so nothing is signed", "").to_string(),
            },
            Err(faults) => faults.to_string(),
        };
        tell(&fault);
        Err(ExitCode::from(2))
    }

    /// What was done with the store; or, where that is in use, what its owner does.
    ///
    /// # Errors
    ///
    /// [`Failed`] says why it was not done.
    pub(super) async fn or_ask(&self, done: Result<Value, StartError>, order: Order) -> Result<Value, Failed> {
        match (done, &self.config.admin) {
            (Ok(document), _) => Ok(document),
            (Err(StartError::Store { source: StoreError::InUse, .. }), Some(admin)) => {
                node::ask(admin, order).await.map_err(Failed::Node)
            }
            (Err(error), _) => Err(Failed::Start(error)),
        }
    }

    /// Says why, and that it failed.
    pub(super) fn tell(&self, failed: &Failed) -> ExitCode {
        let why = match failed {
            Failed::Start(error) => {
                error.fault(&self.places).map_or_else(|| one_line(&error.to_string()), |fault| fault.to_string())
            }
            Failed::Fault(fault) => fault.to_string(),
            Failed::Node(failure) => one_line(&failure.to_string()),
            Failed::Refused(why) => one_line(why),
        };
        tell(&why);
        ExitCode::FAILURE
    }
}

fn one_line(why: &str) -> String {
    format!("error: {}\n", printable_line(why))
}
