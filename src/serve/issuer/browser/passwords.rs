//! The passwords of local users, for demos and tests: judged slowly, two at a time, and not for ever.
//!
//! A guess is paid for before it is judged, and given back if it was right. Few wait for their turn; who finds no seat is sent
//! away, so that strangers pile up no work.
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
use crate::serve::issuer::throttle::{Asker, Throttle};
use crate::store::TokenDigest;

/// How many are judged at once: each takes a processor, and much memory.
const AT_ONCE: usize = 2;

/// How many may be there at once, those among them that are judged.
const SEATS: usize = 32;

/// After how long somebody who found no seat may try again.
const BUSY: Duration = Duration::from_secs(2);

/// The longest name that is looked for, in bytes.
const MAX_NAME: usize = 256;

/// Who may try, and how many at once.
#[derive(Debug)]
pub(in crate::serve::issuer) struct Passwords {
    throttle: Throttle,
    seats: Semaphore,
    at_once: Arc<Semaphore>,
}

/// Why nobody logged in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotHim {
    /// It is none of the users, or not his password.
    Wrong,
    /// Too many have failed before.
    Throttled(Duration),
    /// Too many are trying.
    Busy(Duration),
}

impl Default for Passwords {
    fn default() -> Self {
        let (seats, at_once) = (Semaphore::new(SEATS), Arc::new(Semaphore::new(AT_ONCE)));
        Self { throttle: Throttle::default(), seats, at_once }
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
        let Ok(_seat) = self.seats.try_acquire() else { return Err(NotHim::Busy(BUSY)) };
        let asker = Asker { peer, client: Some(name).filter(|name| name.len() <= MAX_NAME) };
        let cost = self.throttle.guess(asker, Instant::now()).map_err(NotHim::Throttled)?;
        let known = login.user(name);
        let hash = known.or_else(|| decoy(login, name)).map(|user| user.password.clone()).ok_or(NotHim::Wrong)?;
        let is_right = self.judged(hash, password).await;
        match known.filter(|_| is_right) {
            Some(user) => {
                cost.give_back();
                self.throttle.succeeded(peer, name, Instant::now());
                Ok(user)
            }
            None => Err(NotHim::Wrong),
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
    use argon2::password_hash::PasswordHasher;
    use argon2::{Algorithm, Params, Version};
    use tokio::task::JoinSet;

    use super::*;

    /// `wonderland`, as cheaply as argon2 allows.
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$";

    fn login() -> UserLogin {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash = argon2.hash_password_with_salt(b"wonderland", b"some salt, 16 by").unwrap().to_string();
        let alice =
            LocalUser { name: "alice".to_owned(), password: Secret::new(hash), claims: serde_json::Map::default() };
        UserLogin { openid: Vec::new(), users: vec![alice] }
    }

    /// What becomes of so many who try at once, from one address: how many were judged, throttled, and sent away.
    async fn at_once(there: &Arc<(Passwords, UserLogin)>, many: usize) -> [usize; 3] {
        let mut tries = JoinSet::new();
        for _ in 0..many {
            let there = Arc::clone(there);
            tries.spawn(async move {
                let judged = there.0.user(&there.1, [192, 0, 2, 1].into(), "alice", Secret::new("wrong")).await;
                judged.map(|_| ()).unwrap_err()
            });
        }
        let mut counts = [0; 3];
        for outcome in tries.join_all().await {
            match outcome {
                NotHim::Wrong => counts[0] += 1,
                NotHim::Throttled(_) => counts[1] += 1,
                NotHim::Busy(_) => counts[2] += 1,
            }
        }
        counts
    }

    #[tokio::test]
    async fn a_thousand_at_once_guess_no_more_than_one_after_the_other() {
        let there = Arc::new((Passwords::default(), login()));
        let [judged, throttled, sent_away] = at_once(&there, 1000).await;
        assert_eq!((judged, throttled + sent_away), (30, 970));
        assert_eq!(at_once(&there, 10).await, [0, 10, 0]);
    }

    #[tokio::test]
    async fn who_finds_no_seat_is_sent_away() {
        let there = Arc::new((Passwords::default(), login()));
        let seats = there.0.seats.acquire_many(u32::try_from(SEATS).unwrap()).await.unwrap();
        assert_eq!(at_once(&there, 40).await, [0, 0, 40]);
        drop(seats);
        assert_eq!(at_once(&there, 1).await, [1, 0, 0], "and that cost him nothing");
    }

    #[tokio::test]
    async fn who_knows_his_password_pays_nothing() {
        let (passwords, login) = (Passwords::default(), login());
        for _ in 0..200 {
            let judged = passwords.user(&login, [192, 0, 2, 1].into(), "alice", Secret::new("wonderland")).await;
            assert_eq!(judged.unwrap().name, "alice");
        }
    }

    #[test]
    fn what_is_no_hash_is_nobodys_password() {
        for hash in ["", "wonderland", HASH] {
            assert!(!is_of(&Secret::new(hash), &Secret::new("wonderland")), "{hash}");
        }
    }
}
