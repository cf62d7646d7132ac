//! What is asked of the benchmark on its command line, behind `--`.

use crate::tokens::Algorithm;

/// The gate beside what it is compared with: CPU time per request, latency, memory
#[derive(clap::Parser, Debug)]
#[command(name = "cargo bench --bench proxy --", version = "")]
pub struct Options {
    /// Turns of each contender
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// Length of a turn
    #[arg(long, default_value_t = 3)]
    pub seconds: u64,
    /// Connections that share the load
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// Contenders whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// What is spoken with the contenders; their upstream speaks plain HTTP/1.1
    #[arg(long, value_enum, default_value = "h1")]
    pub protocol: Protocol,
    /// What signs the tokens [default: all of them]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub algorithm: Vec<Algorithm>,
    /// What is measured [default: all of it]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub part: Vec<Part>,
    /// Three rounds of one second and a tenth of the rest: to see that it runs, not for figures
    #[arg(long)]
    pub quick: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// How a client speaks with a contender.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1
    H1,
    /// HTTP/1.1 over TLS
    H1Tls,
    /// HTTP/2 over TLS
    H2Tls,
}

/// One part of the benchmark.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// CPU time per request of every contender
    Requests,
    /// Percentiles at an equal fixed rate
    Latency,
    /// Ten resources and a hundred thousand
    Resources,
    /// Thousands of connections that wait
    Idle,
    /// A million tokens in the cache
    Cache,
}

impl Protocol {
    /// Whether it is spoken over TLS.
    pub fn is_encrypted(self) -> bool {
        self != Self::H1
    }

    /// `http` or `https`.
    pub fn scheme(self) -> &'static str {
        if self.is_encrypted() { "https" } else { "http" }
    }
}

impl Options {
    /// `--quick` shortens what was not said otherwise.
    pub fn settled(mut self) -> Self {
        if self.quick {
            self.rounds = self.rounds.min(3);
            self.seconds = 1;
        }
        if self.algorithm.is_empty() {
            self.algorithm = Algorithm::ALL.to_vec();
        }
        if self.part.is_empty() {
            self.part = vec![Part::Requests, Part::Latency, Part::Resources, Part::Idle, Part::Cache];
        }
        self
    }

    /// Whether this contender takes part.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}
