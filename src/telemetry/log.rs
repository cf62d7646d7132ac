//! Log lines: JSON for machines, readable text on a terminal, one event a line.
//!
//! The libraries below print whole request headers, tokens included, once they are asked for detail. They are capped
//! here, whatever the operator writes; what concerns a request is told by [`RequestLine`].

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::line_pipe::LinePipe;
use super::metrics::Outcome;
use crate::config::{Log, LogFormat};

/// Libraries that see requests, by the beginning of their targets, and the most that they may say.
///
/// `pingora_proxy` tells of every client that breaks off, at the error level; those are counted at the connection. So
/// does Pingora's pool of a connection that it loses to a race and replaces. `tokio_postgres` writes down the values of
/// statements, and `deadpool` every connection that it replaces; an outage is told by whoever needs the store.
const CAPS: [(&str, &str); 10] = [
    ("pingora", "warn"),
    ("pingora_core::connectors", "off"),
    ("pingora_proxy", "off"),
    ("h2", "warn"),
    ("hyper", "warn"),
    ("reqwest", "warn"),
    ("rustls", "warn"),
    ("tokio_rustls", "warn"),
    ("tokio_postgres", "warn"),
    ("deadpool", "off"),
];

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is no list of levels and `target=level` pairs.
    #[error("`log.level` is not a level or a list of `target=level`")]
    Filter(#[from] ParseError),
    /// Somebody else has set up logging in this process.
    #[error("logging is already set up")]
    Taken(#[from] TryInitError),
    /// There is no thread to write lines.
    #[error("no thread can be had for the log")]
    Thread(#[source] io::Error),
}

/// Sends log lines to stderr from now on, as `log` says; once in a process. Whoever ends the process calls [`finish`] before.
///
/// # Errors
///
/// [`LogError`] when the filter cannot be read, or logging is set up already.
pub fn start(log: &Log) -> Result<(), LogError> {
    let (filter, filters) = reload::Layer::new(filter(log)?);
    let pipe = LinePipe::new(io::stderr()).map_err(LogError::Thread)?;
    let (format, formats) = reload::Layer::new(format(log, &pipe));
    tracing_subscriber::registry().with(filter).with(format).try_init()?;
    // Nobody was here before: `try_init` succeeds once.
    let _ = SWITCHES.set(Switches { filters, formats, pipe });
    Ok(())
}

/// Returns once every line is written; a reader that reads no more is waited for no longer than two seconds.
pub fn finish() {
    if let Some(switches) = SWITCHES.get() {
        switches.pipe.finish(Duration::from_secs(2));
    }
}

/// Logs as `log` says from now on, if [`start`] was called. A filter that cannot be read, which the loader refuses,
/// changes nothing.
pub fn change(log: &Log) {
    let Some(switches) = SWITCHES.get() else { return };
    if let Ok(filter) = filter(log) {
        // Both fail only where the subscriber is gone.
        let _ = switches.filters.reload(filter);
        let _ = switches.formats.reload(format(log, &switches.pipe));
    }
}

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Format = Box<dyn Layer<Filtered> + Send + Sync>;

/// What a reload of the configuration exchanges, and where all lines go.
struct Switches {
    filters: reload::Handle<EnvFilter, Registry>,
    formats: reload::Handle<Format, Filtered>,
    pipe: LinePipe,
}

static SWITCHES: OnceLock<Switches> = OnceLock::new();

fn filter(log: &Log) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(capped(&log.level))
}

fn format(log: &Log, pipe: &LinePipe) -> Format {
    let json = match log.format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    match json {
        true => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
            Box::new(layer.with_writer(pipe.clone()))
        }
        false => Box::new(fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(pipe.clone())),
    }
}

/// The operator's filter with the caps put in force: what is said about a capped library is left out, and so are
/// directives on spans, which would reach into them.
fn capped(level: &str) -> String {
    let allowed = level.split(',').map(str::trim).filter(|directive| {
        let is_capped = CAPS.iter().any(|(library, _)| directive.starts_with(library));
        !directive.is_empty() && !is_capped && !directive.contains('[')
    });
    let caps = CAPS.iter().map(|(library, most)| format!("{library}={most}"));
    allowed.map(str::to_owned).chain(caps).collect::<Vec<_>>().join(",")
}

/// What is said about one request. There is no place for a token, a header or a query string.
#[derive(Debug)]
pub struct RequestLine<'a> {
    /// The identifier that the answer carries too.
    pub request_id: &'a str,
    /// The trace that the caller or we began (W3C Trace Context), if there is one.
    pub trace_id: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The resource's key, if one was found.
    pub resource: Option<&'a str>,
    /// The path as it was sent, without the query.
    pub path: &'a str,
    /// The status of the answer; nothing if there was none.
    pub status: Option<u16>,
    /// The address that the request came from.
    pub peer: Option<std::net::IpAddr>,
    /// The token's client, once the token is verified.
    pub client: Option<&'a str>,
    /// The token's subject, once the token is verified.
    pub subject: Option<&'a str>,
    /// What became of it.
    pub outcome: Outcome,
    /// What went wrong, for the operator; never shown to the caller.
    pub cause: Option<&'a str>,
    /// The configuration that judged it.
    pub generation: u64,
    /// From its header's arrival to the end of the answer.
    pub duration: Duration,
    /// How long the guard took.
    pub decision_time: Option<Duration>,
    /// From the decision to the upstream's header.
    pub upstream_time: Option<Duration>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

impl RequestLine<'_> {
    /// Whether anybody reads these lines; asked first, as a line costs an allocation or two.
    pub fn is_wanted() -> bool {
        tracing::enabled!(target: "narrowgate::request", tracing::Level::INFO)
    }

    /// Writes the line. Formatters escape what a client sent, so that an event stays one line.
    pub fn write(&self) {
        tracing::info!(
            target: "narrowgate::request",
            request_id = self.request_id,
            trace_id = self.trace_id,
            method = self.method,
            resource = self.resource,
            path = self.path,
            status = self.status,
            peer = self.peer.map(tracing::field::display),
            client = self.client,
            subject = self.subject,
            decision = self.outcome.as_str(),
            reason = self.outcome.reason().map(|reason| reason.as_str()),
            cause = self.cause,
            generation = self.generation,
            duration_us = micros(self.duration),
            decision_us = self.decision_time.map(micros),
            upstream_us = self.upstream_time.map(micros),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::oauth::Reason;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(path: &str) -> RequestLine<'_> {
        RequestLine {
            request_id: "4bf9",
            trace_id: None,
            method: "GET",
            resource: Some("https://a.example"),
            path,
            status: Some(401),
            peer: Some([192, 0, 2, 1].into()),
            client: None,
            subject: None,
            outcome: Outcome::Denied(Reason::TokenExpired),
            cause: None,
            generation: 3,
            duration: Duration::from_millis(2),
            decision_time: Some(Duration::from_micros(8)),
            upstream_time: None,
            bytes_in: 0,
            bytes_out: 120,
        }
    }

    #[test]
    fn a_line_tells_the_decision_and_stays_one_line() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            line("/a\nlevel=error \"x\"").write();
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["target"], "narrowgate::request");
        assert_eq!(event["path"], "/a\nlevel=error \"x\"");
        assert_eq!(event["decision"], "deny");
        assert_eq!(event["reason"], "token_expired");
        assert_eq!(event["status"], 401);
        assert_eq!(event["peer"], "192.0.2.1");
        assert_eq!(event["duration_us"], 2000);
        assert!(event.get("client").is_none(), "what is not known is left out");
    }

    #[test]
    fn text_lines_stay_one_line_too() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            line("/a\n2026-01-01 INFO forged \u{1b}[2J").write();
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn libraries_that_see_requests_are_capped_whatever_the_operator_says() {
        let filter = capped("debug,pingora_core=trace, h2::codec=debug,narrowgate=trace,[{}]=trace");
        assert!(
            filter.starts_with("debug,narrowgate=trace,pingora=warn,pingora_core::connectors=off,pingora_proxy=off"),
            "{filter}"
        );
        assert!(!filter.contains("=debug") && !filter.contains('['), "{filter}");
        assert!(EnvFilter::builder().parse(&filter).is_ok());
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_a_fault() {
        let log = Log { level: "narrowgate=loud".to_owned(), format: LogFormat::Json };
        assert!(matches!(start(&log), Err(LogError::Filter(_))));
    }
}
