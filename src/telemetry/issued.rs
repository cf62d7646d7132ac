//! How many tokens our own issuer minted and refused. A resource that is no more is forgotten.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

/// The counters; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Issued(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    issued: BTreeMap<(&'static str, Arc<str>), u64>,
    refused: BTreeMap<(&'static str, &'static str), u64>,
}

impl Issued {
    pub(super) fn issued(&self, grant: &'static str, resource: &Arc<str>) {
        *self.counts().issued.entry((grant, Arc::clone(resource))).or_default() += 1;
    }

    pub(super) fn refused(&self, grant: &'static str, error: &'static str) {
        *self.counts().refused.entry((grant, error)).or_default() += 1;
    }

    pub(super) fn keep_resources(&self, stays: impl Fn(&str) -> bool) {
        self.counts().issued.retain(|(_, resource), _| stays(resource));
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Issued {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.counts();
        let mut family =
            encoder.encode_descriptor("tokens_issued", "Tokens that were minted", None, MetricType::Counter)?;
        for ((grant, resource), count) in &counts.issued {
            let labels = [("grant", *grant), ("resource", &**resource)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        let help = "Requests for a token that were refused";
        let mut family = encoder.encode_descriptor("token_refusals", help, None, MetricType::Counter)?;
        for ((grant, error), count) in &counts.refused {
            let labels = [("grant", *grant), ("error", *error)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
