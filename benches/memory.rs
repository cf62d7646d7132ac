//! What a million known tokens take: the growth of the heap, by an allocator that counts, held against the configured bound.
//!
//! `cargo bench --bench memory`; it takes a minute or two, most of it to sign and to verify a million tokens. Fails where the
//! heap grew beyond the bound, or where tokens were forgotten although there was room.

#[path = "../tests/allocation/counting.rs"]
mod counting;
mod gate;

use counting::{Counting, held};
use gate::{Asked, House, USUAL, claims, jwk, sign};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TOKENS: u64 = 1_000_000;

/// What is configured: `limits.token_cache_bytes`.
const BOUND: usize = 1280 << 20;

fn main() {
    // Test runners list and run benches too; only `cargo bench` says `--bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let house = House::of(USUAL, &[jwk()], BOUND);
    let before = held();
    let mut highest = 0;
    for serial in 0..TOKENS {
        assert!(house.forwards(&Asked::usual(&sign(&claims(serial)))));
        highest = highest.max(held() - before);
    }
    let grown = held() - before;
    let known = (0..TOKENS).step_by(1009).filter(|serial| {
        let hits = house.tokens.hits();
        assert!(house.forwards(&Asked::usual(&sign(&claims(*serial)))));
        house.tokens.hits() > hits
    });
    let (asked, known) = (TOKENS.div_ceil(1009), known.count() as u64);
    println!(
        "{TOKENS} tokens: {} MiB, {} bytes each; at most {} MiB",
        grown >> 20,
        grown / TOKENS as i64,
        highest >> 20
    );
    println!("bound: {} MiB; of {asked} tokens that were asked about, {known} were known", BOUND >> 20);
    assert!(highest <= BOUND as i64, "the heap grew beyond the bound");
}
