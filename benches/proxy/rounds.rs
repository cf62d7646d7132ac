//! The interleaved run: every contender has a turn in every round, as a fresh process, and each round begins with another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::check::check;
use crate::contender::{Asked, Contender, Program};
use crate::load::{self, Answers, PATH, Pace, Walk};
use crate::options::{Options, Protocol};
use crate::place::Place;
use crate::process::Measured;
use crate::quiet;
use crate::raw;
use crate::spread::Spread;
use crate::tokens::{Algorithm, HOST, Provider};
use crate::upstream::Upstream;

/// New tokens for one second of a cold turn; a contender that is quicker has used them up before the second is over.
const COLD_A_SECOND: usize = 15_000;

/// One turn of one contender.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// CPU time per request, in microseconds.
    pub micros: f64,
    /// Requests answered in a second of wall clock.
    pub rate: f64,
    /// The most memory that it had, in KiB.
    pub peak: u64,
    /// The share of its turn that it was ready and had to wait for the core.
    pub waited: f64,
}

/// What came of all turns.
pub struct Results {
    /// Who took part.
    pub contenders: Vec<Contender>,
    /// Of each, its turns by round.
    pub turns: Vec<Vec<Turn>>,
    /// One verification alone, by round.
    pub raw: BTreeMap<Algorithm, Vec<f64>>,
    /// Who did not, and why.
    pub left_out: Vec<String>,
}

impl Results {
    /// The turns of one contender, if it took part.
    pub fn of(&self, program: Program, algorithm: Algorithm, asked: Asked) -> Option<&[Turn]> {
        let sought = Contender { program, algorithm, asked };
        let at = self.contenders.iter().position(|contender| *contender == sought)?;
        Some(&self.turns[at])
    }

    /// CPU time per request beside another contender's in the same round.
    pub fn ratio(&self, own: &[Turn], other: &[Turn]) -> Option<Spread> {
        Spread::of(own.iter().zip(other).map(|(own, other)| own.micros / other.micros))
    }
}

/// Has all of them take their turns.
pub fn run(place: &Place, provider: &Provider, upstream: &mut Upstream, options: &Options) -> Results {
    let mut results = Results { contenders: Vec::new(), turns: Vec::new(), raw: BTreeMap::new(), left_out: Vec::new() };
    admit(place, provider, options, &mut results);
    let mut walks = Walks { place, provider, seconds: options.seconds, written: BTreeMap::new() };
    for contender in &results.contenders {
        walks.of(contender.algorithm, contender.asked);
    }
    place.machine.step_aside();
    for round in 0..options.rounds {
        for &algorithm in &options.algorithm {
            let alone = raw::verification(&place.machine, provider.key(algorithm));
            results.raw.entry(algorithm).or_default().push(alone);
        }
        let mut thrown_out = Vec::new();
        for step in 0..results.contenders.len() {
            let at = (step + round) % results.contenders.len();
            let contender = results.contenders[at];
            match turn(place, &mut walks, upstream, contender, options) {
                Ok(turn) => {
                    let (name, Turn { micros, rate, .. }) = (contender.name(), turn);
                    eprintln!("round {} of {}: {name}: {micros:.1} us, {rate:.0} a second", round + 1, options.rounds);
                    results.turns[at].push(turn);
                }
                Err(why) => thrown_out.push((at, format!("{}: {why}", contender.name()))),
            }
        }
        // From the last on, so that places hold.
        thrown_out.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, why) in thrown_out {
            eprintln!("THROWN OUT: {why}");
            results.contenders.remove(at);
            results.turns.remove(at);
            results.left_out.push(why);
        }
    }
    results
}

/// Lets in who does what it must.
fn admit(place: &Place, provider: &Provider, options: &Options, results: &mut Results) {
    let mut verdicts: Vec<((Program, Algorithm), Result<(), String>)> = Vec::new();
    for contender in Contender::all(&options.algorithm) {
        // Over HTTP/2 the load repeats one request.
        let cannot_ask = options.protocol == Protocol::H2Tls && contender.asked != Asked::Warm(1);
        if cannot_ask || !options.wants(&contender.name()) {
            continue;
        }
        let sought = (contender.program, contender.algorithm);
        let known = verdicts.iter().find(|(asked, _)| *asked == sought).map(|(_, verdict)| verdict.clone());
        let verdict = known.unwrap_or_else(|| {
            let verdict = check(contender.program, place, provider.key(contender.algorithm));
            verdicts.push((sought, verdict.clone()));
            verdict
        });
        match verdict {
            Ok(()) => {
                results.contenders.push(contender);
                results.turns.push(Vec::new());
            }
            Err(why) => {
                let why = format!("{}: {why}", contender.name());
                eprintln!("THROWN OUT: {why}");
                results.left_out.push(why);
            }
        }
    }
}

/// The files of requests, each written when it is first asked for.
struct Walks<'a> {
    place: &'a Place,
    provider: &'a Provider,
    seconds: u64,
    written: BTreeMap<String, (PathBuf, usize)>,
}

impl Walks<'_> {
    /// The file, and how many tokens are in it.
    fn of(&mut self, algorithm: Algorithm, asked: Asked) -> (PathBuf, usize) {
        let name = format!("walk-{algorithm}-{asked:?}");
        if let Some(known) = self.written.get(&name) {
            return known.clone();
        }
        let key = self.provider.key(algorithm);
        let lines = |tokens: Vec<String>| tokens.iter().map(|token| load::request(HOST, PATH, Some(token))).collect();
        let text: String = match asked {
            Asked::Warm(count) => lines(key.many(0..count)),
            // None of those that warm up.
            Asked::Cold => lines(key.many(20_000..20_000 + COLD_A_SECOND * self.seconds as usize)),
            Asked::Mixed => load::mixed(key),
        };
        let written = (self.place.folder.write(&name, &text), text.lines().count());
        self.written.insert(name, written.clone());
        written
    }
}

fn turn(
    place: &Place,
    walks: &mut Walks,
    upstream: &mut Upstream,
    contender: Contender,
    options: &Options,
) -> Result<Turn, String> {
    let Contender { program, algorithm, asked } = contender;
    let measured = program.start(place, algorithm)?;
    let (requests, _) = walks.of(algorithm, asked);
    // A cold turn begins with a warm program that knows no token but this one.
    let (warming, tokens) = walks.of(algorithm, if asked == Asked::Cold { Asked::Warm(1) } else { asked });
    let mut pace = Pace { seconds: 1, connections: options.connections };
    let mut seen = 0;
    while seen < tokens as u64 {
        let answers = load::send(place, measured.address(), &warming, Walk::Cycle, pace)?;
        seen += answers.answered;
        if answers.answered == 0 || answers.failed > 0 {
            return Err(format!("while it warmed up: {answers:?}"));
        }
    }
    pace.seconds = options.seconds;
    let walk = if asked == Asked::Cold { Walk::Once } else { Walk::Cycle };
    let (before, forwarded, waited) = (measured.cpu_time(), upstream.answered(), quiet::waited(&measured));
    let answers = load::send(place, measured.address(), &requests, walk, pace)?;
    let used = measured.cpu_time().since(&before);
    judge(asked, answers, upstream.answered() - forwarded, options.connections as u64)?;
    let waited = (quiet::waited(&measured) - waited) / answers.seconds;
    let rate = answers.answered as f64 / answers.seconds;
    Ok(Turn { micros: used / answers.answered as f64 * 1e6, rate, peak: peak(&measured), waited })
}

/// Whether everything was answered as it should, by both ends.
fn judge(asked: Asked, answers: Answers, forwarded: u64, under_way: u64) -> Result<(), String> {
    let Answers { answered, refused, failed, .. } = answers;
    let right = match asked {
        Asked::Warm(_) | Asked::Cold => refused == 0,
        // The walk has five bad ones in twenty.
        Asked::Mixed => (refused * 4).abs_diff(answered) <= 4 * (under_way + 20),
    };
    // What was under way when the load stopped, before or behind the measurement, is in one count only.
    let through = (answered - refused).abs_diff(forwarded) <= 2 * under_way;
    if answered > 0 && failed == 0 && right && through {
        return Ok(());
    }
    Err(format!("{answers:?}, of which the upstream saw {forwarded}"))
}

/// The most memory that a process had, in KiB.
pub fn peak(measured: &Measured) -> u64 {
    memory(measured, "VmHWM:")
}

/// A line of proc(5)'s `status`, in KiB.
pub fn memory(measured: &Measured, name: &str) -> u64 {
    let status = std::fs::read_to_string(measured.folder().join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).expect("/proc says what is in memory")
}
