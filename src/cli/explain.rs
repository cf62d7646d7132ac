//! `narrowgate explain`: what the gate would do with one request, step by step, and what would have worked.
//!
//! The request is judged by the gate's own function before a witness; nothing is sent to any upstream. Keys are read
//! as the gate reads them, once. Deliberately absent: the token itself. What is printed of it was proven, or is marked
//! as what an unproven token says of itself.

use std::io::{IsTerminal, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::output::{Format, count, print, print_json, tell};
use crate::app;
use crate::clock::Timestamp;
use crate::config::{
    self, AuthorizationServer, Config, Environment, JwksLocation, KeyOrigin, KeySource, Loaded, TrustedIssuer,
};
use crate::fetch::Fetcher;
use crate::guard::{Decision, Gate};
use crate::token::{Keyring, OwnIssuer, TokenCache};
use report::Report;
use request::AskedRequest;
use trail::Trail;

mod advice;
mod claims;
mod report;
mod request;
mod trail;
mod variant;

/// Explain what happens to one request; the access token comes on stdin
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The request's method
    method: String,
    /// The whole URL, byte for byte as the client sends it
    url: String,
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
    /// A further header field; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The address that the request comes from
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    peer: IpAddr,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The most that is read from stdin, in bytes; far more than any `limits.token_bytes`.
const MOST_INPUT: u64 = 1 << 20;

impl Explain {
    /// Explains, prints, and says whether the request is let through.
    pub fn run(&self) -> ExitCode {
        match self.explain() {
            Ok(report) => {
                match self.format {
                    Format::Text => print(&report.page()),
                    Format::Json => print_json(&report),
                }
                if report.is_let_through() { ExitCode::SUCCESS } else { ExitCode::from(1) }
            }
            Err(message) => {
                tell(&message);
                ExitCode::from(2)
            }
        }
    }

    /// The explanation, or what is wrong with the command or the configuration.
    fn explain(&self) -> Result<Report, String> {
        let fault = |message: &dyn std::fmt::Display| format!("error: {message}\n");
        let Loaded { config, .. } = config::load(&self.config, &Environment::of_process())
            .map_err(|faults| format!("{faults}\n{}\n", count(faults.0.len(), "fault")))?;
        let token = token_on_stdin().map_err(|error| fault(&format!("the token cannot be read: {error}")))?;
        let request = AskedRequest::parse(&self.method, &self.url, &self.headers, token.as_deref())
            .map_err(|error| fault(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| fault(&format!("no runtime can be made: {error}")))?;
        runtime.block_on(self.judge(&config, &request)).map_err(|error| fault(&error))
    }

    async fn judge(&self, config: &Config, request: &AskedRequest) -> Result<Report, Box<dyn std::error::Error>> {
        let fetcher = Fetcher::new(config.trusted_cas.as_deref())?;
        let keyring = |issuer: &config::TrustedIssuer| Keyring::new(issuer.clone(), fetcher.clone());
        let keyrings: Vec<Arc<Keyring>> = config.trusted_issuers.iter().map(keyring).collect();
        let own = match &config.issuer {
            None => None,
            Some(server) => {
                let keys = published_keys(config, server).await?;
                let keyring = keyring(&TrustedIssuer { keys, ..server.as_trusted_issuer() });
                // What it has taken back, only the running gate knows.
                Some(OwnIssuer { keyring, revocations: Arc::default() })
            }
        };
        let gate = Gate::new(config, keyrings, own)?;
        let tokens = TokenCache::new(config.limits.token_cache_bytes).map_err(|_| "the system has no randomness")?;
        let mut keys_awaited = false;
        loop {
            let now = Timestamp::now();
            let mut trail = Trail::new(config, request);
            let view = request.view(config, self.peer, keys_awaited);
            match gate.decide_before(&mut trail, &view, &tokens, now) {
                Decision::AwaitKeys(issuer) if !keys_awaited => gate.keyrings()[issuer.0].refetch().await,
                decision => return Ok(Report::new(config, &gate, request, trail, decision, now)),
            }
            keys_awaited = true;
        }
    }
}

/// The keys of our own issuer: those of its files, or where it publishes them while it runs.
async fn published_keys(config: &Config, server: &AuthorizationServer) -> Result<KeySource, app::StartError> {
    match &server.signing.keys {
        KeyOrigin::Store { .. } => Ok(KeySource::Discovery { issuer: server.url.clone() }),
        KeyOrigin::Files(files) => {
            let path = files.first().map(|file| file.path.clone()).unwrap_or_default();
            let json = app::keys::signing(config, server).await?.jwk_set().to_shared();
            Ok(KeySource::Jwks(vec![JwksLocation::File { path, json }]))
        }
    }
}

/// The text on stdin without the white space around it; a terminal and an empty text are no token.
fn token_on_stdin() -> std::io::Result<Option<Vec<u8>>> {
    let stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Ok(None);
    }
    let mut text = Vec::new();
    stdin.take(MOST_INPUT).read_to_end(&mut text)?;
    let token = text.trim_ascii();
    Ok((!token.is_empty()).then(|| token.to_owned()))
}
