//! What one decision costs: finding the resource, deciding with a known and with a new token, and beside each new one what its
//! signature alone takes of AWS-LC.
//!
//! `cargo bench --bench decide`; figures and how to read them are in BENCHMARKS.md.

use std::cell::LazyCell;
use std::hint::black_box;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use narrowgate::route::{Authority, HostPattern, HostTable, Target};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::{Value, json};

mod gate;

use gate::{Asked, House, USUAL, claims};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A key of an issuer, and what AWS-LC makes of it.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
    verification: &'static dyn VerificationAlgorithm,
    /// The public half as the library reads it.
    public: Vec<u8>,
}

fn signers() -> [Signer; 3] {
    let pair = |kind| KeyPair::generate_for(kind).expect("the system has randomness");
    let (rsa, ec, edwards) = (pair(&PKCS_RSA_SHA256), pair(&PKCS_ECDSA_P256_SHA256), pair(&PKCS_ED25519));
    let x = URL_SAFE_NO_PAD.encode(edwards.der_bytes());
    let read = "the library reads its own keys";
    [
        Signer::new(
            Algorithm::RS256,
            EncodingKey::from_rsa_pem(rsa.serialize_pem().as_bytes()).expect(read),
            None,
            &RSA_PKCS1_2048_8192_SHA256,
            rsa.der_bytes(),
        ),
        Signer::new(
            Algorithm::ES256,
            EncodingKey::from_ec_der(&ec.serialize_der()),
            None,
            &ECDSA_P256_SHA256_FIXED,
            ec.der_bytes(),
        ),
        Signer::new(
            Algorithm::EdDSA,
            EncodingKey::from_ed_der(&edwards.serialize_der()),
            Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": x })),
            &ED25519,
            edwards.der_bytes(),
        ),
    ]
}

impl Signer {
    fn new(
        algorithm: Algorithm,
        key: EncodingKey,
        jwk: Option<Value>,
        verification: &'static dyn VerificationAlgorithm,
        public: &[u8],
    ) -> Self {
        let derived = || Jwk::from_encoding_key(&key, algorithm).map(|jwk| serde_json::to_value(jwk).expect("JSON"));
        let mut jwk = jwk.unwrap_or_else(|| derived().expect("every key has a public half"));
        jwk["kid"] = json!(format!("{algorithm:?}"));
        jwk["alg"] = json!(format!("{algorithm:?}"));
        Self { algorithm, key, jwk, verification, public: public.to_vec() }
    }

    fn sign(&self, serial: u64) -> String {
        let header = Header { kid: Some(format!("{:?}", self.algorithm)), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, &claims(serial), &self.key).expect("the key signs")
    }
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for count in [10usize, 1_000, 100_000] {
        let mut table = HostTable::default();
        for at in 0..count {
            let host = HostPattern::parse(&format!("api{}.example.com", at / 10)).expect("a host");
            table.insert(&host, 443, &format!("/v{}/orders", at % 10), at).expect("no two are equal");
        }
        let host = format!("api{}.example.com", count / 20);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let target = Target::parse(black_box(b"/v3/orders/42?expand=all")).expect("a plain target");
                let authority = Authority::parse(black_box(&host)).expect("a host");
                black_box(table.find(&authority, 8443, target.path().as_bytes()));
            });
        });
    }
}

fn decide(house: &House, asked: &Asked) {
    assert!(black_box(house.forwards(asked)), "{:?}", house.decide(asked));
}

fn known_tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide/hit");
    // Test runners go through benches once, in a build that signs slowly; only `cargo bench` says `--bench`.
    let counts: &[u64] = match std::env::args().any(|argument| argument == "--bench") {
        true => &[1, 100, 10_000, 1_000_000],
        false => &[1],
    };
    for &count in counts {
        // Made when it is measured: a million signatures take their time.
        let known = LazyCell::new(|| {
            let house = House::of(USUAL, &[gate::jwk()], 2 << 30);
            // As many as are asked for in turn; of a million the others only lie there.
            let asked: Vec<Asked> = (0..count.min(10_000)).map(|at| Asked::usual(&gate::sign(&claims(at)))).collect();
            let others = (asked.len() as u64..count).map(|at| Asked::usual(&gate::sign(&claims(at))));
            asked.iter().for_each(|asked| decide(&house, asked));
            others.for_each(|asked| decide(&house, &asked));
            (house, asked)
        });
        let mut at = 0;
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let (house, asked) = &*known;
            bencher.iter(|| {
                at = (at + 7919) % asked.len();
                decide(house, &asked[at]);
            });
            assert_eq!(house.tokens.misses(), count, "every token stayed known");
        });
    }
}

fn new_tokens(criterion: &mut Criterion) {
    let signers = signers();
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk.clone()).collect();
    let house = House::of(USUAL, &keys, 32 << 20);
    for signer in &signers {
        let mut group = criterion.benchmark_group(format!("{:?}", signer.algorithm));
        let token = signer.sign(0);
        let (signed, signature) = token.rsplit_once('.').expect("it is signed");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64url");
        let parsed = ParsedPublicKey::new(signer.verification, &signer.public).expect("the key is one");
        let unparsed = UnparsedPublicKey::new(signer.verification, &signer.public);
        group.bench_function("verify", |bencher| {
            bencher
                .iter(|| parsed.verify_sig(black_box(signed.as_bytes()), &signature).expect("the signature is right"));
        });
        group.bench_function("verify/unparsed", |bencher| {
            bencher.iter(|| unparsed.verify(black_box(signed.as_bytes()), &signature).expect("the signature is right"));
        });
        let mut serial = 0;
        group.bench_function("decide/miss", |bencher| {
            let new_token = || {
                serial += 1;
                Asked::usual(&signer.sign(serial))
            };
            bencher.iter_batched_ref(new_token, |asked| decide(&house, asked), BatchSize::SmallInput);
        });
    }
}

criterion_group!(benches, route, known_tokens, new_tokens);
criterion_main!(benches);
