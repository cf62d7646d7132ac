//! `narrowgate token`: an access token of our own issuer for any subject, to try an API with.
//!
//! The configuration must open this, and one function decides what such a token may say, here as in a gateway that runs. The
//! token alone goes to stdout, so that `curl -H "Authorization: Bearer $(narrowgate token ...)"` works.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use super::node::Order;
use super::output::{Format, print, print_json};
use super::own_issuer::{Failed, OwnIssuer};
use crate::app::keys;
use crate::clock::Timestamp;
use crate::issuer::{DevelopmentFault, DevelopmentToken, Policy, development_token};
use crate::serve::minting::{TokenResponse, mint};
use crate::token::AudienceTable;

/// Print an access token for any subject, for development
#[derive(Debug, clap::Args)]
pub struct Token {
    /// The resource that the token opens, as clients name it
    #[arg(long, value_name = "URI")]
    resource: String,
    /// Scopes there, repeated or with a space between; left out, all that the client may have and that need no value
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// The subject: `corp|alice` for a user of the trusted issuer `corp`
    #[arg(long, value_name = "SUBJECT")]
    sub: String,
    /// The client; left out, the only one that may have a token there
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
    /// The token alone, or the members of a token response
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Token {
    /// Does it: 0 done, 1 if it was refused or failed, 2 for a bad configuration.
    pub async fn run(&self) -> ExitCode {
        let own = match OwnIssuer::load(&self.config) {
            Ok(own) => own,
            Err(code) => return code,
        };
        match issued(&own, self.wanted()).await {
            Ok(document) => {
                match self.format {
                    Format::Json => print_json(&document),
                    Format::Text => print(&format!("{}\n", document["access_token"].as_str().unwrap_or_default())),
                }
                ExitCode::SUCCESS
            }
            Err(failed) => own.tell(&failed),
        }
    }

    fn wanted(&self) -> DevelopmentToken {
        DevelopmentToken {
            resource: self.resource.clone(),
            scope: (!self.scope.is_empty()).then(|| self.scope.join(" ")),
            sub: self.sub.clone(),
            client_id: self.client.clone(),
        }
    }
}

/// Decides by the file, and signs with the keys that it names; or asks who has them.
async fn issued(own: &OwnIssuer, wanted: DevelopmentToken) -> Result<Value, Failed> {
    let audiences = AudienceTable::new(&own.config).map_err(|shared| Failed::Refused(shared.to_string()))?;
    let policy = Policy { server: &own.server, config: &own.config, audiences: &audiences };
    // Before anything is opened or made.
    let grant = development_token(&policy, &wanted).map_err(|fault| not_allowed(own, &fault))?;
    let done = match keys::signing(&own.config, &own.server).await {
        Ok(keys) => {
            let minted = mint(&policy, &grant, &keys, Timestamp::now());
            let minted = minted.map_err(|fault| Failed::Refused(fault.to_string()))?;
            Ok(serde_json::json!(TokenResponse::of(&minted)))
        }
        Err(error) => Err(error),
    };
    own.or_ask(done, Order::IssueToken(wanted)).await
}

/// Why not; where the configuration does not open this, the place where it could.
fn not_allowed(own: &OwnIssuer, fault: &DevelopmentFault) -> Failed {
    match fault {
        DevelopmentFault::Off => {
            let hint = "write `development_tokens: true` there; in production, leave it out";
            Failed::Fault(own.places.issuer_unusable(&fault.to_string(), hint))
        }
        DevelopmentFault::ClientAmbiguous { .. } => Failed::Refused(format!("{fault}; say which with `--client`")),
        _ => Failed::Refused(fault.to_string()),
    }
}
