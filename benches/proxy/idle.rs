//! What a connection costs that waits for its next request: resident memory with thousands of them, each answered once.

use crate::client::Dialer;
use crate::contender::Program;
use crate::gate;
use crate::options::{Options, Protocol};
use crate::place::Place;
use crate::process::Measured;
use crate::rounds::memory;
use crate::tokens::{Algorithm, Kind, Provider};

/// Connections that wait.
const WAITING: usize = 5_000;
/// What else this program and the gate have open.
const SPARE: usize = 500;
/// What one may cost, in KiB.
const BOUND: f64 = 25.0;

/// Measures, and prints a table; over TCP, then over TLS.
///
/// # Errors
///
/// Too few files may be open, or an answer was wrong.
pub fn run(place: &mut Place, provider: &Provider, options: &Options) -> Result<(), String> {
    let connections = if options.quick { WAITING / 10 } else { WAITING };
    if open_files() < connections + SPARE {
        return Err(format!("too few files may be open: `ulimit -n {}`", connections + SPARE));
    }
    let token = provider.key(Algorithm::Es256).token(Kind::Good, 0);
    println!("\n### {connections} idle connections\n");
    println!("| | KiB a connection | resident before, MiB | and after |");
    println!("| --- | --- | --- | --- |");
    let asked_for = place.protocol;
    for (protocol, spoken) in [(Protocol::H1, "HTTP/1.1"), (Protocol::H1Tls, "HTTP/1.1 over TLS")] {
        place.protocol = protocol;
        let bare = Program::Bare.start(place, Algorithm::Es256)?;
        row(&format!("bare, {spoken}"), measure(place, &bare, &token, connections)?, None);
        drop(bare);
        let gate = gate::start_roomy(place);
        row(&format!("gate, {spoken}"), measure(place, &gate, &token, connections)?, Some(BOUND));
    }
    place.protocol = asked_for;
    Ok(())
}

struct Resident {
    each: f64,
    before: u64,
    after: u64,
}

fn row(name: &str, resident: Resident, bound: Option<f64>) {
    let Resident { each, before, after } = resident;
    let verdict = match bound {
        Some(bound) if each <= bound => format!(" (at most {bound:.0}: met)"),
        Some(bound) => format!(" (at most {bound:.0}: **missed**)"),
        None => String::new(),
    };
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!("| {name} | {each:.1}{verdict} | {:.1} | {:.1} |", mib(before), mib(after));
}

fn measure(place: &Place, measured: &Measured, token: &str, connections: usize) -> Result<Resident, String> {
    let dialer = Dialer::new(place, measured.address());
    let answered = |count: usize| -> Result<Vec<_>, String> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = dialer.connect().map_err(|error| format!("it does not accept: {error}"))?;
            let answer = client.ask(Some(token)).map_err(|error| format!("it does not answer: {error}"))?;
            if answer.status != 200 {
                return Err(format!("it answers {answer:?}"));
            }
            clients.push(client);
        }
        Ok(clients)
    };
    // What is there once and for all is there before.
    drop(answered(50)?);
    let before = memory(measured, "VmRSS:");
    let clients = answered(connections)?;
    let after = memory(measured, "VmRSS:");
    drop(clients);
    Ok(Resident { each: after.saturating_sub(before) as f64 / connections as f64, before, after })
}

/// `Max open files` of proc(5)'s `limits`.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}
