//! Who is compared: a program, the tokens that it is asked with, and how it is started.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::foreign;
use crate::gate;
use crate::place::Place;
use crate::process::Measured;
use crate::tokens::Algorithm;

/// How long a program may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that stands before the upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    /// Pingora that only forwards.
    Bare,
    /// The same with the gate's allocator.
    BareMimalloc,
    /// The gate.
    Gate,
    /// The gate with one log line a request.
    GateLogging,
    /// HAProxy with its `jwt_verify`.
    HaProxy,
    /// Envoy with its `jwt_authn`.
    Envoy,
    /// The same with its cache.
    EnvoyCached,
}

/// The tokens that a contender is asked with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// So many, again and again.
    Warm(usize),
    /// Each once.
    Cold,
    /// Three of four good.
    Mixed,
}

/// One line of the comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contender {
    pub program: Program,
    pub algorithm: Algorithm,
    pub asked: Asked,
}

impl Contender {
    /// All of them, for these algorithms, in their first order.
    pub fn all(algorithms: &[Algorithm]) -> Vec<Self> {
        use Program::{Bare, BareMimalloc, Envoy, EnvoyCached, Gate, GateLogging, HaProxy};
        let warm = [
            (Bare, Asked::Warm(1)),
            (BareMimalloc, Asked::Warm(1)),
            (Gate, Asked::Warm(1)),
            (Gate, Asked::Warm(100)),
            (Gate, Asked::Warm(10_000)),
            (GateLogging, Asked::Warm(1)),
            (Gate, Asked::Mixed),
            (HaProxy, Asked::Warm(1)),
            (Envoy, Asked::Warm(1)),
            (EnvoyCached, Asked::Warm(1)),
        ];
        let cold = [(Gate, Asked::Cold), (HaProxy, Asked::Cold), (Envoy, Asked::Cold)];
        let mut all = Vec::new();
        for &algorithm in algorithms {
            let lines = warm.iter().chain(&cold).filter(|(program, asked)| match algorithm {
                Algorithm::Rs256 | Algorithm::Es256 => true,
                // HAProxy has none; of the rest only what is cold depends on the signature.
                Algorithm::EdDsa => {
                    *program != HaProxy && (*asked == Asked::Cold || matches!(program, Bare | BareMimalloc))
                }
            });
            all.extend(lines.map(|&(program, asked)| Self { program, algorithm, asked }));
        }
        all
    }

    /// What it is called, here and with `--only`.
    pub fn name(&self) -> String {
        let asked = match self.asked {
            _ if matches!(self.program, Program::Bare | Program::BareMimalloc) => String::new(),
            Asked::Warm(1) => " warm".into(),
            Asked::Warm(count) => format!(" warm {count}"),
            Asked::Cold => " cold".into(),
            Asked::Mixed => " mixed".into(),
        };
        format!("{} {}{asked}", self.program.name(), self.algorithm)
    }
}

impl Program {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareMimalloc => "bare-mimalloc",
            Self::Gate => "gate",
            Self::GateLogging => "gate-logging",
            Self::HaProxy => "haproxy",
            Self::Envoy => "envoy",
            Self::EnvoyCached => "envoy-cached",
        }
    }

    /// Whether it looks at tokens at all.
    pub fn checks_tokens(self) -> bool {
        !matches!(self, Self::Bare | Self::BareMimalloc)
    }

    /// Starts it on the measured core.
    ///
    /// # Errors
    ///
    /// What is missing, or what it said instead of listening.
    pub fn start(self, place: &Place, algorithm: Algorithm) -> Result<Measured, String> {
        match self {
            Self::Bare | Self::BareMimalloc => {
                let address = free_address();
                let program = if self == Self::Bare { &place.bare.plain } else { &place.bare.mimalloc };
                let mut command = place.machine.measured(program);
                command.args(["serve", &address.to_string(), &place.upstream.to_string()]);
                if place.protocol.is_encrypted() {
                    command.arg(place.folder.path("site.pem")).arg(place.folder.path("site.key"));
                }
                start(command, address, &place.folder.path("bare.log"))
            }
            Self::Gate => Ok(gate::start(place, gate::Log::Quiet)),
            Self::GateLogging => Ok(gate::start(place, gate::Log::Requests)),
            Self::HaProxy => foreign::haproxy(place, algorithm),
            Self::Envoy => foreign::envoy(place, foreign::Cache::None),
            Self::EnvoyCached => foreign::envoy(place, foreign::Cache::Tokens),
        }
    }
}

/// A port that the system chose just now. These programs cannot say which one they were given, so they are told.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("a bound socket has an address")
}

/// Starts a program that was told where to listen, and waits until it does.
///
/// # Errors
///
/// What it said before it ended.
pub fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Measured, String> {
    let said = std::fs::File::create(log).expect("the temporary folder can be written");
    let also = said.try_clone().expect("a file can be written twice");
    let process = command.stdin(Stdio::null()).stdout(also).stderr(said).spawn().expect("the program starts");
    let measured = Measured::of(process, address);
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        // A process that has ended has no threads; it is not taken away before `measured` is dropped.
        let status = std::fs::read_to_string(measured.folder().join("status")).unwrap_or_default();
        if status.contains("State:\tZ") || begun.elapsed() > PATIENCE {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            return Err(format!("it does not listen: {}", said.trim().chars().take(500).collect::<String>()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(measured)
}
