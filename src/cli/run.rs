//! `narrowgate run`: serves a configuration until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::output::tell;
use crate::app::Running;
use crate::config::{self, Environment, Loaded};
use crate::telemetry::log;

/// Serve a configuration until SIGTERM or Ctrl-C
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
}

impl Run {
    /// Serves, and says how it ended: 0 after a stop that was asked for, 1 if serving failed, 2 for a bad configuration.
    pub async fn run(&self) -> ExitCode {
        let Loaded { config, warnings, .. } = match config::load(&self.config, &Environment::of_process()) {
            Ok(loaded) => loaded,
            Err(faults) => {
                tell(&faults.to_string());
                return ExitCode::from(2);
            }
        };
        for warning in warnings {
            tell(&warning.to_string());
        }
        if let Err(error) = log::start(&config.log) {
            return failed(&error);
        }
        match Running::start(config).await {
            Ok(running) => serve(running).await,
            Err(error) => failed(&error),
        }
    }
}

async fn serve(running: Running) -> ExitCode {
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    for listener in running.listeners() {
        let scheme = if listener.tls { "https" } else { "http" };
        tell(&format!("listening on {scheme}://{} (listen)\n", listener.address));
    }
    if let Some(address) = running.admin() {
        tell(&format!("listening on http://{address} (admin)\n"));
    }
    // A terminal that closes must not end the gate, and reading the file anew while it runs is not supported yet.
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return failed(&error),
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => tell("SIGHUP: a changed configuration is read at the next start\n"),
        }
    }
    tell("stopping: requests under way come to their end\n");
    tokio::select! {
        cut = running.drain() => {
            if cut > 0 {
                tell(&format!("cut {cut} requests that did not end within `limits.drain`\n"));
            }
        }
        _ = interrupt.recv() => tell("stopped at once\n"),
    }
    ExitCode::SUCCESS
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    tell(&format!("{text}\n"));
    ExitCode::FAILURE
}
