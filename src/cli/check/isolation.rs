//! What each token opens: the audiences that each issuer may write, against every resource (P1).
//!
//! Nothing is worked out a second time here. Every verdict is asked of [`Audience::judge`], the function that judges
//! requests, so that the table cannot say anything else than the gate does.

use serde::Serialize;

use crate::config::{Config, IssuerId, Resource, ResourceId};
use crate::oauth::Reason;
use crate::token::{Audience, AudienceTable, SharedAudience};

/// The matrix: a row for each kind of token, a column for each resource.
#[derive(Debug, Serialize)]
pub(super) struct Isolation {
    /// The columns: the resources, in the order of the file.
    pub(super) resources: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// The tokens of one issuer with these audiences.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    /// What becomes of such a token, by resource.
    pub(super) verdicts: Vec<Verdict>,
}

/// What becomes of a token at one resource, as far as its issuer and its audience go.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "&'static str")]
pub(super) enum Verdict {
    /// It is accepted.
    Accepted,
    /// The resource is public: no token is asked for.
    Public,
    /// It is refused.
    Refused(Reason),
}

impl Isolation {
    pub(super) fn of(config: &Config) -> Result<Self, SharedAudience> {
        let table = AudienceTable::new(config)?;
        let judge = Judge { config, table: &table };
        let rows = (0..config.trusted_issuers.len()).map(IssuerId).flat_map(|issuer| judge.rows(issuer));
        let resources = config.resources.iter().map(|resource| resource.key.to_string()).collect();
        Ok(Self { resources, rows: rows.collect() })
    }
}

struct Judge<'a> {
    config: &'a Config,
    table: &'a AudienceTable,
}

impl Judge<'_> {
    /// A row for each audience that means something in a token of `issuer`, and one for a token that has them all.
    fn rows(&self, issuer: IssuerId) -> Vec<Row> {
        let protected = self.config.resources.iter().filter(|resource| !resource.public);
        let names: Vec<String> = protected.flat_map(|resource| names(resource, issuer)).collect();
        let mut rows: Vec<Row> = names.iter().map(|name| self.row(issuer, vec![name.clone()])).collect();
        if names.len() > 1 {
            rows.push(self.row(issuer, names));
        }
        rows
    }

    fn row(&self, issuer: IssuerId, audiences: Vec<String>) -> Row {
        let boxed: Vec<Box<str>> = audiences.iter().map(|name| name.as_str().into()).collect();
        let resources = self.config.resources.iter().enumerate();
        let verdicts = resources.map(|(at, resource)| self.verdict(issuer, &boxed, ResourceId(at), resource));
        Row { issuer: self.config.trusted_issuers[issuer.0].name.to_string(), verdicts: verdicts.collect(), audiences }
    }

    /// The issuer first, then the audience: as [`crate::token::verify`] does.
    fn verdict(&self, issuer: IssuerId, audiences: &[Box<str>], id: ResourceId, resource: &Resource) -> Verdict {
        if resource.public {
            return Verdict::Public;
        }
        if !resource.issuers.iter().any(|entry| entry.issuer == issuer) {
            return Verdict::Refused(Reason::IssuerUntrusted);
        }
        let audience = Audience { resource: id, broad_tokens: resource.broad_tokens, table: self.table };
        match audience.judge(issuer, audiences) {
            Ok(()) => Verdict::Accepted,
            Err((rejection, _)) => Verdict::Refused(rejection.reason),
        }
    }
}

/// What a resource is called in tokens of `issuer`: the key, and that issuer's own names.
fn names(resource: &Resource, issuer: IssuerId) -> Vec<String> {
    let entries = resource.issuers.iter().filter(|entry| entry.issuer == issuer);
    let own = entries.flat_map(|entry| entry.audiences.iter().cloned());
    [resource.key.to_string()].into_iter().chain(own.filter(|name| name != resource.key.as_str())).collect()
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Public => "public",
            Self::Refused(reason) => reason.as_str(),
        }
    }

    /// A word for a narrow column.
    pub(super) fn short(self) -> &'static str {
        match self {
            Self::Accepted | Self::Public => self.as_str(),
            Self::Refused(Reason::IssuerUntrusted) => "untrusted",
            Self::Refused(reason) => reason.as_str().trim_start_matches("audience_"),
        }
    }
}

impl From<Verdict> for &'static str {
    fn from(verdict: Verdict) -> Self {
        verdict.as_str()
    }
}
