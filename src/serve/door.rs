//! How many connections may be open, in all and from one address.
//!
//! Memory and file descriptors are spent before anybody is known, so they are counted before anything is read.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;
use crate::telemetry::metrics::ConnectionRefusal;

/// Counts the open connections of all listeners together.
#[derive(Clone, Debug, Default)]
pub struct Door(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A connection that was let in; counts as open until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    door: Door,
    peer: IpAddr,
}

impl Door {
    /// Lets a connection in, or says which bound is reached. A proxy that is trusted brings many clients from one
    /// address, so only the bound in all holds for it.
    ///
    /// # Errors
    ///
    /// The bound that is reached.
    pub fn admit(&self, peer: IpAddr, trusted: bool, limits: &Limits) -> Result<Admitted, ConnectionRefusal> {
        let peer = one_client(peer);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= limits.connections {
            return Err(ConnectionRefusal::Connections);
        }
        let own = open.by_peer.get(&peer).copied().unwrap_or(0);
        if own >= limits.connections_per_address && !trusted {
            return Err(ConnectionRefusal::ConnectionsPerAddress);
        }
        open.total += 1;
        open.by_peer.insert(peer, own + 1);
        Ok(Admitted { door: self.clone(), peer })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.door.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        match open.by_peer.get_mut(&self.peer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                open.by_peer.remove(&self.peer);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that a network hands out whole.
fn one_client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: fn() -> Limits = || Limits { connections: 3, connections_per_address: 2, ..Limits::default() };

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_all_together_have_theirs() {
        let (door, limits) = (Door::default(), LIMITS());
        let first = door.admit(peer("192.0.2.1"), false, &limits).unwrap();
        let _second = door.admit(peer("::ffff:192.0.2.1"), false, &limits).unwrap();
        assert_eq!(
            door.admit(peer("192.0.2.1"), false, &limits).unwrap_err(),
            ConnectionRefusal::ConnectionsPerAddress
        );
        let _third = door.admit(peer("192.0.2.2"), false, &limits).unwrap();
        assert_eq!(door.admit(peer("192.0.2.3"), false, &limits).unwrap_err(), ConnectionRefusal::Connections);
        drop(first);
        assert!(door.admit(peer("192.0.2.1"), false, &limits).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let (door, limits) = (Door::default(), LIMITS());
        let _held = [peer("2001:db8::1"), peer("2001:db8::2")].map(|peer| door.admit(peer, false, &limits).unwrap());
        assert_eq!(
            door.admit(peer("2001:db8::3"), false, &limits).unwrap_err(),
            ConnectionRefusal::ConnectionsPerAddress
        );
        assert!(door.admit(peer("2001:db8:0:1::3"), false, &limits).is_ok());
    }

    #[test]
    fn a_trusted_proxy_may_bring_all_of_them() {
        let (door, limits) = (Door::default(), LIMITS());
        let _held = [(); 3].map(|()| door.admit(peer("192.0.2.1"), true, &limits).unwrap());
        assert_eq!(door.admit(peer("192.0.2.1"), true, &limits).unwrap_err(), ConnectionRefusal::Connections);
    }
}
