//! The commands, a file each. Data goes to stdout, messages to stderr; exit 0 done or allowed, 1 failed or refused,
//! 2 wrong usage or configuration.

mod check;
mod demo;
mod explain;
mod grants;
mod hash_password;
mod keys;
mod node;
mod output;
mod own_issuer;
mod rule_line;
mod run;
mod schema;
mod token;

use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::log;

/// An audience-isolating API gateway: a token opens exactly one API
#[derive(Debug, Parser)]
#[command(version, about)]
struct Narrowgate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Explain(explain::Explain),
    Demo(demo::Demo),
    Grants(grants::Grants),
    HashPassword(hash_password::HashPassword),
    Keys(keys::Keys),
    Schema(schema::Schema),
    Token(token::Token),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    match Narrowgate::parse().command {
        Command::Run(run) => on_runtime(run.run()),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Demo(demo) => on_runtime(demo.run()),
        Command::Grants(grants) => on_runtime(grants.run()),
        Command::HashPassword(hash) => hash.run(),
        Command::Keys(keys) => on_runtime(keys.run()),
        Command::Schema(schema) => schema.run(),
        Command::Token(token) => on_runtime(token.run()),
    }
}

/// Runs a command that waits for sockets: one runtime for everything, as many threads as there are cores.
fn on_runtime(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            log::finish();
            // What a drain left over is cut: nobody waits for it any more.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            output::tell(&format!("error: the runtime cannot be started: {error}\n"));
            ExitCode::FAILURE
        }
    }
}
