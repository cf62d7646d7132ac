//! What configurations of 10, 1,000, 10,000 and 100,000 resources cost: to read, to compile, to reload with one resource
//! changed, and to decide by.
//!
//! `seen to swapped` is the whole program's own measure of a reload: from the moment at which the files are known to have
//! settled until requests are judged by the new configuration.
//!
//! `cargo bench --bench reload`; figures and how to read them are in BENCHMARKS.md.

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use narrowgate::app::{Origin, Running};
use narrowgate::clock::Timestamp;
use narrowgate::config::{self, Config, Environment, Reading, Source, changes};
use narrowgate::fetch::Fetcher;
use narrowgate::guard::{ConnectionFacts, Decision, RequestView};
use narrowgate::oauth::Reason;
use narrowgate::serve::admin::Outcome;
use narrowgate::snapshot::Snapshot;
use narrowgate::token::{Keyring, TokenCache};
use narrowgate::upstream::UpstreamPool;
use tokio::runtime::Runtime;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where the tests run each benchmark once, without optimization, the largest would take minutes.
const SIZES: &[usize] = if cfg!(debug_assertions) { &[10, 1_000] } else { &[10, 1_000, 10_000, 100_000] };

/// A configuration of so many resources, ten a host, as APIs of some size have them.
fn yaml(resources: usize) -> String {
    let mut text = String::from(
        "listen: 127.0.0.1:0\ntrusted_issuers:\n  \
         corp: { issuer: https://login.example.com, jwks: https://login.example.com/keys }\nresources:\n",
    );
    for at in 0..resources {
        let (host, version, server) = (at / 10, at % 10, at % 200);
        let written = write!(
            text,
            "  https://api{host}.example.com/v{version}:\n    upstream: http://10.0.0.{server}:9001\n    \
             scopes: {{ read: Read documents, write: Change documents }}\n    required_scopes: [read]\n    rules:\n      \
             - {{ path: /healthz, public: true }}\n      - {{ methods: [POST, PUT, DELETE], scopes: [write] }}\n"
        );
        written.expect("a string takes everything");
    }
    text
}

fn parse(text: &str) -> Config {
    let loaded = config::parse(text, Path::new("gateway.yaml"), &Environment::default());
    loaded.unwrap_or_else(|faults| panic!("{faults}")).config
}

fn compile(config: Config, before: Option<&Snapshot>) -> Snapshot {
    let keyrings = match before {
        Some(before) => before.gate.keyrings().to_vec(),
        None => {
            let fetcher = Fetcher::new(None).expect("the platform's roots can be read");
            config.trusted_issuers.iter().map(|issuer| Keyring::new(issuer.clone(), fetcher.clone())).collect()
        }
    };
    let pools = UpstreamPool::of(&config, before.map_or(&[], |before| &before.upstreams)).expect("no CA is named");
    let config = Arc::new(config);
    let snapshot = match before {
        Some(before) => before.followed_by(config, keyrings, None, pools),
        None => Snapshot::new(config, keyrings, None, pools),
    };
    snapshot.expect("the loader found no fault")
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    group.sample_size(10);
    for &size in SIZES {
        let text = yaml(size);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_with_large_drop(|| parse(black_box(&text)));
        });
    }
}

fn compiling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for &size in SIZES {
        let config = parse(&yaml(size));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(|| config.clone(), |config| compile(config, None), BatchSize::PerIteration);
        });
    }
}

/// All that happens between the last look at the files and the swap, where one resource has another scope.
fn reloading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reload");
    group.sample_size(10);
    for &size in SIZES {
        let text = yaml(size);
        let before = compile(parse(&text), None);
        let changed = parse(&text.replacen("Change documents", "Change all documents", 1));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(
                || changed.clone(),
                |config| {
                    assert_eq!(changes(&before.config, &config).len(), 1);
                    compile(config, Some(&before))
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// What the running program says that a reload took, where one resource has another scope each time.
fn taking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seen to swapped");
    group.sample_size(10);
    let runtime = Runtime::new().expect("the system has threads");
    for &size in SIZES {
        let path = std::env::temp_dir().join(format!("narrowgate-bench-{}-{size}.yaml", std::process::id()));
        let text = yaml(size);
        std::fs::write(&path, &text).expect("the folder can be written to");
        let source = Source::new(&path, Environment::default());
        let running = runtime.block_on(async {
            let Reading { loaded, files, is_terminated } = source.read();
            let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
            let running = Running::start(config, Some(Origin { source, files, is_terminated })).await;
            running.unwrap_or_else(|error| panic!("{error}"))
        });
        let mut turn = 0_u64;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        turn += 1;
                        let other = text.replacen("Change documents", &format!("Change {turn} documents"), 1);
                        std::fs::write(&path, other).expect("the folder can be written to");
                        let orders = running.orders().expect("it was started from a file");
                        match runtime.block_on(orders.reload()) {
                            Some(Outcome::Adopted { changed, took, .. }) if changed.len() == 1 => took,
                            other => panic!("{other:?}"),
                        }
                    })
                    .sum()
            });
        });
        runtime.block_on(running.drain());
        std::fs::remove_file(&path).expect("it is ours");
    }
}

/// A whole decision, down to the missing credential.
fn deciding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide by");
    for &size in SIZES {
        let snapshot = compile(parse(&yaml(size)), None);
        let tokens = TokenCache::new(1 << 20).expect("the system has randomness");
        let mut headers = HeaderMap::new();
        let host = format!("api{}.example.com", size / 20);
        headers.insert("host", HeaderValue::from_str(&host).expect("a host is a header value"));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let request = RequestView {
                    method: &Method::POST,
                    target: black_box(b"/v3/documents/42?expand=all"),
                    uri_authority: None,
                    headers: &headers,
                    connection: ConnectionFacts { peer: [127, 0, 0, 1].into(), own_port: 8080, tls: false },
                    keys_awaited: true,
                };
                match snapshot.gate.decide(&request, &tokens, Timestamp::now()) {
                    Decision::Deny(denial) => assert_eq!(denial.reason, Reason::CredentialMissing),
                    other => panic!("{other:?}"),
                }
            });
        });
    }
}

criterion_group!(benches, reading, compiling, reloading, taking, deciding);
criterion_main!(benches);
