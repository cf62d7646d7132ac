//! `narrowgate run`: serves a configuration until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::output::tell;
use crate::app::{Origin, Running};
use crate::config::{Environment, Loaded, Reading, Source};
use crate::serve::admin::Orders;
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
        let source = Source::new(&self.config, Environment::of_process());
        let Reading { loaded, files, is_terminated } = source.read();
        let Loaded { config, warnings, places } = match loaded {
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
        match Running::start(config, Some(Origin { source, files, is_terminated })).await {
            Ok(running) => serve(running).await,
            Err(error) => match error.fault(&places) {
                Some(fault) => {
                    tell(&fault.to_string());
                    ExitCode::from(2)
                }
                None => failed(&error),
            },
        }
    }
}

async fn serve(running: Running) -> ExitCode {
    // Before anybody is told that this program serves: a signal that nobody waits for ends it.
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = signals else {
        tell("error: signals cannot be waited for\n");
        return ExitCode::FAILURE;
    };
    for listener in running.listeners() {
        let scheme = if listener.tls { "https" } else { "http" };
        tell(&format!("listening on {scheme}://{} (listen)\n", listener.address));
    }
    if let Some(address) = running.admin() {
        tell(&format!("listening on http://{address} (admin)\n"));
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // What comes of it is in the log.
            _ = hangup.recv() => running.orders().map_or((), Orders::order),
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
