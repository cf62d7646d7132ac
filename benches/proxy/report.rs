//! The comparison as Markdown, and the targets beside what was measured.

use crate::contender::{Asked, Contender, Program};
use crate::options::Options;
use crate::rounds::{Results, Turn};
use crate::spread::Spread;
use crate::tokens::Algorithm;

/// What others are held against.
const BASELINES: [Program; 5] =
    [Program::Bare, Program::BareMimalloc, Program::HaProxy, Program::Envoy, Program::EnvoyCached];
/// What a cold request may cost beside the bare one's: so many verifications, and microseconds.
const VERIFICATIONS: f64 = 1.3;
const BESIDE: f64 = 1.5;

/// The share of a turn, in percent, that a contender may wait for the core before the machine is too busy to measure.
const LOUD: f64 = 15.0;

/// Prints everything that the rounds have shown.
pub fn print(results: &Results, options: &Options) {
    println!(
        "\n### CPU per request ({:?}, {} connections, {} rounds of {} s)\n",
        options.protocol, options.connections, options.rounds, options.seconds
    );
    println!("Median (lowest to highest); ratios are medians of the ratios by round.\n");
    print!("| | CPU per request, µs | requests a second | peak memory, MiB |");
    BASELINES.iter().for_each(|baseline| print!(" to {} |", baseline.name()));
    println!("\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (contender, turns) in results.contenders.iter().zip(&results.turns) {
        row(results, contender, turns);
    }
    for left_out in &results.left_out {
        println!("\nLeft out: {left_out}");
    }
    quiet(results);
    alone(results);
    targets(results);
}

/// Says how far the machine was a quiet one.
fn quiet(results: &Results) {
    let shares = results.turns.iter().flatten().map(|turn| turn.waited * 100.0);
    if let Some(waited) = Spread::of(shares) {
        println!("\nContenders were ready and waited for their core {waited:.0} % of a turn.");
        if waited.median > LOUD {
            println!("**That core was not theirs alone: these figures are no measurement.**");
        }
    }
}

fn row(results: &Results, contender: &Contender, turns: &[Turn]) {
    let cost = Spread::of(turns.iter().map(|turn| turn.micros));
    let rate = Spread::of(turns.iter().map(|turn| turn.rate));
    let peak = turns.iter().map(|turn| turn.peak).max();
    let (Some(cost), Some(rate), Some(peak)) = (cost, rate, peak) else { return };
    // Who has used its tokens up waits for the end of its turn.
    let rate = if contender.asked == Asked::Cold { "—".to_owned() } else { format!("{:.0}", rate.median) };
    print!("| {} | {cost:.1} | {rate} | {:.1} |", contender.name(), peak as f64 / 1024.0);
    for baseline in BASELINES {
        let ratio = baseline_of(results, contender, baseline).and_then(|other| results.ratio(turns, other));
        print!(" {} |", ratio.map_or("—".into(), |ratio| ratio.to_string()));
    }
    println!();
}

/// The turns of a baseline with the same algorithm, cold for who is cold; a proxy that looks at no token is never cold.
fn baseline_of<'a>(results: &'a Results, contender: &Contender, baseline: Program) -> Option<&'a [Turn]> {
    let asked = match contender.asked {
        Asked::Cold if baseline.checks_tokens() => Asked::Cold,
        _ => Asked::Warm(1),
    };
    results.of(baseline, contender.algorithm, asked)
}

fn alone(results: &Results) {
    println!("\n### One verification alone (aws-lc-rs, in the same rounds, on the same core)\n");
    println!("| | µs |\n| --- | --- |");
    for (algorithm, times) in &results.raw {
        if let Some(spread) = Spread::of(times.iter().copied()) {
            println!("| {algorithm} | {spread:.1} |");
        }
    }
}

fn targets(results: &Results) {
    println!("\n### Targets\n");
    println!("| | at most | measured | |\n| --- | --- | --- | --- |");
    for algorithm in Algorithm::ALL {
        for count in [1, 100, 10_000] {
            for (baseline, bound) in [(Program::Bare, 1.0), (Program::BareMimalloc, 1.05)] {
                against(results, algorithm, Asked::Warm(count), baseline, bound);
            }
        }
        for (baseline, bound) in [(Program::HaProxy, 0.55), (Program::Envoy, 0.30), (Program::EnvoyCached, 0.60)] {
            against(results, algorithm, Asked::Warm(1), baseline, bound);
        }
        for (baseline, bound) in [(Program::HaProxy, 0.97), (Program::Envoy, 0.5)] {
            against(results, algorithm, Asked::Cold, baseline, bound);
        }
        cold(results, algorithm);
    }
}

fn against(results: &Results, algorithm: Algorithm, asked: Asked, baseline: Program, bound: f64) {
    let gate = Contender { program: Program::Gate, algorithm, asked };
    let own = results.of(gate.program, gate.algorithm, gate.asked);
    let (Some(own), Some(other)) = (own, baseline_of(results, &gate, baseline)) else { return };
    if let Some(ratio) = results.ratio(own, other) {
        line(&format!("{}, to {}", gate.name(), baseline.name()), bound, ratio);
    }
}

/// What a new token costs beyond forwarding, in microseconds, and what it may.
fn cold(results: &Results, algorithm: Algorithm) {
    let gate = results.of(Program::Gate, algorithm, Asked::Cold);
    let bare = results.of(Program::Bare, algorithm, Asked::Warm(1));
    let (Some(gate), Some(bare), Some(raw)) = (gate, bare, results.raw.get(&algorithm)) else { return };
    let beyond = Spread::of(gate.iter().zip(bare).map(|(gate, bare)| gate.micros - bare.micros));
    let (Some(beyond), Some(raw)) = (beyond, Spread::of(raw.iter().copied())) else { return };
    line(&format!("gate {algorithm} cold, beyond bare, µs"), VERIFICATIONS * raw.median + BESIDE, beyond);
}

fn line(what: &str, bound: f64, measured: Spread) {
    let verdict = if measured.median <= bound { "met" } else { "**missed**" };
    println!("| {what} | {bound:.2} | {measured} | {verdict} |");
}
