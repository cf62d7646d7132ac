//! What a contender must do before it counts: hand a good token's request on, and refuse every bad one.

use crate::client::Dialer;
use crate::contender::Program;
use crate::place::Place;
use crate::tokens::{Algorithm, Key, Kind};
use crate::upstream::BODY;

/// Starts the program once and asks it everything.
///
/// # Errors
///
/// What it did instead.
pub fn check(program: Program, place: &Place, key: &Key) -> Result<(), String> {
    let algorithm: Algorithm = key.algorithm;
    let measured = program.start(place, algorithm)?;
    let dialer = Dialer::new(place, measured.address());
    let ask = |token: Option<&str>| {
        let answer = dialer.connect().and_then(|mut client| client.ask(token));
        answer.map_err(|error| format!("it does not answer: {error}"))
    };
    let answer = ask(Some(&key.token(Kind::Good, 0)))?;
    if answer.status != 200 || answer.body != BODY {
        return Err(format!("a good token brings {answer:?}"));
    }
    if !program.checks_tokens() {
        return Ok(());
    }
    let mut bad = vec![Kind::WrongAudience, Kind::Expired, Kind::BadSignature];
    // Envoy's filter knows no scopes.
    if !matches!(program, Program::Envoy | Program::EnvoyCached) {
        bad.push(Kind::WrongScope);
    }
    let asked = bad.into_iter().map(|kind| (format!("{kind:?}"), Some(key.token(kind, 1))));
    for (what, token) in asked.chain([("no token".to_owned(), None)]) {
        let answer = ask(token.as_deref())?;
        if !matches!(answer.status, 401 | 403) || answer.body.contains(BODY) {
            return Err(format!("{what} brings {answer:?}"));
        }
    }
    Ok(())
}
