//! What is counted for each resource: its requests, how long they take, and tokens that were meant for another one.
//!
//! A resource that is no more is forgotten, or a gateway whose resources come and go would grow with every one that it
//! ever had.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::histogram::Histogram;

use super::metrics::{NO_RESOURCE, Outcome, RequestRecord};
use crate::oauth::Reason;

const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How many outcomes there are: three, and a refusal for each reason.
const OUTCOMES: usize = 3 + Reason::ALL.len();

/// The counters of all resources, by key; cheap to share.
#[derive(Clone, Debug, Default)]
pub(super) struct ByResource(Arc<RwLock<HashMap<Arc<str>, Counted>>>);

/// The counters of one resource.
#[derive(Debug)]
struct Counted {
    requests: [AtomicU64; OUTCOMES],
    duration: Histogram,
    /// Tokens that were meant for these, and presented here.
    wrong_audience: Mutex<BTreeMap<Arc<str>, u64>>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            requests: std::array::from_fn(|_| AtomicU64::new(0)),
            duration: Histogram::new(REQUEST_BUCKETS),
            wrong_audience: Mutex::default(),
        }
    }
}

impl ByResource {
    /// Counts a request that is over.
    pub(super) fn record(&self, record: &RequestRecord) {
        self.of(record.resource.as_ref(), |counted| {
            counted.requests[place(record.outcome)].fetch_add(1, Ordering::Relaxed);
            counted.duration.observe(record.duration.as_secs_f64());
        });
    }

    /// Counts a token that is for another resource.
    pub(super) fn wrong_audience(&self, presented_for: Option<&Arc<str>>, resource: &Arc<str>) {
        let presented_for = presented_for.map_or_else(|| Arc::from(NO_RESOURCE), Arc::clone);
        self.of(Some(resource), |counted| {
            let mut presented = counted.wrong_audience.lock().unwrap_or_else(PoisonError::into_inner);
            *presented.entry(presented_for).or_default() += 1;
        });
    }

    /// Forgets every resource but these.
    pub(super) fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        let is_kept = |key: &str| key == NO_RESOURCE || is_kept(key);
        let mut gone = Vec::new();
        // To look takes long where there are many, and everybody may go on counting meanwhile.
        for (key, counted) in self.read().iter() {
            let mut presented = counted.wrong_audience.lock().unwrap_or_else(PoisonError::into_inner);
            presented.retain(|key, _| is_kept(key));
            if !is_kept(key) {
                gone.push(Arc::clone(key));
            }
        }
        for key in gone {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let forgotten = all.remove(&key);
            drop(all);
            drop(forgotten);
        }
    }

    fn of(&self, resource: Option<&Arc<str>>, count: impl FnOnce(&Counted)) {
        let key = resource.map_or(NO_RESOURCE, |key| key);
        if let Some(counted) = self.read().get(key) {
            return count(counted);
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let key = resource.map_or_else(|| Arc::from(NO_RESOURCE), Arc::clone);
        count(all.entry(key).or_default());
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Arc<str>, Counted>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for ByResource {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.read();
        let help = "Requests by what became of them";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for (resource, counted) in all.iter() {
            for outcome in outcomes() {
                let requests = counted.requests[place(outcome)].load(Ordering::Relaxed);
                if requests > 0 {
                    let reason = outcome.reason().map_or("", Reason::as_str);
                    let labels = [("resource", &**resource), ("decision", outcome.as_str()), ("reason", reason)];
                    ConstCounter::new(requests).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        let help = "From a request's header to the end of its answer";
        let mut family = encoder.encode_descriptor("request_duration_seconds", help, None, MetricType::Histogram)?;
        for (resource, counted) in all.iter() {
            counted.duration.encode(family.encode_family(&[("resource", &**resource)])?)?;
        }
        let help = "Tokens that were presented to another resource than they are for";
        let mut family = encoder.encode_descriptor("wrong_audience", help, None, MetricType::Counter)?;
        for (resource, counted) in all.iter() {
            let presented = counted.wrong_audience.lock().unwrap_or_else(PoisonError::into_inner);
            for (presented_for, tokens) in presented.iter() {
                let labels = [("presented_for", &**presented_for), ("resource", &**resource)];
                ConstCounter::new(*tokens).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn outcomes() -> impl Iterator<Item = Outcome> {
    let others = [Outcome::Forwarded, Outcome::Answered, Outcome::Abandoned];
    others.into_iter().chain(Reason::ALL.into_iter().map(Outcome::Denied))
}

/// The place of an outcome among all of them.
fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Forwarded => 0,
        Outcome::Answered => 1,
        Outcome::Abandoned => 2,
        Outcome::Denied(reason) => 3 + reason as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_place_of_its_own() {
        assert_eq!(outcomes().map(place).collect::<Vec<_>>(), (0..OUTCOMES).collect::<Vec<_>>());
    }
}
