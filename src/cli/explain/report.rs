//! The explanation: the steps, what the token says, the verdict, and what would have worked.

use std::fmt::Write;

use serde::Serialize;

use super::advice::Case;
use super::claims::TokenFacts;
use super::request::AskedRequest;
use super::trail::{Passed, Trail};
use crate::cli::output::printable;
use crate::clock::Timestamp;
use crate::config::{Config, ResourceId};
use crate::guard::{Answer, Decision, Denial, Gate, Permit, UpstreamTarget};
use crate::oauth::Reason;

/// The whole explanation.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    method: String,
    url: String,
    verdict: Verdict,
    /// The status of the gate's own answer; nothing where the upstream answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    steps: Vec<Passed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<TokenFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<Forwarded>,
    would_have_worked: Vec<String>,
    #[serde(skip)]
    now: Timestamp,
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// It goes to the upstream.
    Allowed,
    /// The gate answers it itself: a metadata document, or a preflight.
    Answered,
    /// It is refused.
    Refused,
}

/// What the upstream gets.
#[derive(Debug, Serialize)]
struct Forwarded {
    url: String,
    credential: bool,
    identity_headers: Vec<(String, String)>,
}

impl Report {
    /// Tells what a decision means.
    pub(super) fn new(
        config: &Config,
        gate: &Gate,
        request: &AskedRequest,
        trail: Trail<'_>,
        decision: Decision,
        now: Timestamp,
    ) -> Self {
        let report = Self {
            method: request.method.to_string(),
            url: shown(&request.url),
            verdict: Verdict::Refused,
            status: None,
            reason: None,
            description: None,
            detail: None,
            steps: trail.steps,
            token: None,
            forwarded: None,
            would_have_worked: Vec::new(),
            now,
        };
        match decision {
            Decision::Forward(permit) => report.allowed(config, gate, request, &permit),
            Decision::Answer(document) => report.answered(&document.answer()),
            Decision::Deny(denial) => report.refused(config, gate, request, &denial),
            // A request that has waited is never asked to wait again; if it is, there are no keys.
            Decision::AwaitKeys(_) => {
                report.refused(config, gate, request, &Denial::new(Reason::KeysUnavailable, None))
            }
        }
    }

    fn allowed(self, config: &Config, gate: &Gate, request: &AskedRequest, permit: &Permit) -> Self {
        let ResourceId(at) = permit.resource();
        let upstream = config.resources[at].upstream.urls.first();
        let target = match permit.target() {
            UpstreamTarget::AsReceived => request.target(),
            UpstreamTarget::Rewritten(target) => &**target,
        };
        let origin = upstream.map_or(String::new(), |url| url.origin().ascii_serialization());
        let headers = permit.identity_headers(gate);
        let readable = |value: &http::HeaderValue| printable(&String::from_utf8_lossy(value.as_bytes()));
        let forwarded = Forwarded {
            url: shown(&format!("{origin}{target}")),
            credential: permit.keeps_credential(),
            identity_headers: headers.map(|(name, value)| (name.to_string(), readable(&value))).collect(),
        };
        let token = permit.token().map(|token| TokenFacts::proven(gate, token, Some(permit.resource())));
        Self { verdict: Verdict::Allowed, forwarded: Some(forwarded), token, ..self }
    }

    fn answered(self, answer: &Answer) -> Self {
        Self { verdict: Verdict::Answered, status: Some(answer.status.as_u16()), ..self }
    }

    fn refused(self, config: &Config, gate: &Gate, request: &AskedRequest, denial: &Denial) -> Self {
        let compact = request.token.as_deref();
        let token = match &denial.genuine {
            Some(genuine) => Some(TokenFacts::proven(gate, genuine, denial.resource)),
            None => compact.and_then(|compact| TokenFacts::unproven(config, compact)),
        };
        let case = Case { config, gate, request, denial, token: token.as_ref(), now: self.now };
        Self {
            status: Some(denial.reason.status().as_u16()),
            reason: Some(denial.reason.as_str()),
            description: Some(denial.reason.to_string()),
            detail: Some(denial.detail).filter(|detail| !detail.is_empty()),
            would_have_worked: case.would_have_worked(),
            token,
            ..self
        }
    }

    /// Whether the client gets what it asked for, as far as the gate goes.
    pub(super) fn is_let_through(&self) -> bool {
        match self.verdict {
            Verdict::Allowed => true,
            Verdict::Answered => self.status.is_some_and(|status| status < 400),
            Verdict::Refused => false,
        }
    }

    /// The explanation for people.
    pub(super) fn page(&self) -> String {
        let mut page = format!("{} {}\n", self.method, self.url);
        let mut line = |what: &str, text: &str| {
            // Writing into a string cannot fail.
            let _ = writeln!(page, "  {what:10}  {text}");
        };
        for Passed { step, found } in &self.steps {
            line(step, found);
        }
        if let Some(token) = &self.token {
            line("", "");
            line("the token", if token.proven { "says (proven)" } else { "says (unverified)" });
            token.lines(self.now).iter().for_each(|(what, text)| line(what, text));
        }
        if let Some(forwarded) = &self.forwarded {
            line("", "");
            line("upstream", &forwarded.url);
            line("gets", if forwarded.credential { "the credential that came in" } else { "no credential" });
            forwarded.identity_headers.iter().for_each(|(name, value)| line("header", &format!("{name}: {value}")));
        }
        let _ = writeln!(page, "\n{}", self.verdict_line());
        if let Some(detail) = self.detail {
            let _ = writeln!(page, "  {detail}");
        }
        if !self.would_have_worked.is_empty() {
            page.push_str("\nWhat would have worked\n");
            self.would_have_worked.iter().for_each(|way| page.push_str(&format!("  - {way}\n")));
        }
        page.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    fn verdict_line(&self) -> String {
        let status = self.status.map_or(String::new(), |status| format!(" {status}"));
        match (self.verdict, self.reason, &self.description) {
            (Verdict::Allowed, ..) => "allowed".to_owned(),
            (Verdict::Answered, ..) => format!("answered by the gateway itself:{status}"),
            (Verdict::Refused, Some(reason), Some(description)) => format!("refused:{status} {reason}, {description}"),
            (Verdict::Refused, ..) => format!("refused:{status}"),
        }
    }
}

/// A URL as it may be shown: what stands in a query is nobody else's business, and people paste explanations.
fn shown(url: &str) -> String {
    match url.split_once('?') {
        Some((before, _)) => printable(&format!("{before}?...")),
        None => printable(url),
    }
}
