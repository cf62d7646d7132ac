//! How often a proof of who asks may fail, for each address and for each client, before nobody looks at the next one.
//!
//! An address may fail 30 times at once and then once in 2 s; a client 100 times and then once in 1 s, as strangers can fail
//! in its name. IPv6 addresses count by /64, which is what one household has. A success changes nothing for anybody. The
//! memory is bounded: who is forgotten first is who failed longest ago.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

/// How many addresses, and how many clients, are remembered.
const REMEMBERED: usize = 16_384;

const OF_ADDRESS: Allowance = Allowance { burst: 30.0, per_second: 0.5 };
const OF_CLIENT: Allowance = Allowance { burst: 100.0, per_second: 1.0 };

/// How many failures are let be.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    burst: f64,
    per_second: f64,
}

/// Who failed how often.
#[derive(Debug)]
pub(super) struct Throttle {
    addresses: Cache<IpAddr, Arc<Mutex<Bucket>>>,
    clients: Cache<String, Arc<Mutex<Bucket>>>,
}

/// What is left of an allowance.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { addresses: Cache::new(REMEMBERED), clients: Cache::new(REMEMBERED) }
    }
}

impl Throttle {
    /// How long this address, or this client, has to wait; nothing if it may try. `client` is one of the configuration's.
    pub(super) fn wait(&self, peer: IpAddr, client: Option<&str>, now: Instant) -> Option<Duration> {
        let of_address = self.addresses.get(&household(peer)).and_then(|bucket| bucket_wait(&bucket, OF_ADDRESS, now));
        let of_client = client.and_then(|client| self.clients.get(client));
        let of_client = of_client.and_then(|bucket| bucket_wait(&bucket, OF_CLIENT, now));
        of_address.max(of_client)
    }

    /// Notes a failure.
    pub(super) fn failed(&self, peer: IpAddr, client: Option<&str>, now: Instant) {
        let full = |allowance: Allowance| Arc::new(Mutex::new(Bucket { left: allowance.burst, at: now }));
        let bucket = self.addresses.get_or_insert_with(&household(peer), || Ok::<_, ()>(full(OF_ADDRESS)));
        bucket.into_iter().for_each(|bucket| take(&bucket, OF_ADDRESS, now));
        let Some(client) = client else { return };
        let bucket = self.clients.get_or_insert_with(client, || Ok::<_, ()>(full(OF_CLIENT)));
        bucket.into_iter().for_each(|bucket| take(&bucket, OF_CLIENT, now));
    }
}

fn bucket_wait(bucket: &Mutex<Bucket>, allowance: Allowance, now: Instant) -> Option<Duration> {
    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
    bucket.refill(allowance, now);
    (bucket.left < 1.0).then(|| Duration::from_secs_f64((1.0 - bucket.left) / allowance.per_second))
}

fn take(bucket: &Mutex<Bucket>, allowance: Allowance, now: Instant) {
    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
    bucket.refill(allowance, now);
    bucket.left = (bucket.left - 1.0).max(0.0);
}

impl Bucket {
    fn refill(&mut self, allowance: Allowance, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * allowance.per_second).min(allowance.burst);
        self.at = now.max(self.at);
    }
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

    fn fail(throttle: &Throttle, peer: &str, client: Option<&str>, times: usize, now: Instant) {
        for _ in 0..times {
            throttle.failed(peer.parse().unwrap(), client, now);
        }
    }

    fn wait(throttle: &Throttle, peer: &str, client: Option<&str>, now: Instant) -> Option<u64> {
        throttle.wait(peer.parse().unwrap(), client, now).map(|wait| wait.as_secs())
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
    fn a_client_waits_wherever_it_failed_from() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for host in 0..100 {
            fail(&throttle, &format!("198.51.100.{host}"), Some("app"), 1, now);
        }
        assert_eq!(wait(&throttle, PEER, Some("app"), now), Some(1));
        assert_eq!(wait(&throttle, PEER, Some("other"), now), None);
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
