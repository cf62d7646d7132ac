//! No request target panics, and none that is let in has a second reading of the dangerous kind.

#![no_main]

use libfuzzer_sys::fuzz_target;
use narrowgate::route::{Readings, Target};

fuzz_target!(|bytes: &[u8]| {
    let Ok(target) = Target::parse(bytes) else {
        return;
    };
    let path = target.path();
    assert!(bytes.starts_with(path.as_bytes()), "what is matched is not what was sent");
    for reading in [path.as_bytes()].into_iter().chain(Readings::of(&target).iter()) {
        for segment in reading.split(|byte| *byte == b'/') {
            assert!(!matches!(segment, b"." | b".."), "a dot segment was let in");
            assert!(!segment.contains(&b'\\') && !segment.contains(&0), "a second separator was let in");
        }
        assert!(!reading.windows(2).any(|pair| pair == b"//"), "an empty segment was let in");
    }
});
