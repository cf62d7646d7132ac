//! No configuration panics: it loads, or its faults have places.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use narrowgate::config::{self, Environment};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(faults) = config::parse(text, Path::new("gateway.yaml"), &Environment::default()) {
        assert!(!faults.0.is_empty(), "refused without a reason");
        assert!(faults.0.iter().all(|fault| fault.place.line > 0), "a fault without a place");
    }
});
