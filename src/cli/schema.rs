//! `narrowgate schema`: the JSON Schema of the configuration, for editors.

use std::process::ExitCode;

use super::output::print_json;
use crate::config;

/// Print the JSON Schema of the configuration, for editors
#[derive(Debug, clap::Args)]
pub struct Schema {}

impl Schema {
    /// Prints the schema.
    pub fn run(&self) -> ExitCode {
        print_json(&config::schema());
        ExitCode::SUCCESS
    }
}
