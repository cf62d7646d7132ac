//! `narrowgate grants`: what users have granted to clients, listed and revoked.
//!
//! Deliberately absent: tokens. Nobody has them but who got them.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::keys::told;
use super::node::Order;
use super::output::{Format, count, print, print_json, printable, tell};
use super::own_issuer::{Failed, OwnIssuer};
use crate::app::grants;
use crate::clock::Timestamp;
use crate::serve::admin::grants::{Which, ended};

/// List or revoke what users have granted to clients
#[derive(Debug, clap::Args)]
pub struct Grants {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the grants of a client or a user: which APIs and scopes, since when, until when
    List(List),
    /// End grants: their refresh tokens, and every access token that came of them
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// Those of a client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Those of a user: `corp|alice`, as tokens print her
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    #[command(flatten)]
    which: Chosen,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Chosen {
    /// All of a client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// All of a user: `corp|alice`, as tokens print her
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// One: what stands before the `.` of each `jti` that came of it
    #[arg(long, value_name = "ROOT", allow_hyphen_values = true)]
    root: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
    /// How the grants are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The one that was said.
fn which(client: &Option<String>, subject: &Option<String>, root: &Option<String>) -> Option<Which> {
    let client = client.clone().map(Which::Client);
    client.or_else(|| subject.clone().map(Which::Subject)).or_else(|| root.clone().map(Which::Root))
}

impl Grants {
    /// Does it: 0 done, 1 if it failed, 2 for a bad configuration.
    pub async fn run(&self) -> ExitCode {
        let (which, options) = match &self.command {
            Command::List(List { whose, options }) => (which(&whose.client, &whose.subject, &None), options),
            Command::Revoke(Revoke { which: chosen, options }) => {
                (which(&chosen.client, &chosen.subject, &chosen.root), options)
            }
        };
        let which = which.expect("the command line has exactly one of them");
        if let Err(why) = which.check() {
            tell(&format!("error: {why}\n"));
            return ExitCode::from(2);
        }
        let own = match OwnIssuer::load(&options.config) {
            Ok(own) => own,
            Err(code) => return code,
        };
        let done = match &self.command {
            Command::List(_) => listed(&own, &which).await,
            Command::Revoke(_) => revoked(&own, which).await,
        };
        let document = match done {
            Ok(document) => document,
            Err(failed) => return own.tell(&failed),
        };
        match (options.format, &self.command) {
            (Format::Json, _) => print_json(&document),
            (Format::Text, Command::List(_)) => print(&table(&document, Timestamp::now())),
            (Format::Text, Command::Revoke(_)) => print(&summary(&document)),
        }
        ExitCode::SUCCESS
    }
}

/// All pages, as one document.
async fn listed(own: &OwnIssuer, which: &Which) -> Result<Value, Failed> {
    let mut all: Vec<Value> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = grants::list(&own.config, &own.server, which, after.as_deref()).await;
        let order = Order::ListGrants { which: which.clone(), after: after.clone() };
        let mut page = own.or_ask(page, order).await?;
        if let Value::Array(grants) = page["grants"].take() {
            all.extend(grants);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(json!({ "grants": all })),
        }
    }
}

async fn revoked(own: &OwnIssuer, which: Which) -> Result<Value, Failed> {
    let done = grants::revoke(&own.config, &which).await.map(|endings| ended(&endings));
    own.or_ask(done, Order::RevokeGrants(which)).await
}

/// A few lines a grant: the grant, and each API with its scopes.
fn table(document: &Value, now: Timestamp) -> String {
    let grants = document["grants"].as_array().map_or(&[][..], |grants| grants);
    if grants.is_empty() {
        return "no grants\n".to_owned();
    }
    let mut lines = String::new();
    for grant in grants {
        let text = |name: &str| printable(grant[name].as_str().unwrap_or("-"));
        let time = |name: &str| self::told(grant[name].as_u64(), now);
        let (root, client, subject) = (text("root"), text("client"), text("subject"));
        lines.push_str(&format!("{root}  {subject} to {client}, begun {}, ends {}", time("begun"), time("ends")));
        lines.push_str(&format!(", unless used ends {}\n", time("until")));
        let Some(resources) = grant["resources"].as_object() else {
            lines.push_str("  (what was granted cannot be read)\n");
            continue;
        };
        for (resource, scopes) in resources {
            let scopes: Vec<_> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            lines.push_str(&format!("  {}  {}\n", printable(resource), printable(&scopes.join(" "))));
        }
    }
    lines
}

fn summary(document: &Value) -> String {
    let revoked = document["revoked"].as_array().map_or(&[][..], |revoked| revoked);
    let mut lines = format!("{} revoked\n", count(revoked.len(), "grant"));
    for grant in revoked {
        let text = |name: &str| grant[name].as_str().map(printable);
        lines.push_str(&text("root").unwrap_or_default());
        if let (Some(client), Some(subject)) = (text("client"), text("subject")) {
            lines.push_str(&format!("  {subject} to {client}"));
        }
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_and_its_apis() {
        let document = json!({ "grants": [{
            "root": "r".repeat(22), "client": "web", "subject": "corp|ada\u{1b}", "begun": 999_990, "until": 1_010_000,
            "ends": 1_600_000, "resources": { "https://api1.example": ["read", "write"], "https://api2.example": [] },
        }] });
        let told = table(&document, Timestamp(1_000_000));
        let root = "r".repeat(22);
        assert_eq!(
            told,
            format!(
                "{root}  corp|ada? to web, begun 10 s ago, ends in 6 days, unless used ends in 2 h\n  \
                 https://api1.example  read write\n  https://api2.example  \n"
            )
        );
        assert_eq!(table(&json!({ "grants": [] }), Timestamp(0)), "no grants\n");
    }

    #[test]
    fn what_was_ended() {
        let document = json!({ "revoked": [{ "root": "r", "client": "web", "subject": "corp|ada" }] });
        assert_eq!(summary(&document), "1 grant revoked\nr  corp|ada to web\n");
        assert_eq!(summary(&json!({ "revoked": [] })), "0 grants revoked\n");
    }
}
