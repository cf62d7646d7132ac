//! The passwords of local users, for demos and tests: judged slowly, two at a time, and not for ever.
//!
//! Nobody learns whether there is a user of some name: a wrong name takes as long as a wrong password, and is told the same.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::{LocalUser, UserLogin};
use crate::secret::Secret;
use crate::serve::issuer::throttle::{Asker, Failure, Throttle};
use crate::store::TokenDigest;

/// How many are judged at once: each takes a processor, and much memory.
const AT_ONCE: usize = 2;

/// The longest name that is looked for, in bytes.
const MAX_NAME: usize = 256;

/// Who may try, and how many at once.
#[derive(Debug)]
pub(in crate::serve::issuer) struct Passwords {
    throttle: Throttle,
    at_once: Arc<Semaphore>,
}

/// Why nobody logged in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotHim {
    /// It is none of the users, or not his password.
    Wrong,
    /// Too many have failed before.
    Throttled(Duration),
}

impl Default for Passwords {
    fn default() -> Self {
        Self { throttle: Throttle::default(), at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// The user of this name, if this is his password.
    ///
    /// # Errors
    ///
    /// [`NotHim`].
    pub(super) async fn user<'l>(
        &self,
        login: &'l UserLogin,
        peer: IpAddr,
        name: &str,
        password: Secret,
    ) -> Result<&'l LocalUser, NotHim> {
        let asker = Asker { peer, client: Some(name).filter(|name| name.len() <= MAX_NAME) };
        if let Some(wait) = self.throttle.wait(asker, Instant::now()) {
            return Err(NotHim::Throttled(wait));
        }
        let known = login.user(name);
        let hash = known.or_else(|| decoy(login, name)).map(|user| user.password.clone()).ok_or(NotHim::Wrong)?;
        let is_right = self.judged(hash, password).await;
        match known.filter(|_| is_right) {
            Some(user) => {
                self.throttle.succeeded(peer, name, Instant::now());
                Ok(user)
            }
            None => {
                self.throttle.failed(asker, Failure::Guess, Instant::now());
                Err(NotHim::Wrong)
            }
        }
    }

    /// Whether a password is the one of a hash. A seat is given back when the work is done, not when nobody waits for it.
    async fn judged(&self, hash: Secret, password: Secret) -> bool {
        let Ok(seat) = Arc::clone(&self.at_once).acquire_owned().await else { return false };
        let work = spawn_blocking(move || {
            let _seat = seat;
            is_of(&hash, &password)
        });
        work.await.unwrap_or(false)
    }
}

/// Whose hash is judged in place of that of somebody who is not there: one's for each name, always the same, so that a wrong
/// name takes as long as some right one does every time.
fn decoy<'l>(login: &'l UserLogin, name: &str) -> Option<&'l LocalUser> {
    let place = TokenDigest::of(name.as_bytes()).as_bytes().iter().fold(0, |sum, byte| sum + usize::from(*byte));
    login.users.get(place.checked_rem(login.users.len())?)
}

fn is_of(hash: &Secret, password: &Secret) -> bool {
    let Ok(text) = std::str::from_utf8(hash.expose()) else { return false };
    let Ok(hash) = PasswordHash::new(text) else { return false };
    Argon2::default().verify_password(password.expose(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `wonderland`, as cheaply as argon2 allows.
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$";

    #[test]
    fn what_is_no_hash_is_nobodys_password() {
        for hash in ["", "wonderland", HASH] {
            assert!(!is_of(&Secret::new(hash), &Secret::new("wonderland")), "{hash}");
        }
    }
}
