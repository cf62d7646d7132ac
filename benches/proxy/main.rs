//! What the gate costs a request: CPU time of the gate and of a bare Pingora proxy, in turn, against one upstream.
//!
//! `cargo bench --bench proxy` prints the CPU time per request of each and the ratio to the bare proxy in the same round;
//! the medians over all rounds are what counts. Both are processes of their own; the load and the upstream live in this one,
//! and cost them nothing. Linux only, because `/proc` says what a process used.

mod bare;
mod load;
mod process;

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use narrowgate::clock::Timestamp;
use rcgen::KeyPair;
use serde_json::json;
use tokio::net::TcpListener;

use process::Measured;

/// How often every subject has its turn.
const ROUNDS: usize = 7;
/// Requests in one turn, and the connections that they share.
const REQUESTS: usize = 40_000;
const CONNECTIONS: usize = 32;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    match std::env::var("BARE_PROXY_UPSTREAM") {
        Ok(upstream) => runtime.block_on(bare::serve(&upstream)),
        // Test runners list and run benches too; only `cargo bench` says `--bench`.
        Err(_) if std::env::args().any(|argument| argument == "--bench") => runtime.block_on(compare()),
        Err(_) => {}
    }
}

async fn compare() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let address = upstream.local_addr().expect("a bound socket has an address");
    tokio::spawn(load::answer(upstream));

    let folder = std::env::temp_dir().join(format!("narrowgate-bench-proxy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let token = prepare(&folder);
    let configure = |name: &str, level: &str| {
        let text = format!(
            "listen: 127.0.0.1:0\nlog: {{ level: {level}, format: json }}\ntrusted_issuers:\n  corp: {{ issuer: https://login.example, jwks: jwks.json }}\n\
             defaults: {{ identity_headers: {{ X-User: sub, X-Client: client_id }} }}\nresources:\n  https://api.example:\n    \
             upstream: http://{address}\n    scopes: [read, write]\n    required_scopes: [read]\n    rules:\n      \
             - {{ path: /healthz, public: true }}\n      - {{ methods: [POST], scopes: [write] }}\n"
        );
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the temporary folder can be written");
        path
    };
    // The bare proxy is this very program in its other role.
    let program = std::env::current_exe().expect("this program has a path");
    let bare = Measured::start(Command::new(program).env("BARE_PROXY_UPSTREAM", address.to_string()));
    let subjects = [
        ("bare Pingora proxy", bare),
        ("gate", Measured::gate(&configure("quiet.yaml", "warn"))),
        ("gate, one log line a request", Measured::gate(&configure("logged.yaml", "info"))),
    ];
    let request = format!(
        "GET /documents/42 HTTP/1.1\r\nHost: api.example\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    // The first turn of each warms it up and is not counted.
    for (_, subject) in &subjects {
        subject.cost(REQUESTS / 4, load::ask(subject.address(), &request, REQUESTS / 4, CONNECTIONS)).await;
    }
    let mut costs = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for ((_, subject), costs) in subjects.iter().zip(&mut costs) {
            let load = load::ask(subject.address(), &request, REQUESTS, CONNECTIONS);
            costs.push(subject.cost(REQUESTS, load).await);
        }
    }
    println!(
        "{ROUNDS} rounds of {REQUESTS} requests on {CONNECTIONS} connections, the same token each time; median (lowest to highest)"
    );
    println!("{:<30} {:>26} {:>30}", "", "CPU per request, us", "ratio to bare, by round");
    for ((name, _), own) in subjects.iter().zip(&costs) {
        let ratios: Vec<f64> = own.iter().zip(&costs[0]).map(|(own, bare)| own / bare).collect();
        println!("{:<30} {:>26} {:>30}", name, spread(own), spread(&ratios));
    }
    drop(subjects);
    let _ = std::fs::remove_dir_all(&folder);
}

/// `median (lowest to highest)`.
fn spread(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2} to {:.2})", sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1])
}

/// Writes a key set and signs the token that every request carries.
fn prepare(folder: &std::path::Path) -> String {
    let key = KeyPair::generate().expect("the system has randomness");
    let point = key.public_key_raw();
    let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "x": coordinate(1..33), "y": coordinate(33..65)});
    std::fs::write(folder.join("jwks.json"), json!({ "keys": [jwk] }).to_string())
        .expect("the temporary folder can be written");
    let now = Timestamp::now().0;
    let claims = json!({
        "iss": "https://login.example", "aud": "https://api.example", "sub": "8a4c0c52-3c1f-4f0e-9a77-6f2b1d9c4e30",
        "client_id": "reporting-app", "scope": "openid profile read write", "iat": now, "exp": now + 3600,
        "jti": "5d0f1c1e-7a3b-4a51-9b0e-2f6f0c7d9e11",
    });
    let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(&key.serialize_der())).expect("the key signs")
}
