//! `narrowgate keys`: the signing keys of our own issuer, listed and rotated.
//!
//! The store belongs to one process at a time. While a gateway runs on it, that one is asked, by its admin address; else
//! the store is opened. Deliberately absent: private keys, also in files and pipes.

mod node;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::output::{Format, print, print_json, printable, tell};
use crate::app::{StartError, keys};
use crate::clock::Timestamp;
use crate::config::{AuthorizationServer, Config, Environment, Loaded, Source};
use crate::serve::admin::keys::{consequence, document};
use crate::store::StoreError;
use node::{Failure, Order};

/// List or rotate the signing keys of the issuer
#[derive(Debug, clap::Args)]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the published keys: which signs, which comes next, which were retired
    List(Options),
    /// Let the next keys sign from now on; earlier tokens stay good
    Rotate(Options),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
    /// How the keys are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Keys {
    /// Does it: 0 done, 1 if it failed, 2 for a bad configuration.
    pub async fn run(&self) -> ExitCode {
        let (order, options) = match &self.command {
            Command::List(options) => (Order::List, options),
            Command::Rotate(options) => (Order::Rotate, options),
        };
        let Loaded { config, places, .. } = match Source::new(&options.config, Environment::of_process()).read().loaded
        {
            Ok(loaded) => loaded,
            Err(faults) => {
                tell(&faults.to_string());
                return ExitCode::from(2);
            }
        };
        let Some(server) = &config.issuer else {
            tell(&places.fault("there is no `issuer`, so nothing is signed", "").to_string());
            return ExitCode::from(2);
        };
        match act(order, &config, server).await {
            Ok(document) => {
                match options.format {
                    Format::Json => print_json(&document),
                    Format::Text => print(&table(&document, Timestamp::now())),
                }
                if let Some(consequence) = document["consequence"].as_str() {
                    tell(&format!("{}\n", printable_line(consequence)));
                }
                ExitCode::SUCCESS
            }
            Err(Failed::Start(error)) => match error.fault(&places) {
                Some(fault) => {
                    tell(&fault.to_string());
                    ExitCode::FAILURE
                }
                None => failed(&error.to_string()),
            },
            Err(Failed::Node(failure)) => failed(&failure.to_string()),
        }
    }
}

enum Failed {
    Start(StartError),
    Node(Failure),
}

/// Opens the store, or asks who has it open.
async fn act(order: Order, config: &Config, server: &AuthorizationServer) -> Result<Value, Failed> {
    let done = match order {
        Order::List => keys::list(config, server).await.map(|keys| document(&keys)),
        Order::Rotate => keys::rotate(config, server).await.map(|keys| {
            let mut rotated = document(&keys);
            rotated["consequence"] = json!(consequence(&keys, Timestamp::now()));
            rotated
        }),
    };
    match done {
        Ok(document) => Ok(document),
        Err(error @ StartError::Store { source: StoreError::InUse, .. }) => match &config.admin {
            Some(admin) => node::ask(admin, order).await.map_err(Failed::Node),
            None => Err(Failed::Start(error)),
        },
        Err(error) => Err(Failed::Start(error)),
    }
}

fn failed(why: &str) -> ExitCode {
    tell(&format!("error: {}\n", printable_line(why)));
    ExitCode::FAILURE
}

/// A message of another process, in lines that a terminal may show.
fn printable_line(text: &str) -> String {
    let pieces: Vec<char> = text.chars().collect();
    pieces.chunks(200).map(|piece| printable(&piece.iter().collect::<String>())).collect()
}

/// A line a key.
fn table(document: &Value, now: Timestamp) -> String {
    let keys = document["keys"].as_array().map_or(&[][..], |keys| keys);
    if keys.is_empty() {
        return "no keys: they are made when the gateway starts\n".to_owned();
    }
    let text = |key: &Value, name: &str| printable(key[name].as_str().unwrap_or("-"));
    let mut lines = format!("{:<43}  {:<9}  {:<9}  {:<14}  until\n", "kid", "algorithm", "state", "since");
    for key in keys {
        let (kid, algorithm, state) = (text(key, "kid"), text(key, "algorithm"), text(key, "state"));
        let (since, until) = (told(key["since"].as_u64(), now), told(key["until"].as_u64(), now));
        lines.push_str(&format!("{kid:<43}  {algorithm:<9}  {state:<9}  {since:<14}  {until}\n"));
    }
    lines
}

/// A time as people tell it: how long ago, or in how long.
fn told(time: Option<u64>, now: Timestamp) -> String {
    let span = |seconds: u64| match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    match time {
        None => "-".to_owned(),
        Some(time) if time > now.0 => format!("in {}", span(time - now.0)),
        Some(time) => format!("{} ago", span(now.0 - time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_key() {
        let now = Timestamp(1_000_000);
        let document = json!({ "keys": [
            { "kid": "a".repeat(43), "algorithm": "ES256", "state": "current", "since": 999_990, "until": 1_600_000 },
            { "kid": "b\u{1b}", "algorithm": "ES256", "state": "next", "since": 990_000, "until": null },
        ] });
        let told = table(&document, now);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines[1], format!("{}  ES256      current    10 s ago        in 6 days", "a".repeat(43)));
        assert_eq!(lines[2], format!("{:<43}  ES256      next       2 h ago         -", "b?"));
        assert_eq!(table(&json!({ "keys": [] }), now), "no keys: they are made when the gateway starts\n");
    }
}
