//! `narrowgate check`: whether a configuration can be used, and what it means.
//!
//! A good file is told back: who is served, which demands stand in front of it, what each token opens, which
//! client may have which, and where the operator gave up "a token opens exactly one API". Nothing is fetched and nothing is bound.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::{count, print, print_json, tell};
use crate::app::{self, StartError};
use crate::config::{self, Config, Environment, Fault, Faults, IssuerId, Loaded, Places};
use crate::fetch::Fetcher;
use crate::token::Keyring;
use clients::Issuer;
use exceptions::{Exception, exceptions};
use isolation::Isolation;
use routes::Routes;

mod clients;
mod document;
mod exceptions;
mod isolation;
mod routes;
mod sarif;
mod text;

/// Check a configuration: all its faults, or what it means
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How `check` prints its result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document, for scripts.
    Json,
    /// One SARIF 2.1.0 log, for code scanners.
    Sarif,
}

/// What a good configuration means.
#[derive(Debug, serde::Serialize)]
struct Meaning {
    #[serde(flatten)]
    routes: Routes,
    isolation: Isolation,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<Issuer>,
    exceptions: Vec<Exception>,
}

impl Check {
    /// Checks, prints, and says whether the file is good.
    pub fn run(&self) -> ExitCode {
        match self.check() {
            Ok((warnings, meaning)) => {
                self.tell_good(&warnings, &meaning);
                ExitCode::SUCCESS
            }
            Err(Faults(faults)) => {
                self.tell_bad(&faults);
                ExitCode::from(2)
            }
        }
    }

    fn check(&self) -> Result<(Vec<Fault>, Meaning), Faults> {
        let Loaded { config, warnings, places } = config::load(&self.config, &Environment::of_process())?;
        keys_at_hand(&config, &places)?;
        let meaning = Meaning::of(&config, &places)?;
        Ok((warnings, meaning))
    }

    fn tell_good(&self, warnings: &[Fault], meaning: &Meaning) {
        match self.format {
            Format::Text => {
                tell(&warnings.iter().map(|warning| format!("{warning}\n")).collect::<String>());
                print(&text::page(&self.config, meaning));
            }
            Format::Json => print_json(&document::good(warnings, meaning)),
            Format::Sarif => print_json(&sarif::log(warnings, &meaning.exceptions)),
        }
    }

    fn tell_bad(&self, faults: &[Fault]) {
        match self.format {
            Format::Text => {
                let all: Vec<_> = faults.iter().map(ToString::to_string).collect();
                tell(&format!("{}\n{}\n", all.join("\n"), count(faults.len(), "fault")));
            }
            Format::Json => print_json(&document::bad(faults)),
            Format::Sarif => print_json(&sarif::log(faults, &[])),
        }
    }
}

/// Tells of every issuer, and every client, whose keys lie in files alone, none of which can be used, and of every login whose
/// key cannot sign.
fn keys_at_hand(config: &Config, places: &Places) -> Result<(), Faults> {
    let fetcher = Fetcher::new(config.trusted_cas.as_deref())
        .map_err(|error| Faults(vec![places.fault(&error.to_string(), "look at `trusted_cas`")]))?;
    let issuers = config.trusted_issuers.iter().enumerate();
    let hopeless = issuers.filter_map(|(at, issuer)| {
        let why = Keyring::new(issuer.clone(), fetcher.clone()).is_hopeless()?;
        StartError::NoKeys { issuer: IssuerId(at), name: issuer.name.to_string(), why }.fault(places)
    });
    let server = config.issuer.iter();
    let clients = server.clone().flat_map(app::hopeless_clients).chain(server.flat_map(app::hopeless_logins));
    let faults: Vec<Fault> = hopeless.chain(clients.filter_map(|error| error.fault(places))).collect();
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

impl Meaning {
    fn of(config: &Config, places: &Places) -> Result<Self, Faults> {
        // The loader refuses an audience that opens two resources, with its place.
        let isolation = Isolation::of(config).map_err(|error| Faults(vec![places.fault(&error.to_string(), "")]))?;
        let (routes, issuer) = (Routes::of(config), Issuer::of(config));
        Ok(Self { routes, isolation, issuer, exceptions: exceptions(config, places) })
    }
}
