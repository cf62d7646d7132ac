//! How many instructions a decision takes, held against `benches/instructions.json`: a guard against slow growth.
//!
//! `cargo bench --profile counted --bench instructions` (valgrind must be installed). Instructions repeat where times do not:
//! one key, one time, hashes without chance. What still differs between machines is within the tolerance. A case that grew
//! fails the run; `-- --accept` writes what was counted as what is expected from then on.
//!
//! Each case runs in a process of its own under callgrind, which counts inside [`counted_alone`] only. Cryptography is
//! counted by itself and taken off: valgrind's processor has its own idea of which instructions there are.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use http::Method;
use narrowgate::guard::Decision;
use narrowgate::route::{Authority, HostPattern, HostTable, Target};
use narrowgate::token::Compact;
use narrowgate::token::keys::KeySet;
use serde_json::json;

mod gate;

use gate::{Asked, House, NOW, USUAL, claims, jwk, sign};

/// How often each case is run.
const TIMES: usize = 1000;

/// How far a count may be from what is expected, in percent.
const TOLERANCE: u64 = 5;

/// What is expected, beside this file.
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");

/// A case that is counted, and another one whose count is taken off.
struct Case {
    name: &'static str,
    run: fn(),
    without: Option<fn()>,
}

const CASES: [Case; 9] = [
    Case { name: "route/10000", run: route, without: None },
    Case { name: "decide/hit/1", run: || hit(1), without: None },
    Case { name: "decide/hit/10000", run: || hit(10_000), without: None },
    Case { name: "decide/miss", run: miss, without: Some(verify_alone) },
    Case { name: "token/parse", run: parse, without: None },
    Case { name: "refuse/missing", run: refuse_missing, without: None },
    Case { name: "refuse/audience", run: refuse_audience, without: None },
    Case { name: "refuse/expired", run: refuse_expired, without: None },
    Case { name: "refuse/malformed", run: refuse_malformed, without: None },
];

/// The only function in which callgrind counts.
#[inline(never)]
fn counted_alone(run: &mut dyn FnMut(usize)) {
    for at in 0..TIMES {
        run(black_box(at));
    }
}

fn route() {
    let mut table = HostTable::default();
    for at in 0..10_000 {
        let host = HostPattern::parse(&format!("api{}.example.com", at / 10)).expect("a host");
        table.insert(&host, 443, &format!("/v{}/orders", at % 10), at).expect("no two are equal");
    }
    counted_alone(&mut |_| {
        let target = Target::parse(black_box(b"/v3/orders/42?expand=all")).expect("a plain target");
        let authority = Authority::parse(black_box("api500.example.com")).expect("a host");
        black_box(table.find(&authority, 8443, target.path().as_bytes()));
    });
}

/// Requests with `count` tokens in turn, all of which are known.
fn hit(count: u64) {
    let house = House::of(USUAL, &[jwk()], 64 << 20);
    let asked: Vec<Asked> = (0..count).map(|serial| Asked::usual(&sign(&claims(serial)))).collect();
    assert!(asked.iter().all(|asked| house.forwards(asked)));
    // Spread over all of them.
    counted_alone(&mut |at| drop(black_box(house.decide(&asked[at * 7919 % asked.len()]))));
    assert_eq!(house.tokens.misses(), count, "every token was proven once");
}

/// Requests with a new token each.
fn miss() {
    let house = House::of(USUAL, &[jwk()], 64 << 20);
    let asked: Vec<Asked> = (0..TIMES as u64).map(|serial| Asked::usual(&sign(&claims(serial)))).collect();
    counted_alone(&mut |at| drop(black_box(house.decide(&asked[at]))));
    assert_eq!((house.tokens.misses(), house.tokens.hits()), (TIMES as u64, 0));
}

/// The signatures of the same tokens, and nothing else.
fn verify_alone() {
    let document = json!({ "keys": [jwk()] }).to_string();
    let algorithm = "EdDSA".parse().expect("an algorithm of ours");
    let (keys, _) = KeySet::parse(&[document.as_bytes()], &[algorithm]).expect("the key is good");
    let key = keys.find(Some("k1"), algorithm).expect("it is there");
    let tokens: Vec<String> = (0..TIMES as u64).map(|serial| sign(&claims(serial))).collect();
    let parsed: Vec<Compact<'_>> = tokens.iter().map(|token| Compact::parse(token).expect("a token")).collect();
    counted_alone(&mut |at| assert!(key.verify(parsed[at].signed.as_bytes(), &parsed[at].signature)));
}

fn parse() {
    let token = sign(&claims(1));
    counted_alone(&mut |_| drop(black_box(Compact::parse(black_box(&token)).expect("a token"))));
}

/// Requests that are all refused in the same way.
fn refused(house: &House, asked: &Asked) {
    assert!(matches!(house.decide(asked), Decision::Deny(_)), "{:?}", house.decide(asked));
    counted_alone(&mut |_| drop(black_box(house.decide(asked))));
}

fn refuse_missing() {
    let mut asked = Asked::usual("");
    asked.headers.remove("authorization");
    refused(&House::of(USUAL, &[jwk()], 1 << 20), &asked);
}

fn refuse_audience() {
    let asked = Asked::new(Method::GET, "api2.example.com", "/", &sign(&claims(1)));
    refused(&House::of(USUAL, &[jwk()], 1 << 20), &asked);
}

fn refuse_expired() {
    let mut expired = claims(1);
    expired["exp"] = json!(NOW.0 - 60);
    refused(&House::of(USUAL, &[jwk()], 1 << 20), &Asked::usual(&sign(&expired)));
}

fn refuse_malformed() {
    let token = sign(&claims(1));
    // Right up to the last letter, which has spare bits then.
    refused(&House::of(USUAL, &[jwk()], 1 << 20), &Asked::usual(&format!("{}-_", &token[..token.len() - 2])));
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let after =
        |flag: &str| arguments.iter().position(|argument| argument == flag).and_then(|at| arguments.get(at + 1));
    if let Some(name) = after("--case") {
        run_one(name, arguments.iter().any(|argument| argument == "--without"));
        return ExitCode::SUCCESS;
    }
    // Test runners list and run benches too; only `cargo bench` says `--bench`.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let counts: BTreeMap<String, u64> = CASES.iter().map(|case| (case.name.to_owned(), count(case))).collect();
    if arguments.iter().any(|argument| argument == "--accept") {
        let text = serde_json::to_string_pretty(&counts).expect("counts are JSON") + "\n";
        fs::write(EXPECTED, text).expect("the expected counts can be written");
    }
    let expected = fs::read_to_string(EXPECTED).unwrap_or_else(|_| "{}".to_owned());
    let expected: BTreeMap<String, u64> = serde_json::from_str(&expected).expect("the expected counts are JSON");
    match compare(&counts, &expected) {
        true => ExitCode::SUCCESS,
        false => {
            println!("\nA count is not what benches/instructions.json says. If that is meant:");
            println!("  cargo bench --profile counted --bench instructions -- --accept");
            ExitCode::FAILURE
        }
    }
}

/// Runs a case here and now, under whatever counts.
fn run_one(name: &str, is_without: bool) {
    let case = CASES.iter().find(|case| case.name == name).expect("a case of this name");
    match is_without {
        true => case.without.expect("something is taken off")(),
        false => (case.run)(),
    }
}

/// The instructions that one turn of a case takes.
fn count(case: &Case) -> u64 {
    let whole = callgrind(case.name, &[]);
    let taken_off = case.without.map_or(0, |_| callgrind(case.name, &["--without"]));
    whole.saturating_sub(taken_off) / TIMES as u64
}

/// What callgrind counts in a process of its own.
fn callgrind(name: &str, further: &[&str]) -> u64 {
    let program = env::current_exe().expect("a program knows where it is");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*counted_alone*")
        .arg(program)
        .args(["--case", name])
        .args(further)
        .output()
        .expect("valgrind can be run: apt-get install valgrind");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {told}");
    let collected = told.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    collected.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{name}: nothing was counted: {told}"))
}

/// Prints every count beside what is expected; says whether all of them are near.
fn compare(counts: &BTreeMap<String, u64>, expected: &BTreeMap<String, u64>) -> bool {
    let mut is_good = true;
    println!("{:<20} {:>12} {:>12}", "instructions", "expected", "counted");
    for (name, counted) in counts {
        let known = expected.get(name).copied();
        let verdict = match known {
            None => "new",
            Some(known) if *counted * 100 > known * (100 + TOLERANCE) => "GREW",
            // A gain that nobody writes down is lost again without anybody noticing.
            Some(known) if *counted * 100 < known * (100 - TOLERANCE) => "shrank",
            Some(_) => "",
        };
        is_good &= verdict.is_empty();
        println!("{name:<20} {:>12} {counted:>12} {verdict}", known.map_or("-".to_owned(), |known| known.to_string()));
    }
    for name in expected.keys().filter(|name| !counts.contains_key(*name)) {
        println!("{name:<20} is counted no more");
        is_good = false;
    }
    is_good
}
