//! Whether a server behind the gateway answers: `health_check` asks each of its addresses again and again.
//!
//! An address that fails is passed over while another one can take its requests, never shut out: when all of them fail,
//! the check may be what is broken. A probe is a connection of its own, made exactly as a request's: same address, same
//! protocol, same proof. Upstreams that ask the same server the same question share one check, and so its answers.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Method, Uri};
use pingora_core::connectors::http::Connector;
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::addresses::Addresses;
use super::trust::Manner;
use super::{spread, up_to};
use crate::config::{HealthCheck, UpstreamProtocol};

/// How many probes are under way at a time, of all checks.
const AT_A_TIME: usize = 256;
const AGENT: HeaderValue = HeaderValue::from_static("narrowgate-health-check");

/// Every check that somebody holds.
#[derive(Debug, Default)]
pub(super) struct Checks {
    known: Mutex<HashMap<u64, Weak<Check>>>,
    prober: Arc<Prober>,
}

/// One question to one server.
#[derive(Debug)]
pub(super) struct Check {
    server: String,
    authority: HeaderValue,
    manner: Manner,
    addresses: Addresses,
    settings: HealthCheck,
    pulses: Mutex<HashMap<SocketAddr, Arc<Pulse>>>,
    is_started: AtomicBool,
}

/// What the last answers of one address say. It counts as healthy until it was asked.
#[derive(Debug)]
pub(super) struct Pulse {
    is_healthy: AtomicBool,
    was_asked: AtomicBool,
    /// How many answers in a row said the opposite.
    against: AtomicU32,
}

/// What opens connections to ask by.
struct Prober {
    connector: OnceLock<Connector>,
    permits: Semaphore,
}

impl Checks {
    /// The one check with this identity, which `make` makes if there is none.
    pub(super) fn check(&self, identity: u64, make: impl FnOnce() -> Check) -> Arc<Check> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(identity).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let check = Arc::new(make());
            *entry = Arc::downgrade(&check);
            check
        })
    }

    /// Begins every check that has not begun; each ends when nobody holds it.
    pub(super) fn start(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, check| match check.upgrade() {
            Some(held) => {
                if !held.is_started.swap(true, Relaxed) {
                    tokio::spawn(ask_again(Weak::clone(check), Arc::clone(&self.prober)));
                }
                true
            }
            None => false,
        });
    }
}

impl Check {
    /// A check of the server that logs call `server`.
    pub(super) fn new(
        server: String,
        authority: HeaderValue,
        manner: Manner,
        addresses: Addresses,
        settings: HealthCheck,
    ) -> Self {
        let is_started = AtomicBool::new(false);
        Self { server, authority, manner, addresses, settings, pulses: Mutex::default(), is_started }
    }

    /// The pulse of an address.
    pub(super) fn pulse(&self, address: SocketAddr) -> Arc<Pulse> {
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pulses.entry(address).or_default())
    }

    /// Asks every address once, all at the same time.
    async fn ask_all(self: &Arc<Self>, prober: &Arc<Prober>) {
        let addresses = self.addresses.known();
        {
            let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
            // A server may lose an address and get it back before anybody looks; then the old pulse is still in use.
            pulses.retain(|address, pulse| addresses.contains(address) || Arc::strong_count(pulse) > 1);
        }
        let mut asking = JoinSet::new();
        for address in addresses.iter().copied() {
            let (check, prober) = (Arc::clone(self), Arc::clone(prober));
            asking.spawn(async move {
                let Ok(_permit) = prober.permits.acquire().await else {
                    return;
                };
                let patience = check.settings.timeout;
                let answer = match timeout(patience, check.ask(&prober, address)).await {
                    Ok(answer) => answer.map_err(|error| error.etype().as_str().to_owned()),
                    Err(_) => Err(format!("no answer within {} ms", patience.as_millis())),
                };
                check.note(address, answer);
            });
        }
        while asking.join_next().await.is_some() {}
    }

    async fn ask(&self, prober: &Prober, address: SocketAddr) -> Result<u16> {
        let mut peer = self.manner.peer(address);
        peer.options.max_h2_streams = 1;
        peer.options.connection_timeout = Some(self.settings.timeout);
        peer.options.total_connection_timeout = Some(self.settings.timeout);
        let connector = prober.connector.get_or_init(|| Connector::new(None));
        // The session is never given back, so that the next probe has to connect again, as a new client has to.
        let (mut session, _) = connector.get_http_session(&peer).await?;
        session.write_request_header(Box::new(self.question()?)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let answer = session.response_header().map(|header| header.status.as_u16());
        answer.ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, "no answer"))
    }

    fn question(&self) -> Result<RequestHeader> {
        let path = self.settings.path.as_str();
        let mut question = RequestHeader::build(Method::GET, path.as_bytes(), None)?;
        question.insert_header(USER_AGENT, AGENT)?;
        if self.manner.protocol == UpstreamProtocol::Http1 {
            question.insert_header(HOST, &self.authority)?;
            question.insert_header(CONNECTION, "close")?;
            return Ok(question);
        }
        // Left alone, Pingora calls every HTTP/2 request one for `https`.
        let uri = Uri::builder().scheme(if self.manner.tls { "https" } else { "http" });
        let uri = uri.authority(self.authority.as_bytes()).path_and_query(path).build();
        question.set_uri(uri.or_err(ErrorType::InternalError, "making a health check's URL")?);
        question.set_version(http::Version::HTTP_2);
        Ok(question)
    }

    /// Takes note of one answer: its status, or why there was none.
    pub(super) fn note(&self, address: SocketAddr, answer: std::result::Result<u16, String>) {
        let wanted = |status: u16| match self.settings.statuses.as_slice() {
            [] => (200..300).contains(&status),
            statuses => statuses.contains(&status),
        };
        let is_well = answer.as_ref().is_ok_and(|status| wanted(*status));
        if !self.pulse(address).note(is_well, &self.settings) {
            return;
        }
        let server = &self.server;
        if is_well {
            tracing::info!(server, %address, "an upstream is healthy again");
        } else {
            let cause = answer.map_or_else(|why| why, |status| format!("status {status}"));
            tracing::warn!(server, %address, cause, "an upstream fails its health check");
        }
    }
}

impl Pulse {
    pub(super) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Relaxed)
    }

    /// Takes note of an answer; only one task does. True if it changes the verdict: the first answer does at once, any
    /// other when there were enough in a row.
    pub(super) fn note(&self, is_well: bool, settings: &HealthCheck) -> bool {
        let first = !self.was_asked.swap(true, Relaxed);
        if self.is_healthy() == is_well {
            self.against.store(0, Relaxed);
            return false;
        }
        let against = self.against.load(Relaxed) + 1;
        let enough = if is_well { settings.healthy_after } else { settings.unhealthy_after };
        if !first && against < enough {
            self.against.store(against, Relaxed);
            return false;
        }
        self.against.store(0, Relaxed);
        self.is_healthy.store(is_well, Relaxed);
        true
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self { is_healthy: AtomicBool::new(true), was_asked: AtomicBool::new(false), against: AtomicU32::new(0) }
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self { connector: OnceLock::new(), permits: Semaphore::new(AT_A_TIME) }
    }
}

impl fmt::Debug for Prober {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Prober")
    }
}

/// One round after the other, so that a server is never asked twice at once. The first one comes a little later than
/// the start, or all checks would ask at the same moment.
async fn ask_again(check: Weak<Check>, prober: Arc<Prober>) {
    let Some(mut pause) = check.upgrade().map(|check| up_to(check.settings.interval / 4)) else {
        return;
    };
    loop {
        sleep(pause).await;
        let Some(held) = check.upgrade() else {
            return;
        };
        held.ask_all(&prober).await;
        pause = spread(held.settings.interval);
    }
}

#[cfg(test)]
mod tests;
