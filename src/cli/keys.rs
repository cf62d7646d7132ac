//! `narrowgate keys`: the signing keys of our own issuer, listed and rotated.
//!
//! Deliberately absent: private keys, also in files and pipes.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::node::Order;
use super::output::{Format, print, print_json, printable, printable_line, tell};
use super::own_issuer::OwnIssuer;
use crate::app::{StartError, keys};
use crate::clock::Timestamp;
use crate::serve::admin::keys::{consequence, document};

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
            Command::List(options) => (Order::ListKeys, options),
            Command::Rotate(options) => (Order::RotateKeys, options),
        };
        let own = match OwnIssuer::load(&options.config) {
            Ok(own) => own,
            Err(code) => return code,
        };
        match own.or_ask(own_keys(&own, &order).await, order).await {
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
            Err(failed) => own.tell(&failed),
        }
    }
}

/// The keys of an issuer that does not run, after what was ordered.
async fn own_keys(own: &OwnIssuer, order: &Order) -> Result<Value, StartError> {
    let is_rotated = *order == Order::RotateKeys;
    let keys = match is_rotated {
        true => keys::rotate(&own.config, &own.server).await?,
        false => keys::list(&own.config, &own.server).await?,
    };
    let mut told = document(&keys);
    if is_rotated {
        told["consequence"] = json!(consequence(&keys, Timestamp::now()));
    }
    Ok(told)
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
pub(super) fn told(time: Option<u64>, now: Timestamp) -> String {
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
