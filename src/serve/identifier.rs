//! Identifiers of requests and spans: random, so that nobody guesses them and no client chooses them.

use std::fmt;
use std::ops::Deref;

use crate::randomness;

/// Random bytes, written in hexadecimal: twice as many digits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Identifier<const BYTES: usize>([[u8; 2]; BYTES]);

/// A request, as logs and answers call it, and the trace that begins with it.
pub(super) type RequestId = Identifier<16>;

impl<const BYTES: usize> Identifier<BYTES> {
    /// One that nobody has got yet.
    pub(super) fn random() -> Self {
        let bytes = randomness::name::<BYTES>().expect("the system has randomness once it has started");
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        Self(bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)]))
    }

    /// The digits.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }
}

impl<const BYTES: usize> Deref for Identifier<BYTES> {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("digits are ASCII")
    }
}

impl<const BYTES: usize> fmt::Display for Identifier<BYTES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_comes_twice_however_many_are_asked_for() {
        let many: HashSet<RequestId> = (0..1000).map(|_| RequestId::random()).collect();
        assert_eq!(many.len(), 1000);
        assert!(many.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(Identifier::<8>::random().len(), 16);
    }
}
