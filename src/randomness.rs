//! Random names, drawn ahead: of requests, spans, grants and tokens.
//!
//! The generator takes about a microsecond whether it is asked for eight bytes or for a thousand, so each thread asks for many
//! at once. What was handed out is wiped from here. Deliberately absent: secrets and keys, which are drawn when they are made.

use std::cell::RefCell;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

/// How many bytes a thread asks for at once.
const AT_ONCE: usize = 1024;

thread_local! {
    static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { bytes: [0; AT_ONCE], left: 0 }) };
}

/// Random bytes that nobody has got yet: the first `left`.
struct Ahead {
    bytes: [u8; AT_ONCE],
    left: usize,
}

/// So many random bytes, at most 1024, for a name that nobody guesses and that nobody else has got.
///
/// # Errors
///
/// If the system has no randomness to give.
pub fn name<const BYTES: usize>() -> Result<[u8; BYTES], Unspecified> {
    const { assert!(BYTES <= AT_ONCE) };
    AHEAD.with_borrow_mut(Ahead::take)
}

impl Ahead {
    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Unspecified> {
        if self.left < BYTES {
            self.left = 0;
            rand::fill(&mut self.bytes)?;
            self.left = AT_ONCE;
        }
        self.left -= BYTES;
        let mut taken = [0; BYTES];
        taken.swap_with_slice(&mut self.bytes[self.left..self.left + BYTES]);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_comes_twice_however_many_are_asked_for() {
        let many: HashSet<[u8; 16]> = (0..1000).map(|_| name().unwrap()).collect();
        assert_eq!(many.len(), 1000);
    }

    #[test]
    fn what_was_handed_out_is_gone() {
        let mut ahead = Ahead { bytes: [0; AT_ONCE], left: 0 };
        let taken: [u8; 32] = ahead.take().unwrap();
        assert_ne!(taken, [0; 32]);
        assert_eq!(ahead.bytes[ahead.left..], [0; 32]);
    }
}
