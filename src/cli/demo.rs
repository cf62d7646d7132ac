//! `narrowgate demo`: two APIs, an identity provider and the gateway on this machine, and commands to try them with.
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
use crate::app::{Origin, Running, StartError};
use crate::config::{Environment, Log, Reading, Source};
use crate::serve::BindError;
use crate::telemetry::log;
use issuer::DevelopmentIssuer;
use settings::{Addresses, Settings};

mod issuer;
mod lessons;
mod sample_api;
mod settings;
mod token_client;
mod web_app;

/// Start two sample APIs, an identity provider and the gateway, and print commands to try
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
        let mut signals = Signals::new()?;
        log::start(&Log::default())?;
        let issuer = DevelopmentIssuer::start(loopback().await?)?;
        let api1 = sample_api::start("api1", loopback().await?)?;
        let api2 = sample_api::start("api2", loopback().await?)?;
        let web_app = loopback().await?;
        let (running, settings) = self.start(&issuer, [api1, api2], web_app.local_addr()?).await?;
        running.keys_tried().await;
        settings.web_app().start(web_app);
        tell(&settings.greeting());
        print(&lessons::page(&settings, &issuer).await?);
        signals.received().await;
        tell("stopping\n");
        tokio::select! {
            _ = running.drain() => {}
            () = signals.received() => {}
        }
        Ok(())
    }

    /// The gateway, on the port that was asked for or on a free one, and the settings it runs with.
    ///
    /// The resources' keys hold the port, so it must be known before it is bound: somebody may be faster.
    async fn start(
        &self,
        issuer: &DevelopmentIssuer,
        apis: [SocketAddr; 2],
        web_app: SocketAddr,
    ) -> Result<(Running, Settings), Box<dyn Error>> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let port = match self.port {
                Some(port) => port,
                None => loopback().await?.local_addr()?.port(),
            };
            let settings = Settings::write(&Addresses { port, issuer: issuer.address(), apis, web_app })?;
            let source = Source::new(settings.file(), Environment::default());
            let Reading { loaded, files, is_terminated } = source.read();
            let origin = Origin { source, files, is_terminated };
            match Running::start(loaded?.config, Some(origin)).await {
                Ok(running) => return Ok((running, settings)),
                Err(StartError::Bind(BindError::Address { source, .. }))
                    if source.kind() == io::ErrorKind::AddrInUse && self.port.is_none() && attempts < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What ends the demo: SIGTERM or Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A socket on a free port that only this machine reaches.
async fn loopback() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}
