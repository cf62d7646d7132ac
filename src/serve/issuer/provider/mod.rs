//! Login at an OpenID provider, at which we are a client (OpenID Connect Core §3.1).
//!
//! [`begin`] sends a user there and keeps, under the digest of `state` and sealed under it, what his answer will be held
//! against. [`callback`] takes that answer: in the browser that began, once, from the provider that was asked. [`redemption`]
//! asks that provider who it was, [`known`] where it answers, [`refused`] says what comes of everything that goes wrong.
//!
//! Deliberately absent: the provider's tokens, once a login is judged. None is kept, logged, or handed on.

mod begun;
pub(super) mod callback;
pub(super) mod known;
mod redemption;
mod refused;
mod way;

use std::time::Duration;

pub(super) use begun::begin;

/// How long somebody may take at the provider, in seconds.
const ATTEMPT_SECONDS: u64 = 600;

/// How long we may take ourselves, the provider included.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a login under way is sealed as, and what the names begin with that such a thing lies under.
const LOGIN: &str = "login";
