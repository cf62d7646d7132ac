//! The names that upstreams have, each resolved once for everybody and again in the background.
//!
//! A hundred thousand resources in front of a few hosts ask for a few names. Whoever needs one holds it; one task asks
//! again for all that are held, and forgets the others. A request reads the last answer and never waits for one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::spread;

/// How often names are resolved that have no address yet, and how many such rounds later the others are, again.
const RESOLVE_NEW_EVERY: Duration = Duration::from_secs(5);
const ROUNDS: usize = 6;
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many names are asked for at a time; each takes a thread of the runtime while it lasts.
const AT_A_TIME: usize = 32;

/// Every name that somebody holds.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Mutex<HashMap<(String, u16), Weak<Name>>>,
    is_kept: AtomicBool,
}

/// A name with a port, and the addresses it had when it was last asked for.
#[derive(Debug)]
pub(super) struct Name {
    host: String,
    port: u16,
    addresses: ArcSwap<Vec<SocketAddr>>,
    was_asked: AtomicBool,
    is_failing: AtomicBool,
}

impl Names {
    /// The one entry of a name; it has no address until it was asked for.
    pub(super) fn name(&self, host: &str, port: u16) -> Arc<Name> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry((host.to_owned(), port)).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let name = Arc::new(Name {
                host: host.to_owned(),
                port,
                addresses: ArcSwap::default(),
                was_asked: AtomicBool::new(false),
                is_failing: AtomicBool::new(false),
            });
            *entry = Arc::downgrade(&name);
            name
        })
    }

    /// Asks for every name that was never asked for.
    pub(super) async fn ask_new(&self) {
        let mut names = self.held();
        names.retain(|name| !name.was_asked.load(Ordering::Relaxed));
        ask_all(names).await;
    }

    /// Asks again in the background, for as long as anybody holds `self`; further calls change nothing.
    pub(super) fn keep_fresh(self: &Arc<Self>) {
        if !self.held().is_empty() && !self.is_kept.swap(true, Ordering::Relaxed) {
            tokio::spawn(ask_again(Arc::downgrade(self)));
        }
    }

    /// The names that somebody holds; the others are forgotten.
    fn held(&self) -> Vec<Arc<Name>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = Vec::with_capacity(known.len());
        known.retain(|_, name| match name.upgrade() {
            Some(name) => {
                held.push(name);
                true
            }
            None => false,
        });
        held
    }
}

impl Name {
    /// The addresses, in a fixed order; as long as they stay the same, so does the list itself.
    pub(super) fn addresses(&self) -> Guard<Arc<Vec<SocketAddr>>> {
        self.addresses.load()
    }

    /// Asks once. A name that cannot be resolved keeps the addresses that it had.
    async fn ask(&self) {
        self.was_asked.store(true, Ordering::Relaxed);
        let why = match timeout(RESOLVE_TIMEOUT, lookup_host((self.host.as_str(), self.port))).await {
            Ok(Ok(found)) => return self.found(found.collect()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", RESOLVE_TIMEOUT.as_secs()),
        };
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(host = self.host, why, "an upstream's name cannot be resolved");
        }
    }

    pub(super) fn found(&self, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(host = self.host, "an upstream's name can be resolved again");
        }
        if !addresses.is_empty() && **self.addresses.load() != addresses {
            self.addresses.store(Arc::new(addresses));
        }
    }
}

async fn ask_all(names: Vec<Arc<Name>>) {
    let mut asking = JoinSet::new();
    for name in names {
        if asking.len() >= AT_A_TIME {
            asking.join_next().await;
        }
        asking.spawn(async move { name.ask().await });
    }
    while asking.join_next().await.is_some() {}
}

async fn ask_again(names: Weak<Names>) {
    for round in 1.. {
        sleep(spread(RESOLVE_NEW_EVERY)).await;
        let Some(mut held) = names.upgrade().map(|names| names.held()) else {
            return;
        };
        held.retain(|name| round % ROUNDS == 0 || name.addresses().is_empty());
        ask_all(held).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_asked_for_once_for_everybody() {
        let names = Names::default();
        let one = names.name("localhost", 4711);
        assert!(Arc::ptr_eq(&one, &names.name("localhost", 4711)));
        assert!(!Arc::ptr_eq(&one, &names.name("localhost", 4712)));
        assert!(one.addresses().is_empty());
        names.ask_new().await;
        assert!(one.addresses().iter().all(|address| address.port() == 4711 && address.ip().is_loopback()));
        assert!(!one.addresses().is_empty());
    }

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let names = Names::default();
        let held = names.name("a.internal", 80);
        drop(names.name("b.internal", 80));
        assert_eq!(names.held().len(), 1);
        assert_eq!(names.known.lock().unwrap().len(), 1);
        drop(held);
        assert!(names.held().is_empty());
    }

    #[test]
    fn an_answer_without_addresses_and_an_equal_one_change_nothing() {
        let name = Names::default().name("a.internal", 80);
        let (one, other): (SocketAddr, SocketAddr) = ("192.0.2.1:80".parse().unwrap(), "192.0.2.2:80".parse().unwrap());
        name.found(vec![other, one, other]);
        let first = Arc::clone(&name.addresses());
        assert_eq!(*first, [one, other]);
        name.found(Vec::new());
        name.found(vec![one, other]);
        assert!(Arc::ptr_eq(&first, &name.addresses()));
    }
}
