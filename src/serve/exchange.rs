//! One request and its answer, as the phases share it: what judged it, what was decided, how long it took.
//!
//! It is recorded when it is dropped, so that nothing goes unrecorded: not a panic in a hook, after which Pingora calls
//! no other, and not a tunnel that was cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use tokio::sync::Notify;

use super::connection::Connection;
use super::ending::{Ending, Endings, Kept};
use super::failure::NO_ADDRESS;
use super::identifier::RequestId;
use crate::config::{OnRemoval, ResourceId};
use crate::guard::{Denial, Permit};
use crate::oauth::Reason;
use crate::snapshot::{Current, Snapshot};
use crate::telemetry::Metrics;
use crate::telemetry::log::RequestLine;
use crate::telemetry::metrics::{Outcome, RequestRecord};
use crate::token::GenuineToken;
use crate::upstream::{Attempt, Destination, Tried, UpstreamPool};

/// Counts the exchanges that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    exchanges: AtomicUsize,
    none_left: Notify,
    endings: Endings,
}

impl UnderWay {
    fn begin(&self) {
        self.0.exchanges.fetch_add(1, Ordering::AcqRel);
    }

    fn end(&self) {
        if self.0.exchanges.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }

    /// When they end at the latest, as far as they depend on a resource.
    pub(super) fn endings(&self) -> &Endings {
        &self.0.endings
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.exchanges.load(Ordering::Acquire)
    }

    /// Resolves once there are none.
    pub(super) async fn none(&self) {
        loop {
            let notified = self.0.none_left.notified();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct Exchange {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) ending: Arc<Ending>,
    /// Where the ending waits to hear of reloads, once the request depends on a resource.
    kept: Option<Kept>,
    pub(super) request_id: RequestId,
    pub(super) permit: Option<Permit>,
    /// What the upstream gets in place of the credential that came in.
    pub(super) narrowed: Option<HeaderValue>,
    /// When that was decided, until it is tried.
    pub(super) decided: Option<Instant>,
    /// Where the request goes; set anew at every try.
    pub(super) destination: Option<HeaderValue>,
    /// The try that is under way, and whether a server has begun to answer it.
    pub(super) attempt: Option<Attempt>,
    pub(super) is_answered: bool,
    /// The address for the next try, once one has failed.
    pub(super) next: Option<Destination>,
    pub(super) tried: Tried,
    pub(super) attempts: usize,
    /// How much of the body has been seen.
    pub(super) body_bytes: u64,
    /// Whether the client asks for a WebSocket that it may have.
    pub(super) wants_tunnel: bool,
    pub(super) record: Record,
    metrics: Arc<Metrics>,
    under_way: UnderWay,
}

/// A try that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) pool: Arc<UpstreamPool>,
    pub(super) attempt: Attempt,
    pub(super) at: Instant,
}

/// What will be written down.
#[derive(Debug)]
pub(super) struct Record {
    begun: Instant,
    pub(super) method: Option<Method>,
    pub(super) path: String,
    /// The trace that the caller began.
    pub(super) trace_id: Option<String>,
    /// Whether the request's own identifier is that of a trace, because nobody had begun one.
    pub(super) begins_trace: bool,
    pub(super) resource: Option<ResourceId>,
    pub(super) outcome: Outcome,
    pub(super) cause: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) decision_time: Option<Duration>,
    pub(super) forwarded: Option<Instant>,
    pub(super) upstream_time: Option<Duration>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    presented_for: Option<ResourceId>,
    genuine: Option<Arc<GenuineToken>>,
    written: bool,
}

impl Exchange {
    /// Begins one under the configuration that is current now.
    pub(super) fn begin(snapshot: Arc<Snapshot>, metrics: Arc<Metrics>, under_way: UnderWay) -> Self {
        under_way.begin();
        let record = Record {
            begun: Instant::now(),
            method: None,
            path: String::new(),
            trace_id: None,
            begins_trace: false,
            resource: None,
            outcome: Outcome::Abandoned,
            cause: None,
            status: None,
            decision_time: None,
            forwarded: None,
            upstream_time: None,
            bytes_in: 0,
            bytes_out: 0,
            presented_for: None,
            genuine: None,
            written: false,
        };
        Self {
            snapshot,
            connection: None,
            ending: Ending::own(),
            kept: None,
            request_id: RequestId::random(),
            permit: None,
            narrowed: None,
            decided: None,
            destination: None,
            attempt: None,
            is_answered: false,
            next: None,
            tried: Tried::default(),
            attempts: 0,
            body_bytes: 0,
            wants_tunnel: false,
            record,
            metrics,
            under_way,
        }
    }

    /// Where a permitted request goes.
    pub(super) fn pool(&self) -> Option<&Arc<UpstreamPool>> {
        self.snapshot.upstreams.get(self.permit.as_ref()?.resource().0)
    }

    /// Begins the next try: at the address that a failure has chosen, or at the next in turn.
    ///
    /// # Errors
    ///
    /// `InternalError` without a permit; [`NO_ADDRESS`] where none is known.
    pub(super) fn begin_attempt(&mut self) -> Result<Begun> {
        let Some(pool) = self.pool().cloned() else {
            return Error::e_explain(ErrorType::InternalError, "a request would reach an upstream without a permit");
        };
        let at = self.decided.take().unwrap_or_else(Instant::now);
        let next = self.next.take().or_else(|| pool.next(&mut self.tried, at));
        let Some(Destination { authority, attempt }) = next else {
            return Err(Error::create(NO_ADDRESS, ErrorSource::Upstream, None, None));
        };
        self.attempts += 1;
        self.destination = Some(authority);
        self.attempt = Some(attempt.clone());
        self.record.forwarded.get_or_insert(at);
        Ok(Begun { pool, attempt, at })
    }

    /// Lives on what it was permitted from now on, and ends with it.
    pub(super) fn depends_on(&mut self, resource: &Arc<str>, on_removal: OnRemoval, current: &Current) {
        let kept = self.under_way.endings().depends_on(&self.ending, resource, on_removal);
        if let Some(before) = self.kept.replace(kept) {
            self.under_way.endings().is_over(before);
        }
        if !current.is(&self.snapshot) {
            // Replaced since it was decided, so nobody else would tell.
            self.ending.reconsider(&current.load());
        }
    }

    /// Notes that the request was refused.
    pub(super) fn refused(&mut self, denial: &Denial) {
        self.record.outcome = Outcome::Denied(denial.reason);
        self.record.resource = denial.resource.or(self.record.resource);
        self.record.presented_for = denial.presented_for;
        self.record.genuine.clone_from(&denial.genuine);
        if !denial.detail.is_empty() {
            self.record.cause = Some(denial.detail.to_owned());
        }
    }

    /// Writes down what is known, once.
    pub(super) fn write_down(&mut self) {
        if std::mem::replace(&mut self.record.written, true) {
            return;
        }
        let record = &self.record;
        let key = |id: ResourceId| self.snapshot.upstreams.get(id.0).map(|pool| pool.resource());
        let resource = record.resource.and_then(key);
        let duration = record.begun.elapsed();
        self.metrics.record_request(&RequestRecord {
            resource: resource.cloned(),
            outcome: record.outcome,
            duration,
            decision: record.decision_time,
        });
        let wrong = Outcome::Denied(Reason::AudienceMismatch) == record.outcome
            || Outcome::Denied(Reason::AudienceTooBroad) == record.outcome;
        if let Some(resource) = resource.filter(|_| wrong) {
            self.metrics.wrong_audience(record.presented_for.and_then(key), resource);
        }
        if !RequestLine::is_wanted() {
            return;
        }
        let gate = &self.snapshot.gate;
        let token = self.permit.as_ref().and_then(Permit::token).or(record.genuine.as_deref());
        let client = token.and_then(|token| gate.client(record.resource, token));
        let subject = token.and_then(|token| gate.subject(record.resource, token));
        RequestLine {
            request_id: &self.request_id,
            trace_id: record.trace_id.as_deref().or(record.begins_trace.then_some(&*self.request_id)),
            method: record.method.as_ref().map_or("", Method::as_str),
            resource: resource.map(|resource| &**resource),
            path: &record.path,
            status: record.status,
            peer: self.connection.as_ref().map(|connection| connection.peer()),
            client: client.as_deref(),
            subject: subject.as_deref(),
            outcome: record.outcome,
            cause: record.cause.as_deref(),
            generation: self.snapshot.generation,
            duration,
            decision_time: record.decision_time,
            upstream_time: record.upstream_time,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
        }
        .write();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.record.written
            && let Some(cause) = self.ending.cause()
        {
            self.record.cause = Some(cause.to_owned());
        }
        self.write_down();
        if let Some(connection) = &self.connection {
            connection.exchange_ends();
        }
        if let Some(kept) = self.kept {
            self.under_way.endings().is_over(kept);
        }
        self.under_way.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_what_is_under_way() {
        let under_way = UnderWay::default();
        under_way.none().await;
        under_way.begin();
        under_way.begin();
        let waiting = tokio::spawn({
            let under_way = under_way.clone();
            async move { under_way.none().await }
        });
        under_way.end();
        assert_eq!(under_way.count(), 1);
        under_way.end();
        waiting.await.unwrap();
    }
}
