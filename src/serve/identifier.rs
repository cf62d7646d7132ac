//! Identifiers of requests and spans: random, so that nobody guesses them and no client chooses them.
//!
//! The generator takes about a microsecond whether it is asked for eight bytes or for a thousand, so each thread asks for many
//! at once.

use std::cell::RefCell;

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

impl Ahead {
    fn take<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        if self.left < BYTES {
            rand::fill(&mut self.bytes).expect("the system has randomness once it has started");
            self.left = AT_ONCE;
        }
        self.left -= BYTES;
        let mut taken = [0; BYTES];
        taken.copy_from_slice(&self.bytes[self.left..self.left + BYTES]);
        taken
    }
}

/// Random bytes in hexadecimal.
pub(super) fn random_hex<const BYTES: usize>() -> String {
    let bytes: [u8; BYTES] = AHEAD.with_borrow_mut(Ahead::take);
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let mut text = String::with_capacity(2 * BYTES);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_comes_twice_however_many_are_asked_for() {
        let many: HashSet<String> = (0..1000).map(|_| random_hex::<16>()).collect();
        assert_eq!(many.len(), 1000);
        assert!(many.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(random_hex::<8>().len(), 16);
    }
}
