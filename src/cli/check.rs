//! `narrowgate check`: whether a configuration can be used, and what it means.
//!
//! A good file is told back: who is served, which demands stand in front of it, what each token opens, and where the
//! operator gave up "a token opens exactly one API". Nothing is fetched and nothing is bound.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::output::{Format, count, print, print_json, tell};
use crate::config::fault::Fault;
use crate::config::{self, Config, Environment, Loaded};
use crate::fetch::Fetcher;
use crate::token::{Keyring, SharedAudience};
use exceptions::{Exception, exceptions};
use isolation::Isolation;
use routes::Routes;

mod exceptions;
mod isolation;
mod routes;
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

/// What a good configuration means.
#[derive(Debug, Serialize)]
struct Meaning {
    #[serde(flatten)]
    routes: Routes,
    isolation: Isolation,
    exceptions: Vec<Exception>,
}

/// A fault or a warning, as a script reads it.
#[derive(Debug, Serialize)]
struct Finding<'a> {
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// The whole result, as a script reads it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    valid: bool,
    faults: Vec<Finding<'a>>,
    warnings: Vec<Finding<'a>>,
    #[serde(flatten)]
    meaning: Option<&'a Meaning>,
}

impl Check {
    /// Checks, prints, and says whether the file is good.
    pub fn run(&self) -> ExitCode {
        let Loaded { config, warnings } = match config::load(&self.config, &Environment::of_process()) {
            Ok(loaded) => loaded,
            Err(faults) => {
                match self.format {
                    Format::Text => tell(&format!("{faults}\n{}\n", count(faults.0.len(), "fault"))),
                    Format::Json => print_json(&Document::new(&faults.0, &[], None)),
                }
                return ExitCode::from(2);
            }
        };
        let meaning = keys_at_hand(&config).and_then(|()| Ok(Meaning::of(&config)?));
        let meaning = match meaning {
            Ok(meaning) => meaning,
            Err(error) => {
                tell(&format!("error: {}: {error}\n", self.config.display()));
                return ExitCode::from(2);
            }
        };
        match self.format {
            Format::Text => {
                tell(&warnings.iter().map(|warning| format!("{warning}\n")).collect::<String>());
                print(&text::page(&self.config, &meaning));
            }
            Format::Json => print_json(&Document::new(&[], &warnings, Some(&meaning))),
        }
        ExitCode::SUCCESS
    }
}

/// Whether every issuer whose keys lie in files alone has one that can be used.
fn keys_at_hand(config: &Config) -> Result<(), Box<dyn Error>> {
    let fetcher = Fetcher::new(config.trusted_cas.as_deref())?;
    for issuer in &config.trusted_issuers {
        if let Some(why) = Keyring::new(issuer.clone(), fetcher.clone()).is_hopeless() {
            return Err(format!("issuer `{}` can never be verified: {why}", issuer.name).into());
        }
    }
    Ok(())
}

impl Meaning {
    fn of(config: &Config) -> Result<Self, SharedAudience> {
        Ok(Self { routes: Routes::of(config), isolation: Isolation::of(config)?, exceptions: exceptions(config) })
    }
}

impl<'a> Document<'a> {
    fn new(faults: &'a [Fault], warnings: &'a [Fault], meaning: Option<&'a Meaning>) -> Self {
        let findings = |found: &'a [Fault]| found.iter().map(Finding::of).collect();
        Self { valid: meaning.is_some(), faults: findings(faults), warnings: findings(warnings), meaning }
    }
}

impl<'a> Finding<'a> {
    fn of(fault: &'a Fault) -> Self {
        Self {
            file: fault.file.display().to_string(),
            line: fault.place.line,
            column: fault.place.column,
            message: &fault.message,
            hint: fault.hint.as_deref(),
        }
    }
}
