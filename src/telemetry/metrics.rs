//! Counters and histograms in OpenMetrics form, each with labels from the configuration or from a closed enum.
//!
//! What lives elsewhere (the token cache, the age of key sets) is not copied here at every change: it is read when
//! somebody asks, through the closures of [`Sources`].

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::by_resource::ByResource;
use super::issued::Issued;
use crate::oauth::Reason;

/// The label of requests that belong to no resource, and of audiences that are no resource of ours.
pub const NO_RESOURCE: &str = "none";

const DECISION_BUCKETS: [f64; 9] = [0.000_002, 0.000_005, 0.000_01, 0.000_025, 0.000_1, 0.000_25, 0.001, 0.01, 0.1];

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// It went to the upstream.
    Forwarded,
    /// It was refused, by the guard or by the edge.
    Denied(Reason),
    /// The gateway answered it: metadata, a preflight.
    Answered,
    /// The client left before anything was decided.
    Abandoned,
}

impl Outcome {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forward",
            Self::Denied(_) => "deny",
            Self::Answered => "answer",
            Self::Abandoned => "abandoned",
        }
    }

    /// Why it was refused; nothing unless it was.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Denied(reason) => Some(reason),
            Self::Forwarded | Self::Answered | Self::Abandoned => None,
        }
    }
}

/// Why a connection ended before it had carried a request that the proxy looked at.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ConnectionRefusal {
    /// `limits.connections` is reached.
    Connections,
    /// `limits.connections_per_address` is reached.
    ConnectionsPerAddress,
    /// The TLS handshake failed, or took longer than `limits.header_timeout`.
    Tls,
    /// The header section took longer than `limits.header_timeout`.
    HeaderTimeout,
    /// The header section is longer than `limits.header_bytes`.
    HeaderTooLarge,
    /// The bytes are no HTTP request.
    Malformed,
    /// `CONNECT`.
    Method,
}

impl ConnectionRefusal {
    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Tls => "tls",
            Self::HeaderTimeout => "header_timeout",
            Self::HeaderTooLarge => "header_too_large",
            Self::Malformed => "malformed",
            Self::Method => "method",
        }
    }
}

/// One request, as it is counted.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The resource's key; nothing when no resource was found.
    pub resource: Option<Arc<str>>,
    /// What became of it.
    pub outcome: Outcome,
    /// From its header's arrival to the end of the answer.
    pub duration: Duration,
    /// How long the guard took; nothing when it was not asked.
    pub decision: Option<Duration>,
}

/// Values that are kept elsewhere and read when somebody asks for the metrics.
pub struct Sources {
    /// Hits and misses of the verified-token cache since the start.
    pub token_cache: Box<dyn Fn() -> (u64, u64) + Send + Sync>,
    /// Each issuer's name with the age of its keys; nothing while it has none.
    pub jwks_ages: Box<dyn Fn() -> Vec<(String, Option<Duration>)> + Send + Sync>,
    /// How the servers behind resources stand, where that can be known.
    pub upstreams: Box<dyn Fn() -> Vec<UpstreamHealth> + Send + Sync>,
}

/// Whether one server of a resource's upstream takes requests.
#[derive(Clone, Debug)]
pub struct UpstreamHealth {
    /// The resource's key.
    pub resource: Arc<str>,
    /// The server's host and port.
    pub server: String,
    /// Whether it takes requests.
    pub healthy: bool,
}

/// Everything that is counted. Cheap to share, and safe from every thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    by_resource: ByResource,
    issued: Issued,
    decision_duration: Histogram,
    connections_refused: Family<RefusalLabels, Counter>,
    config_generation: Gauge<u64, AtomicU64>,
    config_last_reload_successful: Gauge,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RefusalLabels {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("narrowgate")),
            by_resource: ByResource::default(),
            issued: Issued::default(),
            decision_duration: Histogram::new(DECISION_BUCKETS),
            connections_refused: Family::default(),
            config_generation: Gauge::default(),
            config_last_reload_successful: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(self.by_resource.clone()));
        registry.register_collector(Box::new(self.issued.clone()));
        registry.register(
            "decision_duration_seconds",
            "How long the guard took for a request",
            self.decision_duration.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that ended before the proxy looked at a request",
            self.connections_refused.clone(),
        );
        registry.register("config_generation", "The configuration in use", self.config_generation.clone());
        registry.register(
            "config_last_reload_successful",
            "Whether the last configuration that was read could be used",
            self.config_last_reload_successful.clone(),
        );
    }

    /// Adds what is kept elsewhere; once.
    pub fn attach(&self, sources: Sources) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(Attached(sources)));
    }

    /// Counts a request that is over.
    pub fn record_request(&self, record: &RequestRecord) {
        self.by_resource.record(record);
        if let Some(decision) = record.decision {
            self.decision_duration.observe(decision.as_secs_f64());
        }
    }

    /// Counts a token that is for another resource; `presented_for` is that resource's key, if it is one of ours.
    pub fn wrong_audience(&self, presented_for: Option<&Arc<str>>, resource: &Arc<str>) {
        self.by_resource.wrong_audience(presented_for, resource);
    }

    /// Forgets what was counted for every resource but these.
    pub fn keep_resources(&self, is_kept: impl Fn(&str) -> bool) {
        self.issued.keep_resources(&is_kept);
        self.by_resource.keep(is_kept);
    }

    /// Counts a token that our own issuer minted by a grant, for a resource with this key.
    pub fn token_issued(&self, grant: &'static str, resource: &Arc<str>) {
        self.issued.issued(grant, resource);
    }

    /// Counts a request for a token that was refused; both labels are from closed lists.
    pub fn token_refused(&self, grant: &'static str, error: &'static str) {
        self.issued.refused(grant, error);
    }

    /// Counts a connection that was turned away.
    pub fn connection_refused(&self, refusal: ConnectionRefusal) {
        self.connections_refused.get_or_create(&RefusalLabels { reason: refusal.as_str() }).inc();
    }

    /// Tells that a configuration is in use.
    pub fn reloaded(&self, generation: u64) {
        self.config_generation.set(generation);
        self.config_last_reload_successful.set(1);
    }

    /// Tells that a configuration was read and could not be used.
    pub fn reload_failed(&self) {
        self.config_last_reload_successful.set(0);
    }

    /// Everything in OpenMetrics text form.
    pub fn encode(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }
}

struct Attached(Sources);

impl fmt::Debug for Attached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Attached")
    }
}

impl Collector for Attached {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (hits, misses) = (self.0.token_cache)();
        for (name, help, value) in [
            ("token_cache_hits", "Tokens that the cache of verified tokens knew", hits),
            ("token_cache_misses", "Tokens that had to be verified", misses),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let help = "How long ago an issuer's keys were read";
        let mut family = encoder.encode_descriptor("jwks_age_seconds", help, None, MetricType::Gauge)?;
        for (issuer, age) in (self.0.jwks_ages)() {
            if let Some(age) = age {
                ConstGauge::new(age.as_secs_f64()).encode(family.encode_family(&[("issuer", issuer)])?)?;
            }
        }
        let help = "Whether a server behind a resource takes requests";
        let mut family = encoder.encode_descriptor("upstream_healthy", help, None, MetricType::Gauge)?;
        for UpstreamHealth { resource, server, healthy } in (self.0.upstreams)() {
            let labels = [("resource", &*resource), ("server", server.as_str())];
            ConstGauge::new(i64::from(healthy)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(resource: Option<&str>, outcome: Outcome) -> RequestRecord {
        RequestRecord {
            resource: resource.map(Arc::from),
            outcome,
            duration: Duration::from_millis(3),
            decision: Some(Duration::from_micros(9)),
        }
    }

    #[test]
    fn requests_are_counted_by_resource_decision_and_reason() {
        let metrics = Metrics::default();
        metrics.record_request(&record(Some("https://a.example"), Outcome::Forwarded));
        metrics.record_request(&record(Some("https://a.example"), Outcome::Denied(Reason::AudienceMismatch)));
        metrics.record_request(&record(None, Outcome::Denied(Reason::HostUnknown)));
        let text = metrics.encode();
        for line in [
            r#"narrowgate_requests_total{resource="https://a.example",decision="forward",reason=""} 1"#,
            r#"narrowgate_requests_total{resource="https://a.example",decision="deny",reason="audience_mismatch"} 1"#,
            r#"narrowgate_requests_total{resource="none",decision="deny",reason="host_unknown"} 1"#,
            r#"narrowgate_request_duration_seconds_count{resource="https://a.example"} 2"#,
            "narrowgate_decision_duration_seconds_count 3",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_is_no_more_is_forgotten() {
        let metrics = Metrics::default();
        let (kept, gone): (Arc<str>, Arc<str>) = (Arc::from("https://a.example"), Arc::from("https://b.example"));
        for resource in [Some(&*kept), Some(&*gone), None] {
            metrics.record_request(&record(resource, Outcome::Forwarded));
        }
        metrics.wrong_audience(Some(&gone), &kept);
        metrics.wrong_audience(Some(&kept), &gone);
        assert!(metrics.encode().contains("https://b.example"));
        metrics.keep_resources(|key| key == &*kept);
        let text = metrics.encode();
        assert!(text.contains("https://a.example") && text.contains("none") && !text.contains("https://b.example"));
    }

    #[test]
    fn the_names_are_those_of_the_documentation() {
        let metrics = Metrics::default();
        metrics.wrong_audience(None, &Arc::from("https://a.example"));
        metrics.connection_refused(ConnectionRefusal::HeaderTimeout);
        metrics.reloaded(7);
        metrics.attach(Sources {
            token_cache: Box::new(|| (5, 2)),
            jwks_ages: Box::new(|| vec![("corp".to_owned(), Some(Duration::from_secs(30))), ("down".to_owned(), None)]),
            upstreams: Box::new(|| {
                let resource = Arc::from("https://a.example");
                vec![UpstreamHealth { resource, server: "192.0.2.1:80".to_owned(), healthy: false }]
            }),
        });
        let text = metrics.encode();
        for line in [
            r#"narrowgate_wrong_audience_total{presented_for="none",resource="https://a.example"} 1"#,
            r#"narrowgate_connections_refused_total{reason="header_timeout"} 1"#,
            "narrowgate_config_generation 7",
            "narrowgate_config_last_reload_successful 1",
            "narrowgate_token_cache_hits_total 5",
            "narrowgate_token_cache_misses_total 2",
            r#"narrowgate_jwks_age_seconds{issuer="corp"} 30"#,
            r#"narrowgate_upstream_healthy{resource="https://a.example",server="192.0.2.1:80"} 0"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("\"down\""), "an issuer without keys has no age");
        assert!(text.ends_with("# EOF\n"));
        metrics.reload_failed();
        assert!(metrics.encode().contains("narrowgate_config_last_reload_successful 0"));
    }
}
