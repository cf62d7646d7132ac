//! What a client takes back when it gives a token up (RFC 7009 §2.1).
//!
//! A token that names nobody who acts is of a grant that is the client's own, and everything that was made from that ends
//! with it. A token that was carried on ends alone: an API that was handed a user's token cannot end the user's grant.

use std::time::Duration;

use super::{TokenFacts, TokenIssuer};
use crate::clock::Timestamp;
use crate::config::Client;
use crate::store::Revocation;

/// How long behind its end a token may still be accepted somewhere, in seconds, and room for a clock.
const LEEWAY: u64 = 60;

/// The token belongs to another client, and stays good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the token belongs to another client")]
pub struct NotTheirs;

/// What is taken back at `now` where `client` gives up the token of this `jti`; nothing if there is nothing to take back
/// that is ours. No token lives longer than `longest`.
///
/// # Errors
///
/// [`NotTheirs`] if it is another client's.
pub fn revocation(
    client: &Client,
    token: &TokenFacts,
    jti: &str,
    longest: Duration,
    now: Timestamp,
) -> Result<Option<Revocation>, NotTheirs> {
    let (TokenIssuer::Own, Some(root)) = (token.issuer, token.root) else {
        return Ok(None);
    };
    if token.claimed.client.as_deref() != Some(&client.id) {
        return Err(NotTheirs);
    }
    // Whoever carries a token on is named in `act`.
    Ok(Some(match token.act.is_empty() {
        // This one may be a narrowed one, and the first may end later.
        true => Revocation {
            name: root.to_string(),
            until: after(token.expires.max(after(now, longest.as_secs())), LEEWAY),
        },
        false => Revocation { name: jti.to_owned(), until: after(token.expires, LEEWAY) },
    }))
}

fn after(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp(time.0.saturating_add(seconds))
}
