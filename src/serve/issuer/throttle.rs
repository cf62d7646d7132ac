//! How often a proof of who asks may fail before nobody looks at the next one.
//!
//! An address may fail 30 times at once and then once in 2 s. Guesses at a client's secret are counted for the client too,
//! wherever they come from: 100 at once and then one in 1 s. Nothing else is charged to a client, as strangers can fail in
//! its name; one with keys is never charged, as there is nothing to guess.
//!
//! Neither shuts out the rightful: who has proven itself from an address within the last hour has an allowance of its own
//! there, 100 failures at once and then 10 in 1 s, and no other one counts for it. So nobody suffers from strangers, or from
//! a broken neighbour behind the same address. IPv6 addresses count by /64, which is what one household has.
//!
//! To begin a login is no failure, but it writes into the store for a stranger: an address may begin 60 at once and then one in
//! 1 s. So it is with requests that are pushed in the name of a client that proves nothing.
//!
//! The memory is bounded. What is forgotten when it is full is chosen by [`Cache`], which keeps what is asked for again and
//! again; who is forgotten begins anew. Strangers cannot push out a proof: only proofs are in its table.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

/// How many addresses, clients, and pairs of both are remembered.
const REMEMBERED: usize = 16_384;

const OF_ADDRESS: Allowance = Allowance { burst: 30.0, per_second: 0.5 };
const OF_CLIENT: Allowance = Allowance { burst: 100.0, per_second: 1.0 };
const OF_LOGINS: Allowance = Allowance { burst: 60.0, per_second: 1.0 };
const OF_PUSHES: Allowance = Allowance { burst: 60.0, per_second: 1.0 };
const OF_PROVEN: Allowance = Allowance { burst: 100.0, per_second: 10.0 };

/// How long a proof sets a client at an address apart from strangers.
const PROVEN_FOR: Duration = Duration::from_secs(60 * 60);

/// How many failures are let be.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    burst: f64,
    per_second: f64,
}

/// Who failed how often, and who did not.
#[derive(Debug)]
pub(super) struct Throttle {
    addresses: Cache<IpAddr, Arc<Mutex<Bucket>>>,
    logins: Cache<IpAddr, Arc<Mutex<Bucket>>>,
    pushes: Cache<IpAddr, Arc<Mutex<Bucket>>>,
    clients: Cache<String, Arc<Mutex<Bucket>>>,
    proven: Cache<(IpAddr, String), Arc<Mutex<Proven>>>,
}

/// Who asks: an address, and the client of the configuration that it names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) peer: IpAddr,
    pub(super) client: Option<&'a str>,
}

/// How a proof failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// A client's secret was guessed at.
    Guess,
    /// In any other way.
    Other,
}

/// What is left of an allowance.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// A client that has proven itself from an address.
#[derive(Debug)]
struct Proven {
    last: Instant,
    bucket: Bucket,
}

/// What a guess has cost, unless it is given back. Who forgets it has guessed.
#[derive(Debug)]
pub(super) struct Taken {
    address: Option<Arc<Mutex<Bucket>>>,
    client: Option<Arc<Mutex<Bucket>>>,
    proven: Option<Arc<Mutex<Proven>>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            addresses: Cache::new(REMEMBERED),
            logins: Cache::new(REMEMBERED),
            pushes: Cache::new(REMEMBERED),
            clients: Cache::new(REMEMBERED),
            proven: Cache::new(REMEMBERED),
        }
    }
}

impl Throttle {
    /// How long this one has to wait; nothing if it may try.
    pub(super) fn wait(&self, asker: Asker<'_>, now: Instant) -> Option<Duration> {
        if let Some(proven) = self.proven(asker, now) {
            return locked(&proven).bucket.wait(OF_PROVEN, now);
        }
        let of_address = self.addresses.get(&household(asker.peer));
        let of_client = asker.client.and_then(|client| self.clients.get(client));
        let of_address = of_address.and_then(|bucket| locked(&bucket).wait(OF_ADDRESS, now));
        of_address.max(of_client.and_then(|bucket| locked(&bucket).wait(OF_CLIENT, now)))
    }

    /// Notes a failure.
    pub(super) fn failed(&self, asker: Asker<'_>, failure: Failure, now: Instant) {
        let full = |allowance: Allowance| Arc::new(Mutex::new(Bucket { left: allowance.burst, at: now }));
        let bucket = self.addresses.get_or_insert_with(&household(asker.peer), || Ok::<_, ()>(full(OF_ADDRESS)));
        bucket.into_iter().for_each(|bucket| locked(&bucket).take(OF_ADDRESS, now));
        if let Some(proven) = self.proven(asker, now) {
            locked(&proven).bucket.take(OF_PROVEN, now);
            return;
        }
        let Some(client) = asker.client.filter(|_| failure == Failure::Guess) else { return };
        let bucket = self.clients.get_or_insert_with(client, || Ok::<_, ()>(full(OF_CLIENT)));
        bucket.into_iter().for_each(|bucket| locked(&bucket).take(OF_CLIENT, now));
    }

    /// Notes that a client has proven itself. What it failed there before still counts.
    pub(super) fn succeeded(&self, peer: IpAddr, client: &str, now: Instant) {
        let first = || Proven { last: now, bucket: Bucket { left: OF_PROVEN.burst, at: now } };
        let pair = (household(peer), client.to_owned());
        let proven = self.proven.get_or_insert_with(&pair, || Ok::<_, ()>(Arc::new(Mutex::new(first()))));
        proven.into_iter().for_each(|proven| locked(&proven).last = now);
    }

    /// Takes what a guess costs before anybody looks at it, or says how long this one has to wait: however many guess at once,
    /// no more are looked at than one after the other.
    pub(super) fn guess(&self, asker: Asker<'_>, now: Instant) -> Result<Taken, Duration> {
        let full = |allowance: Allowance| Ok::<_, ()>(Arc::new(Mutex::new(Bucket { left: allowance.burst, at: now })));
        let address = self.addresses.get_or_insert_with(&household(asker.peer), || full(OF_ADDRESS)).ok();
        if let Some(proven) = self.proven(asker, now) {
            locked(&proven).bucket.charge(OF_PROVEN, now)?;
            address.iter().for_each(|bucket| locked(bucket).take(OF_ADDRESS, now));
            return Ok(Taken { address, client: None, proven: Some(proven) });
        }
        let client = asker.client.and_then(|client| self.clients.get_or_insert_with(client, || full(OF_CLIENT)).ok());
        let mut of_address = address.as_deref().map(locked);
        let mut of_client = client.as_deref().map(locked);
        let waits = [
            of_address.as_mut().and_then(|bucket| bucket.wait(OF_ADDRESS, now)),
            of_client.as_mut().and_then(|bucket| bucket.wait(OF_CLIENT, now)),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        of_address.iter_mut().for_each(|bucket| bucket.take(OF_ADDRESS, now));
        of_client.iter_mut().for_each(|bucket| bucket.take(OF_CLIENT, now));
        drop((of_address, of_client));
        Ok(Taken { address, client, proven: None })
    }

    /// Begins a login for somebody at this address, or says how long he has to wait.
    pub(super) fn begin_login(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        begin(&self.logins, OF_LOGINS, peer, now)
    }

    /// Takes a request that somebody at this address pushes without a proof, or says how long he has to wait.
    pub(super) fn push(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        begin(&self.pushes, OF_PUSHES, peer, now)
    }

    /// What is known of a client that has proven itself from this address lately.
    fn proven(&self, asker: Asker<'_>, now: Instant) -> Option<Arc<Mutex<Proven>>> {
        let proven = self.proven.get(&(household(asker.peer), asker.client?.to_owned()))?;
        let is_lately = now.saturating_duration_since(locked(&proven).last) < PROVEN_FOR;
        is_lately.then_some(proven)
    }
}

/// Lets an address begin one more, or says how long it has to wait.
fn begin(
    begun: &Cache<IpAddr, Arc<Mutex<Bucket>>>,
    allowance: Allowance,
    peer: IpAddr,
    now: Instant,
) -> Option<Duration> {
    let full = || Ok::<_, ()>(Arc::new(Mutex::new(Bucket { left: allowance.burst, at: now })));
    let bucket = begun.get_or_insert_with(&household(peer), full).ok()?;
    locked(&bucket).charge(allowance, now).err()
}

impl Taken {
    /// Gives it back: it was no guess.
    pub(super) fn give_back(self) {
        self.address.iter().for_each(|bucket| locked(bucket).give(OF_ADDRESS));
        self.client.iter().for_each(|bucket| locked(bucket).give(OF_CLIENT));
        self.proven.iter().for_each(|proven| locked(proven).bucket.give(OF_PROVEN));
    }
}

impl Bucket {
    /// Takes one, or says how long to wait for it.
    fn charge(&mut self, allowance: Allowance, now: Instant) -> Result<(), Duration> {
        self.wait(allowance, now).map_or(Ok(()), Err)?;
        self.take(allowance, now);
        Ok(())
    }

    fn give(&mut self, allowance: Allowance) {
        self.left = (self.left + 1.0).min(allowance.burst);
    }

    fn wait(&mut self, allowance: Allowance, now: Instant) -> Option<Duration> {
        self.refill(allowance, now);
        (self.left < 1.0).then(|| Duration::from_secs_f64((1.0 - self.left) / allowance.per_second))
    }

    fn take(&mut self, allowance: Allowance, now: Instant) {
        self.refill(allowance, now);
        self.left = (self.left - 1.0).max(0.0);
    }

    fn refill(&mut self, allowance: Allowance, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * allowance.per_second).min(allowance.burst);
        self.at = now.max(self.at);
    }
}

fn locked<T>(one: &Mutex<T>) -> MutexGuard<'_, T> {
    one.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What counts as one address.
fn household(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "192.0.2.1";

    fn asker<'a>(peer: &str, client: Option<&'a str>) -> Asker<'a> {
        Asker { peer: peer.parse().unwrap(), client }
    }

    fn fail(throttle: &Throttle, peer: &str, client: Option<&str>, times: usize, now: Instant) {
        for _ in 0..times {
            throttle.failed(asker(peer, client), Failure::Guess, now);
        }
    }

    /// A hundred guesses, each from elsewhere.
    fn guess_everywhere(throttle: &Throttle, client: &str, failure: Failure, now: Instant) {
        for host in 0..100 {
            throttle.failed(asker(&format!("198.51.100.{host}"), Some(client)), failure, now);
        }
    }

    fn wait(throttle: &Throttle, peer: &str, client: Option<&str>, now: Instant) -> Option<u64> {
        throttle.wait(asker(peer, client), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn an_address_that_failed_too_often_waits() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        fail(&throttle, PEER, None, 29, now);
        assert_eq!(wait(&throttle, PEER, None, now), None);
        fail(&throttle, PEER, None, 1, now);
        assert_eq!(wait(&throttle, PEER, None, now), Some(2));
        assert_eq!(wait(&throttle, "192.0.2.2", None, now), None, "another address");
        assert_eq!(wait(&throttle, PEER, None, now + Duration::from_secs(2)), None);
    }

    #[test]
    fn guesses_at_a_secret_count_wherever_they_come_from() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        guess_everywhere(&throttle, "app", Failure::Guess, now);
        assert_eq!(wait(&throttle, PEER, Some("app"), now), Some(1));
        assert_eq!(wait(&throttle, PEER, Some("other"), now), None);
    }

    #[test]
    fn who_merely_names_a_client_takes_nothing_from_it() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        guess_everywhere(&throttle, "app", Failure::Other, now);
        assert_eq!(wait(&throttle, PEER, Some("app"), now), None);
    }

    #[test]
    fn who_proved_itself_there_lately_does_not_wait_for_strangers() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.succeeded(PEER.parse().unwrap(), "app", now);
        guess_everywhere(&throttle, "app", Failure::Guess, now);
        fail(&throttle, PEER, Some("broken"), 100, now);
        assert_eq!(wait(&throttle, PEER, Some("app"), now), None);
        assert!(wait(&throttle, PEER, Some("other"), now).is_some(), "another client there");
        assert!(wait(&throttle, "192.0.2.2", Some("app"), now).is_some(), "it, from elsewhere");
    }

    #[test]
    fn a_proof_counts_for_an_hour() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.succeeded(PEER.parse().unwrap(), "app", now);
        let (before, after) = (now + PROVEN_FOR - Duration::from_secs(1), now + PROVEN_FOR);
        guess_everywhere(&throttle, "app", Failure::Guess, after);
        assert_eq!(wait(&throttle, PEER, Some("app"), before), None);
        assert!(wait(&throttle, PEER, Some("app"), after).is_some());
    }

    #[test]
    fn who_proved_itself_may_not_guess_for_ever() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.succeeded(PEER.parse().unwrap(), "app", now);
        fail(&throttle, PEER, Some("app"), 99, now);
        assert_eq!(wait(&throttle, PEER, Some("app"), now), None);
        fail(&throttle, PEER, Some("app"), 1, now);
        throttle.succeeded(PEER.parse().unwrap(), "app", now);
        assert!(throttle.wait(asker(PEER, Some("app")), now).is_some());
        assert_eq!(wait(&throttle, PEER, Some("app"), now + Duration::from_millis(100)), None);
    }

    #[test]
    fn who_begins_too_many_logins_waits() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let begin = |peer: &str, now| throttle.begin_login(peer.parse().unwrap(), now).map(|wait| wait.as_secs());
        for _ in 0..60 {
            assert_eq!(begin(PEER, now), None);
        }
        assert_eq!(begin(PEER, now), Some(1));
        assert_eq!(begin("192.0.2.2", now), None, "another address");
        assert_eq!(wait(&throttle, PEER, None, now), None, "it is no failure");
        assert_eq!(begin(PEER, now + Duration::from_secs(1)), None);
    }

    #[test]
    fn a_guess_costs_before_it_is_looked_at() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let under_way: Vec<_> = (0..100).filter_map(|_| throttle.guess(asker(PEER, Some("ada")), now).ok()).collect();
        assert_eq!(under_way.len(), 30);
        under_way.into_iter().for_each(Taken::give_back);
        assert_eq!((0..100).filter(|_| throttle.guess(asker(PEER, Some("ada")), now).is_ok()).count(), 30);
        let from = |host: usize| format!("198.51.100.{host}");
        let elsewhere = (0..200).filter(|host| throttle.guess(asker(&from(*host), Some("ada")), now).is_ok());
        assert_eq!(elsewhere.count(), 70);
        assert!(throttle.guess(asker(PEER, Some("ada")), now).is_err());
        throttle.succeeded(PEER.parse().unwrap(), "ada", now);
        assert_eq!((0..200).filter(|_| throttle.guess(asker(PEER, Some("ada")), now).is_ok()).count(), 100);
    }

    #[test]
    fn neighbours_in_one_network_are_one() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for host in 0..30 {
            fail(&throttle, &format!("2001:db8::{host}"), None, 1, now);
        }
        assert!(wait(&throttle, "2001:db8::ffff", None, now).is_some());
        assert_eq!(wait(&throttle, "2001:db8:0:1::1", None, now), None);
    }
}
