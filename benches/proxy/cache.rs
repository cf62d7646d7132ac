//! What a million tokens cost in memory: that many different ones through the decision, against the cache's bound.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Environment};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, RequestView};
use narrowgate::snapshot::Snapshot;
use narrowgate::token::{Keyring, TokenCache};

use crate::options::Options;
use crate::place::Folder;
use crate::tokens::{AUDIENCE, Algorithm, HOST, ISSUER, Kind, Provider};

/// What this program is told to do this alone, in a process whose memory is nobody else's.
pub const ROLE: &str = "cache";

const TOKENS: usize = 1_000_000;
/// How many are signed at a time.
const BATCH: usize = 10_000;

/// Runs a process for each bound, and prints a table.
///
/// # Errors
///
/// One of them failed.
pub fn run(options: &Options) -> Result<(), String> {
    let tokens = if options.quick { TOKENS / 50 } else { TOKENS };
    println!("\n### {tokens} different tokens in the cache\n");
    println!("| `token_cache_bytes` | still known | grown by | bytes a known token | below the bound |");
    println!("| --- | --- | --- | --- | --- |");
    for bound in [32 << 20, 1 << 30] {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = std::process::Command::new(program);
        let done = command.args([ROLE, &bound.to_string(), &tokens.to_string()]).output().expect("it starts");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let numbers: Vec<usize> = said.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [hits, grown] = numbers[..] else { return Err(String::from_utf8_lossy(&done.stderr).into_owned()) };
        let known = tokens * hits / BATCH.min(tokens);
        let verdict = if grown <= bound { "met" } else { "**missed**" };
        let mib = |bytes: usize| bytes as f64 / 1_048_576.0;
        let each = grown as f64 / known.max(1) as f64;
        println!("| {:.0} MiB | {known} | {:.1} MiB | {each:.0} | {verdict} |", mib(bound), mib(grown));
    }
    Ok(())
}

/// The role itself: `BOUND TOKENS`; prints how many of a sample from all of them are known, and by how many bytes it grew.
pub fn serve(arguments: &[String]) {
    let [bound, tokens] = arguments else { panic!("a bound and a count are needed") };
    let (bound, count) = (bound.parse().expect("bytes"), tokens.parse::<usize>().expect("a number"));
    let provider = Provider::new();
    let folder = Folder::new(&provider);
    let snapshot = snapshot(&folder);
    let cache = TokenCache::new(bound).expect("the system has randomness");
    let key = provider.key(Algorithm::EdDsa);
    // A batch that a small cache of its own sees makes everything but the cache grow to its size.
    let aside = TokenCache::new(64 << 10).expect("the system has randomness");
    decide(&snapshot, &aside, &key.many(count..count + BATCH));
    drop(aside);
    let before = resident();
    for first in (0..count).step_by(BATCH) {
        decide(&snapshot, &cache, &key.many(first..first + BATCH));
    }
    let grown = resident().saturating_sub(before);
    // EdDSA signs the same token twice.
    let sample = BATCH.min(count);
    let sampled: Vec<String> = (0..sample).map(|at| key.token(Kind::Good, at * (count / sample))).collect();
    let hits = cache.hits();
    decide(&snapshot, &cache, &sampled);
    println!("{} {grown}", cache.hits() - hits);
}

fn snapshot(folder: &Folder) -> Snapshot {
    let text = format!(
        "listen: 127.0.0.1:0\ntrusted_issuers:\n  corp: {{ issuer: {ISSUER}, jwks: jwks.json }}\n\
         resources:\n  {AUDIENCE}: {{ upstream: \"http://127.0.0.1:9\", scopes: [read, write], required_scopes: [read] }}\n"
    );
    let path = folder.path("gateway.yaml");
    let loaded = config::parse(&text, Path::new(&path), &Environment::default());
    let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let fetcher = Fetcher::new(None).expect("the platform's roots can be read");
    let keyrings = config.trusted_issuers.iter().map(|issuer| Keyring::new(issuer.clone(), fetcher.clone())).collect();
    Snapshot::new(Arc::new(config), keyrings, None, Vec::new()).expect("the loader found no fault")
}

fn decide(snapshot: &Snapshot, cache: &TokenCache, tokens: &[String]) {
    for token in tokens {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(HOST));
        let credential = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is a header value");
        headers.insert("authorization", credential);
        let request = RequestView {
            method: &Method::GET,
            target: b"/documents/42",
            uri_authority: None,
            headers: &headers,
            connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 8080, tls: false },
            keys_awaited: true,
        };
        let decision = snapshot.gate.decide(&request, cache, Timestamp::now());
        assert!(matches!(decision, Decision::Forward(_)), "{decision:?}");
    }
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc says what is in memory");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok());
    kib.expect("/proc says what is in memory") * 1024
}
