//! Percentiles at an equal fixed rate: half of what the bare proxy answers at saturation.

use crate::contender::Program;
use crate::load::{self, PATH, Pace, Walk};
use crate::options::{Options, Protocol};
use crate::paced;
use crate::place::Place;
use crate::rounds;
use crate::spread::Spread;
use crate::tokens::{Algorithm, HOST, Kind, Provider};

/// Who is asked.
const PROGRAMS: [Program; 3] = [Program::Bare, Program::BareMimalloc, Program::Gate];

/// One turn: microseconds below which half, and 99 of 100, were answered.
#[derive(Clone, Copy, Debug)]
struct Percentiles {
    half: f64,
    most: f64,
}

/// Measures, and prints a table.
///
/// # Errors
///
/// A program is missing, or an answer was wrong.
pub fn run(place: &Place, provider: &Provider, options: &Options) -> Result<(), String> {
    if options.protocol == Protocol::H2Tls {
        return Err("the fixed rate is for HTTP/1.1 only".into());
    }
    let algorithm = options.algorithm.first().copied().unwrap_or(Algorithm::Es256);
    let token = provider.key(algorithm).token(Kind::Good, 0);
    let line = load::request(HOST, PATH, Some(&token));
    let rate = saturation(place, &line, algorithm, options)? / 2.0;
    let pace = Pace { seconds: options.seconds, connections: options.connections };
    let mut turns: [Vec<Percentiles>; PROGRAMS.len()] = Default::default();
    for round in 0..options.rounds {
        for step in 0..PROGRAMS.len() {
            let at = (step + round) % PROGRAMS.len();
            let measured = PROGRAMS[at].start(place, algorithm)?;
            let latencies = paced::latencies(place, measured.address(), &token, rate, pace)?;
            let at_rank =
                |hundredth: usize| latencies.get(latencies.len() * hundredth / 100).map(|&micros| micros as f64);
            let (Some(half), Some(most)) = (at_rank(50), at_rank(99)) else { return Err("no answers".into()) };
            eprintln!(
                "round {}: {} at {rate:.0} a second: p50 {half} us, p99 {most} us",
                round + 1,
                PROGRAMS[at].name()
            );
            turns[at].push(Percentiles { half, most });
        }
    }
    println!("\n### Latency at {rate:.0} requests a second ({algorithm}, one token)\n");
    println!("| | p50, µs | p99, µs | p99 to bare, by round | p99 to bare with mimalloc |");
    println!("| --- | --- | --- | --- | --- |");
    let ratio = |own: usize, other: usize| {
        Spread::of(turns[own].iter().zip(&turns[other]).map(|(own, other)| own.most / other.most))
    };
    for (at, program) in PROGRAMS.into_iter().enumerate() {
        let half = Spread::of(turns[at].iter().map(|turn| turn.half));
        let most = Spread::of(turns[at].iter().map(|turn| turn.most));
        let (Some(half), Some(most), Some(bare), Some(mimalloc)) = (half, most, ratio(at, 0), ratio(at, 1)) else {
            continue;
        };
        println!("| {} | {half:.0} | {most:.0} | {bare} | {mimalloc} |", program.name());
    }
    if let Some(gate) = ratio(2, 0) {
        let verdict = if gate.median <= 1.1 { "met" } else { "**missed**" };
        println!("\np99 within 1.1 of bare at an equal rate: {:.2}, {verdict}", gate.median);
    }
    Ok(())
}

/// Requests in a second that the bare proxy answers when nothing holds the load back.
fn saturation(place: &Place, line: &str, algorithm: Algorithm, options: &Options) -> Result<f64, String> {
    let requests = place.folder.write("saturation", line);
    let mut pace = Pace { seconds: 1, connections: options.connections };
    let measured = Program::Bare.start(place, algorithm)?;
    load::send(place, measured.address(), &requests, Walk::Cycle, pace)?;
    pace.seconds = options.seconds;
    let answers = load::send(place, measured.address(), &requests, Walk::Cycle, pace)?;
    let peak = rounds::peak(&measured);
    eprintln!("bare at saturation: {} answers in {:.1} s, {peak} KiB", answers.answered, answers.seconds);
    Ok(answers.answered as f64 / answers.seconds)
}
