//! The load: `wrk` walks a file of requests, `h2load` repeats one over HTTP/2. Both count what they get.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::machine::{H2LOAD, WRK};
use crate::options::Protocol;
use crate::place::Place;
use crate::tokens::{HOST, Key, Kind};

/// The path of every request to the one API.
pub const PATH: &str = "/documents/42";
/// Streams that share one connection of HTTP/2.
const STREAMS: usize = 4;

/// What to do at the end of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Walk {
    /// Begin again.
    Cycle,
    /// Send nothing more.
    Once,
}

/// How long, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub seconds: u64,
    pub connections: usize,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// All of them.
    pub answered: u64,
    /// Those with a status of 400 and above.
    pub refused: u64,
    /// Connections and requests that broke.
    pub failed: u64,
    /// How long the load ran.
    pub seconds: f64,
}

/// A line of a walk.
pub fn request(host: &str, path: &str, token: Option<&str>) -> String {
    format!("{host} {path} {}\n", token.unwrap_or("-"))
}

/// Three of four good: each fifth of the bad ones is wrong in another way.
pub fn mixed(key: &Key) -> String {
    let mut lines = String::new();
    for at in 0..100 {
        let token = match at % 20 {
            3 => Some(Kind::WrongAudience),
            7 => Some(Kind::Expired),
            11 => Some(Kind::BadSignature),
            15 => None,
            19 => Some(Kind::WrongScope),
            _ => Some(Kind::Good),
        };
        lines.push_str(&request(HOST, PATH, token.map(|kind| key.token(kind, 1_000_000 + at)).as_deref()));
    }
    lines
}

/// Sends what stands in a file; over HTTP/2 only its first line, again and again.
///
/// # Errors
///
/// The program is missing, or says nothing that can be understood.
pub fn send(place: &Place, to: SocketAddr, requests: &Path, walk: Walk, pace: Pace) -> Result<Answers, String> {
    if place.protocol == Protocol::H2Tls {
        return repeat(place, to, requests, pace);
    }
    let program = WRK.find().ok_or_else(|| WRK.missing())?;
    let mut command = place.machine.beside(program);
    command.args(["--threads", "1", "--timeout", "60s", "--connections", &pace.connections.to_string()]);
    command.args(["--duration", &format!("{}s", pace.seconds), "--script"]).arg(place.folder.path("walk.lua"));
    command.arg(format!("{}://{to}", place.protocol.scheme())).arg("--").arg(requests);
    command.arg(if walk == Walk::Once { "once" } else { "cycle" });
    let said = output(&mut command)?;
    let numbers = said.lines().find_map(|line| line.strip_prefix("walked ")).unwrap_or_default();
    let numbers: Vec<u64> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [answered, refused, failed, micros] = numbers[..] else { return Err(format!("wrk says: {said}")) };
    Ok(Answers { answered, refused, failed, seconds: micros as f64 / 1e6 })
}

fn repeat(place: &Place, to: SocketAddr, requests: &Path, pace: Pace) -> Result<Answers, String> {
    let connections = (pace.connections / STREAMS).max(1).to_string();
    let first = std::fs::read_to_string(requests).map_err(|error| error.to_string())?;
    let mut command = h2load(place, to, first.lines().next().unwrap_or_default())?;
    command.args(["--clients", &connections, "--max-concurrent-streams", &STREAMS.to_string()]);
    command.args(["--duration", &pace.seconds.to_string()]);
    let said = output(&mut command)?;
    let number = |line: &str, behind: &str| {
        let line = said.lines().find(|own| own.starts_with(line))?;
        line.split(&[':', ',']).find_map(|part| part.trim().strip_suffix(behind)?.trim().parse::<u64>().ok())
    };
    let status = |class: &str| number("status codes", class);
    let counts = [status("2xx"), status("3xx"), status("4xx"), status("5xx"), number("requests", "errored")];
    let [Some(good), Some(moved), Some(refused), Some(broken), Some(failed)] = counts else {
        return Err(format!("h2load says: {said}"));
    };
    let answered = good + moved + refused + broken;
    Ok(Answers { answered, refused: answered - good, failed, seconds: pace.seconds as f64 })
}

fn h2load(place: &Place, to: SocketAddr, line: &str) -> Result<Command, String> {
    let program = H2LOAD.find().ok_or_else(|| H2LOAD.missing())?;
    let [host, path, token] = line.split(' ').collect::<Vec<_>>()[..] else { return Err("no request".into()) };
    let mut command = place.machine.beside(program);
    command.args(["--threads", "1", "--header", &format!("authorization: Bearer {token}")]);
    command.arg(format!("--connect-to={to}")).arg(format!("{}://{host}{path}", place.protocol.scheme()));
    Ok(command)
}

fn output(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    match done.status.success() {
        true => Ok(said),
        false => Err(format!("{said}{}", String::from_utf8_lossy(&done.stderr))),
    }
}
