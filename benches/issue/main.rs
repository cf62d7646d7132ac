//! What a token costs the issuer: CPU time of the whole program per token, and how much of it is cryptography.
//!
//! `cargo bench --bench issue` runs the program on one processor and asks it over HTTP, grant by grant. Beside each row stands
//! what its signature and its verification take by the library alone: on the same processor and in the same round. A row is
//! met where that is at least 0.8 of what the token cost. Linux only, because `/proc` says what a process used.

mod cost;
mod house;
mod load;
#[path = "../proxy/process.rs"]
mod process;
mod signer;

use std::path::PathBuf;
use std::time::Instant;

use cost::gate;
use house::{OWN, authorization, configuration, exchange, granted};
use process::Measured;
use signer::Signer;

/// How often every kind of request has its turn.
const ROUNDS: usize = 7;
/// Requests in one turn, and the connections that they share.
const REQUESTS: usize = 4_000;
const CONNECTIONS: usize = 16;
/// How many grants are refreshed at once, and how often each in one turn: every refresh waits for the disk.
const REFRESHES: [(usize, usize); 2] = [(1, 200), (64, 30)];
/// What the cryptography is to be of the whole.
const WANTED: f64 = 0.8;

fn main() {
    // Test runners list and run benches too; only `cargo bench` says `--bench`.
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(measure());
    }
}

/// What was measured of one kind of request, in microseconds: the whole, and the cryptography alone.
struct Row {
    name: &'static str,
    costs: Vec<f64>,
    alone: Vec<f64>,
}

/// What the library takes, in this round.
struct Alone {
    sign_es256: f64,
    sign_rs256: f64,
    verify_es256: f64,
    verify_rs256: f64,
}

/// A folder that goes with the run.
struct Folder(PathBuf);

async fn measure() {
    let folder = Folder::new();
    let (es256, rs256) = (Signer::es256(), Signer::rs256());
    let quiet = configuration(&folder.0, [&es256, &rs256], "quiet", "warn");
    let audited = configuration(&folder.0, [&es256, &rs256], "audited", "info");
    let mut tokens = granted(&folder.0, "quiet", REFRESHES[1].0).await;
    let (quiet, audited) = (gate(&quiet), gate(&audited));
    let (mut rows, mut rates, mut serial) = (rows(), [Vec::new(), Vec::new()], 0);
    let proof = authorization();
    for round in 0..=ROUNDS {
        serial += REQUESTS;
        let new = |signer: &Signer, algorithm: &str, at: usize| -> Vec<String> {
            let form = |at| format!("{}{}", exchange(algorithm), signer.token(serial * 4 + at));
            (at * REQUESTS..(at + 1) * REQUESTS).map(|at| load::post(&proof, &form(at))).collect()
        };
        let again = |request: String| vec![request; REQUESTS];
        let metadata = "GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: api2.example\r\n\r\n";
        let alone = Alone::now(&es256, &rs256);
        let new_rs256 = new(&rs256, "ES256", 1);
        let turns: [(&Measured, Vec<String>, f64); 7] = [
            (&quiet, again(metadata.to_owned()), 0.0),
            (&quiet, again(load::post(&proof, OWN)), alone.sign_es256),
            (&quiet, again(new_rs256[0].clone()), alone.sign_es256),
            (&quiet, new(&es256, "ES256", 0), alone.verify_es256 + alone.sign_es256),
            (&quiet, new_rs256.clone(), alone.verify_rs256 + alone.sign_es256),
            (&quiet, new(&rs256, "RS256", 2), alone.verify_rs256 + alone.sign_rs256),
            (&audited, new_rs256, alone.verify_rs256 + alone.sign_es256),
        ];
        for (at, (program, requests, alone)) in turns.into_iter().enumerate() {
            let (cost, ()) = program.cost(REQUESTS, load::ask(program.address(), &requests, CONNECTIONS)).await;
            rows[at].add(round, cost, alone);
        }
        for (at, (grants, times)) in REFRESHES.into_iter().enumerate() {
            let begun = Instant::now();
            let refreshing = load::refresh(quiet.address(), &proof, &tokens[..grants], times);
            let (cost, next) = quiet.cost(times * grants, refreshing).await;
            rates[at].push((times * grants) as f64 / begun.elapsed().as_secs_f64());
            rows[7 + at].add(round, cost, alone.sign_es256);
            tokens[..grants].clone_from_slice(&next);
        }
    }
    print(&mut rows, &mut rates);
}

fn rows() -> Vec<Row> {
    let names = [
        "a document instead: what HTTP itself takes",
        "client credentials, ES256",
        "exchange, a subject token seen before, to ES256",
        "exchange ES256 to ES256, a new subject token each time",
        "exchange RS256 to ES256, a new subject token each time",
        "exchange RS256 to RS256, a new subject token each time",
        "RS256 to ES256 with audit and request log",
        "refresh, 1 grant at a time",
        "refresh, 64 grants at a time",
    ];
    names.map(|name| Row { name, costs: Vec::new(), alone: Vec::new() }).into()
}

fn print(rows: &mut [Row], rates: &mut [Vec<f64>; 2]) {
    println!("{ROUNDS} rounds of {REQUESTS} requests on {CONNECTIONS} connections; medians (lowest to highest)");
    println!("{:<56} {:>26} {:>9} {:>10}  {WANTED}", "", "CPU per token, us", "alone, us", "its share");
    for row in rows {
        let (cost, alone) = (median(&mut row.costs), median(&mut row.alone));
        let spread = format!("{cost:.1} ({:.1} to {:.1})", row.costs[0], row.costs[row.costs.len() - 1]);
        let met = match alone / cost {
            share if share >= WANTED => "met",
            share if share > 0.0 => "missed",
            _ => "",
        };
        println!("{:<56} {spread:>26} {alone:>9.1} {:>9.2}  {met}", row.name, alone / cost);
    }
    for (rates, who) in rates.iter_mut().zip(["1 client", "64 clients"]) {
        println!("refreshes a second by {who}, each on the disk: {:.0}", median(rates));
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Row {
    /// The first turn of each warms it up and is not counted.
    fn add(&mut self, round: usize, cost: f64, alone: f64) {
        if round > 0 {
            self.costs.push(cost);
            self.alone.push(alone);
        }
    }
}

impl Alone {
    fn now(es256: &Signer, rs256: &Signer) -> Self {
        Self {
            sign_es256: es256.signature_alone(),
            sign_rs256: rs256.signature_alone(),
            verify_es256: es256.verification_alone(),
            verify_rs256: rs256.verification_alone(),
        }
    }
}

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("narrowgate-bench-issue-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
