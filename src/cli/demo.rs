//! `narrowgate demo`: two APIs, an issuer and the gateway on this machine, and commands to try them with.
//!
//! The gateway is the real one, with the sample configuration of this repository. Everything listens on loopback only,
//! keys and tokens are made now and die with the process, and nothing is left behind. Commands go to stdout, each with
//! the answer that it gets; all other words go to stderr.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::{print, tell};
use crate::app::{Running, StartError};
use crate::config::{self, Environment, Loaded};
use crate::serve::BindError;
use crate::telemetry::log;
use issuer::DevelopmentIssuer;
use settings::{Addresses, Settings};

mod issuer;
mod lessons;
mod sample_api;
mod settings;

/// Start two sample APIs, an issuer and the gateway, and print commands to try
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// The gateway's port [default: one that is free]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

/// How often another port is tried when somebody else was faster.
const ATTEMPTS: usize = 5;

impl Demo {
    /// Runs until SIGTERM or Ctrl-C, and says how it ended.
    pub async fn run(&self) -> ExitCode {
        match self.show().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let mut told = format!("error: {error}");
                let mut source = error.source();
                while let Some(cause) = source {
                    told.push_str(&format!(": {cause}"));
                    source = cause.source();
                }
                tell(&format!("{told}\n"));
                ExitCode::FAILURE
            }
        }
    }

    async fn show(&self) -> Result<(), Box<dyn Error>> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let issuer = DevelopmentIssuer::start(loopback().await?)?;
        let api1 = sample_api::start("api1", loopback().await?)?;
        let api2 = sample_api::start("api2", loopback().await?)?;
        let (running, settings) = self.start(&issuer, [api1, api2]).await?;
        running.keys_tried().await;
        tell(&settings.greeting());
        print(&lessons::page(&settings, &issuer)?);
        until_asked(terminate, interrupt).await;
        tell("demo: stopping\n");
        running.drain().await;
        Ok(())
    }

    /// The gateway, on the port that was asked for or on a free one, and the settings it runs with.
    ///
    /// The resources' keys hold the port, so it must be known before it is bound: somebody may be faster.
    async fn start(
        &self,
        issuer: &DevelopmentIssuer,
        apis: [SocketAddr; 2],
    ) -> Result<(Running, Settings), Box<dyn Error>> {
        let mut logging = false;
        for attempt in 1.. {
            let port = match self.port {
                Some(port) => port,
                None => loopback().await?.local_addr()?.port(),
            };
            let settings = Settings::write(&Addresses { port, issuer: issuer.address(), apis })?;
            let Loaded { config, .. } = config::load(settings.file(), &Environment::default())?;
            if !logging {
                log::start(&config.log)?;
                logging = true;
            }
            match Running::start(config).await {
                Ok(running) => return Ok((running, settings)),
                Err(StartError::Bind(BindError::Address { source, .. }))
                    if source.kind() == io::ErrorKind::AddrInUse && self.port.is_none() && attempt < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// A socket on a free port that only this machine reaches.
async fn loopback() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

async fn until_asked(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
