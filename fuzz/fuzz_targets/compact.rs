//! No token panics, and one that is taken apart has exactly one spelling.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use narrowgate::token::Compact;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(compact) = Compact::parse(text) {
        assert_eq!(format!("{}.{}", compact.signed, URL_SAFE_NO_PAD.encode(&compact.signature)), text);
        assert_eq!(text.bytes().filter(|byte| *byte == b'.').count(), 2);
    }
});
