//! What a token costs the issuer: CPU time of the whole program per token, and how much of it is cryptography.
//!
//! `cargo bench --bench issue` runs the program and asks it over HTTP, by client credentials and by exchange, with a subject
//! token that it has seen before and with a new one each time. Beside them stand one signature and one verification of the
//! library alone, on this machine and in this run. Linux only, because `/proc` says what a process used.

mod cost;
mod load;
#[path = "../proxy/process.rs"]
mod process;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use narrowgate::clock::Timestamp;
use serde_json::json;

use process::{GATE, Measured};

/// How often every kind of request has its turn.
const ROUNDS: usize = 7;
/// Requests in one turn, and the connections that they share.
const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 16;
/// How long one thing of the library is repeated.
const ALONE: Duration = Duration::from_secs(1);

const SECRET: &str = "a-secret-of-the-benchmark-0123456789";
const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
    &subject_token_type=urn:ietf:params:oauth:token-type:access_token&resource=https://api1.example&subject_token=";

fn main() {
    // Test runners list and run benches too; only `cargo bench` says `--bench`.
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(measure());
    }
}

/// The identity provider whose tokens are exchanged: RS256, as most sign.
struct Corp(RsaKeyPair);

async fn measure() {
    let folder = std::env::temp_dir().join(format!("narrowgate-bench-issue-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let corp = Corp(RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has randomness"));
    let quiet = Measured::gate(Command::new(GATE), &configuration(&folder, &corp, "quiet", "warn"));
    let audited = Measured::gate(Command::new(GATE), &configuration(&folder, &corp, "audited", "info"));

    let (sign, verify) = (signature_alone(), corp.verification_alone());
    let mut serial = 0;
    let mut new_tokens = || {
        serial += REQUESTS;
        (0..REQUESTS).map(|at| format!("{EXCHANGE}{}", corp.token(serial + at))).collect::<Vec<_>>()
    };
    let own = vec!["grant_type=client_credentials&resource=https://api1.example&scope=read".to_owned(); REQUESTS];
    let again = vec![format!("{EXCHANGE}{}", corp.token(0)); REQUESTS];
    let mut costs = vec![Vec::new(); 4];
    for round in 0..=ROUNDS {
        let new = new_tokens();
        for (at, (subject, bodies)) in
            [(&quiet, &own), (&quiet, &again), (&quiet, &new), (&audited, &new)].into_iter().enumerate()
        {
            let cost =
                subject.cost(REQUESTS, load::ask(subject.address(), &authorization(), bodies, CONNECTIONS)).await;
            // The first turn of each warms it up and is not counted.
            if round > 0 {
                costs[at].push(cost);
            }
        }
    }
    println!("{ROUNDS} rounds of {REQUESTS} requests on {CONNECTIONS} connections; median (lowest to highest)");
    println!("one ES256 signature alone: {sign:.1} us; one RS256 verification alone: {verify:.1} us");
    println!("{:<58} {:>26} {:>10} {:>14}", "", "CPU per token, us", "a second", "cryptography");
    let rows = [
        ("client credentials", sign),
        ("exchange, a subject token seen before", sign),
        ("exchange, a new subject token each time", sign + verify),
        ("the same with audit and request log", sign + verify),
    ];
    for ((name, alone), costs) in rows.into_iter().zip(&mut costs) {
        costs.sort_by(f64::total_cmp);
        let median = costs[costs.len() / 2];
        let spread = format!("{median:.1} ({:.1} to {:.1})", costs[0], costs[costs.len() - 1]);
        println!("{name:<58} {spread:>26} {:>10.0} {:>13.0}%", 1e6 / median, alone / median * 100.0);
    }
    drop((quiet, audited));
    let _ = std::fs::remove_dir_all(&folder);
}

fn authorization() -> String {
    format!("Basic {}", STANDARD.encode(format!("app:{SECRET}")))
}

fn configuration(folder: &Path, corp: &Corp, name: &str, level: &str) -> PathBuf {
    std::fs::write(folder.join("jwks.json"), corp.jwks()).expect("the temporary folder can be written");
    let text = format!(
        "listen: 127.0.0.1:0\nlog: {{ level: {level}, format: json }}\n\
         trusted_issuers:\n  corp: {{ issuer: https://login.example, jwks: jwks.json }}\n\
         resources:\n  https://api1.example: {{ upstream: \"http://127.0.0.1:9\", scopes: [read, write], issuers: {{ corp: {{ exchange: true }} }} }}\n  \
           https://api2.example: {{ upstream: \"http://127.0.0.1:9\", scopes: [reports] }}\n\
         issuer:\n  url: https://auth.example\n  clients:\n    app:\n      secret: {SECRET}\n      \
           grants: [client_credentials, token_exchange]\n      known_as: {{ corp: web }}\n      \
           resources: {{ https://api1.example: [read, write], https://api2.example: [reports] }}\nstore: {name}.redb\n"
    );
    let path = folder.join(format!("{name}.yaml"));
    std::fs::write(&path, text).expect("the temporary folder can be written");
    path
}

impl Corp {
    fn jwks(&self) -> String {
        let public = self.0.public_key();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (n, e) = (public.modulus(), public.exponent());
        let (n, e) = (text(n.big_endian_without_leading_zero()), text(e.big_endian_without_leading_zero()));
        json!({ "keys": [{ "kty": "RSA", "alg": "RS256", "kid": "k1", "n": n, "e": e }] }).to_string()
    }

    /// A broad token, as long as most are.
    fn token(&self, serial: usize) -> String {
        let now = Timestamp::now().0;
        let claims = json!({
            "iss": "https://login.example", "aud": ["https://api1.example", "https://api2.example"], "client_id": "web",
            "sub": "8a4c0c52-3c1f-4f0e-9a77-6f2b1d9c4e30", "scope": "openid profile read write reports", "iat": now,
            "exp": now + 3600, "jti": format!("5d0f1c1e-7a3b-4a51-9b0e-{serial:012}"),
        });
        let header = json!({ "alg": "RS256", "kid": "k1", "typ": "at+jwt" });
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.expect("the key signs");
        signature
    }

    /// One verification of the library alone, in microseconds.
    fn verification_alone(&self) -> f64 {
        let message = self.token(0);
        let signature = self.sign(message.as_bytes());
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.0.public_key().as_ref());
        microseconds(|| key.verify(black_box(message.as_bytes()), &signature).expect("it is the key's"))
    }
}

/// One signature of the library alone, in microseconds.
fn signature_alone() -> f64 {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the system has randomness");
    let (random, message) = (SystemRandom::new(), vec![7; 600]);
    microseconds(|| {
        black_box(key.sign(&random, black_box(&message)).expect("the key signs"));
    })
}

fn microseconds(once: impl Fn()) -> f64 {
    let (begun, mut times) = (Instant::now(), 0);
    while begun.elapsed() < ALONE {
        (0..100).for_each(|_| once());
        times += 100;
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}
