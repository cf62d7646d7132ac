//! What a signature costs to verify, and nothing else: aws-lc-rs in a loop, on the measured core.
//!
//! The key is taken apart once and for all, so that no cheaper way through this library is left; what is signed is the
//! text of a whole token.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::machine::Machine;
use crate::tokens::{Algorithm, Key, Kind};

/// What this program is told to verify alone.
pub const ROLE: &str = "verify";

/// How long it is repeated.
const LENGTH: Duration = Duration::from_millis(500);

/// CPU time of one verification, in microseconds.
pub fn verification(machine: &Machine, key: &Key) -> f64 {
    let program = std::env::current_exe().expect("this program has a path");
    let public = URL_SAFE_NO_PAD.encode(key.public());
    let name = key.algorithm.to_string();
    let arguments = [ROLE, &name, &public, &key.token(Kind::Good, 0)];
    let done = machine.measured(program).args(arguments).output().expect("this program starts");
    String::from_utf8_lossy(&done.stdout).trim().parse().expect("it says a number")
}

/// The role itself: `ALGORITHM KEY TOKEN`.
pub fn serve(arguments: &[String]) {
    let [algorithm, key, token] = arguments else { panic!("an algorithm, a key and a token are needed") };
    let algorithm = Algorithm::ALL.into_iter().find(|known| known.to_string() == *algorithm).expect("it is known");
    let scheme: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::EdDsa => &ED25519,
    };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("it is base64url");
    let (message, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (key, signature) = (ParsedPublicKey::new(scheme, decode(key)).expect("it is a key"), decode(signature));
    let once = || key.verify_sig(black_box(message.as_bytes()), &signature).expect("it is the key's");
    (0..200).for_each(|_| once());
    let (begun, before, mut times) = (Instant::now(), used(), 0u32);
    while begun.elapsed() < LENGTH {
        (0..50).for_each(|_| once());
        times += 50;
    }
    println!("{}", (used() - before) as f64 / 1e3 / f64::from(times));
}

/// Nanoseconds of CPU time of this thread.
fn used() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("/proc says what was used");
    text.split(' ').next().and_then(|text| text.parse().ok()).expect("the first field is a number")
}
