//! What users and operators take back before it was redeemed: codes, of which nobody keeps a list.
//!
//! Whoever takes something back leaves a mark, which no two marks share, under the client, the user, or both. A code knows the
//! marks that were there when it was made; another one since ends it. Marks are left first, and grants ended afterwards; a
//! code is held against them once it has begun its family. So there is no moment in which one slips through.

use std::fmt;

use super::browser::kept::digest;
use crate::clock::Timestamp;
use crate::issuer::RecallsSeen;
use crate::secret::Secret;
use crate::store::{Store, StoreError};

/// How long a mark stays, in seconds: longer than any code.
const SECONDS: u64 = 3600;

/// How often a mark is put in the place of another one, where others do the same.
const TRIES: usize = 32;

/// Whose codes are taken back.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) enum Recalled<'a> {
    /// All of a client's.
    Client(&'a str),
    /// All that a user has granted.
    Subject(&'a str),
    /// What a user has granted to a client.
    Both { client: &'a str, subject: &'a str },
}

/// Under which name the mark lies; names of clients and users may hold anything.
impl fmt::Display for Recalled<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |text: &str| digest(&Secret::new(text));
        match self {
            Self::Client(client) => write!(formatter, "recall|client|{}", name(client)),
            Self::Subject(subject) => write!(formatter, "recall|subject|{}", name(subject)),
            Self::Both { client, subject } => write!(formatter, "recall|both|{}|{}", name(client), name(subject)),
        }
    }
}

/// Takes back every code that there is now.
///
/// # Errors
///
/// [`StoreError`] if nobody would know.
pub(in crate::serve) async fn recall(
    store: &dyn Store,
    recalled: Recalled<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mark = Secret::random_token().map_err(|fault| StoreError::Unusable(fault.to_string()))?;
    let (name, until) = (recalled.to_string(), Timestamp(now.0.saturating_add(SECONDS)));
    for _ in 0..TRIES {
        if store.put_once(&name, mark.expose(), until).await? {
            return Ok(());
        }
        store.take_once(&name, now).await?;
    }
    Err(StoreError::Unusable("others take back the same all the time".to_owned()))
}

/// The marks that a code of this client and user is held against.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be read.
pub(in crate::serve) async fn seen(
    store: &dyn Store,
    client: &str,
    subject: &str,
    now: Timestamp,
) -> Result<RecallsSeen, StoreError> {
    let mut seen = RecallsSeen::default();
    for recalled in [Recalled::Client(client), Recalled::Subject(subject), Recalled::Both { client, subject }] {
        let mark = store.peek_once(&recalled.to_string(), now).await?;
        seen.add(mark.map(|mark| String::from_utf8_lossy(&mark).into_owned()));
    }
    Ok(seen)
}
