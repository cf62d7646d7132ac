//! What it costs to have many resources: the same requests to a gate with ten of them and with a hundred thousand.

use std::fmt::Write;
use std::path::PathBuf;

use crate::gate;
use crate::load::{self, Pace, Walk};
use crate::options::{Options, Protocol};
use crate::place::Place;
use crate::rounds;
use crate::spread::Spread;
use crate::tokens::{Algorithm, Kind, Provider};

const FEW: usize = 10;
const MANY: usize = 100_000;
/// How many of the many are asked for, where the requests are spread over all of them.
const SPREAD: usize = 1_000;

/// Measures, and prints a table.
///
/// # Errors
///
/// A program is missing, or an answer was wrong.
pub fn run(place: &Place, provider: &Provider, options: &Options) -> Result<(), String> {
    if options.protocol == Protocol::H2Tls {
        return Err("many resources are asked for over HTTP/1.1 only".into());
    }
    let same = walk(place, provider, "walk-few", (0..FEW).collect());
    let spread = walk(place, provider, "walk-spread", (0..SPREAD).map(|at| at * (MANY / SPREAD) + at % 10).collect());
    let lines = [
        ("10 resources", FEW, &same),
        ("100,000 resources, the same requests", MANY, &same),
        ("100,000 resources, 1,000 of them in turn", MANY, &spread),
    ];
    let mut costs = vec![Vec::new(); lines.len()];
    let mut peaks = vec![0; lines.len()];
    for round in 0..options.rounds {
        for step in 0..lines.len() {
            let at = (step + round) % lines.len();
            let (name, resources, requests) = lines[at];
            let measured = gate::start_with(place, resources);
            let mut pace = Pace { seconds: 1, connections: options.connections };
            load::send(place, measured.address(), requests, Walk::Cycle, pace)?;
            pace.seconds = options.seconds;
            let before = measured.cpu_time();
            let answers = load::send(place, measured.address(), requests, Walk::Cycle, pace)?;
            let used = measured.cpu_time().since(&before);
            if answers.refused + answers.failed > 0 || answers.answered == 0 {
                return Err(format!("{name}: {answers:?}"));
            }
            let micros = used / answers.answered as f64 * 1e6;
            eprintln!("round {}: {name}: {micros:.1} us", round + 1);
            costs[at].push(micros);
            peaks[at] = rounds::peak(&measured);
        }
    }
    println!("\n### Many resources\n");
    println!("| gate, ES256 | CPU per request, µs | to 10 resources, by round | peak memory, MiB |");
    println!("| --- | --- | --- | --- |");
    for (at, (name, ..)) in lines.into_iter().enumerate() {
        let ratio = Spread::of(costs[at].iter().zip(&costs[0]).map(|(own, few)| own / few));
        let (Some(cost), Some(ratio)) = (Spread::of(costs[at].iter().copied()), ratio) else { continue };
        println!("| {name} | {cost:.1} | {ratio} | {:.1} |", peaks[at] as f64 / 1024.0);
    }
    if let Some(ratio) = Spread::of(costs[1].iter().zip(&costs[0]).map(|(many, few)| many / few)) {
        let verdict = if ratio.median <= 1.05 { "met" } else { "**missed**" };
        println!("\n100,000 resources within 1.05 of ten: {:.2}, {verdict}", ratio.median);
    }
    Ok(())
}

/// Requests for these resources, each with a token of its own.
fn walk(place: &Place, provider: &Provider, name: &str, resources: Vec<usize>) -> PathBuf {
    let key = provider.key(Algorithm::Es256);
    let mut text = String::new();
    for at in resources {
        let audience = gate::one_of_many(at);
        let host_and_path = audience.strip_prefix("https://").expect("it is a URL");
        let (host, path) = host_and_path.split_once('/').expect("it has a path");
        let token = key.token_for(&audience, Kind::Good, at);
        writeln!(text, "{host} /{path}/documents/42 {token}").expect("a string takes everything");
    }
    place.folder.write(name, &text)
}
