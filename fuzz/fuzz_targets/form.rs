//! No request to the issuer panics: not the form, not the client's credential in header or form, not what it asks for; and
//! parameters that come once have one value.

#![no_main]

use libfuzzer_sys::fuzz_target;
use narrowgate::issuer::{ClientAssertion, ClientCredential, Form, TokenRequest};

fuzz_target!(|input: (&[u8], &[u8])| {
    let (header, body) = input;
    let Ok(form) = Form::parse(body, 8192) else {
        return;
    };
    assert!(form.all("scope").count() <= 1 && form.all("grant_type").count() <= 1);
    let _ = TokenRequest::read(&form);
    for headers in [&[][..], &[header]] {
        if let Ok(ClientCredential::Assertion { compact, .. }) = ClientCredential::read(headers.iter().copied(), &form)
            && let Ok(text) = std::str::from_utf8(compact.expose())
        {
            let _ = ClientAssertion::parse(text);
        }
    }
});
