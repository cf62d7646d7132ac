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
    /// Whether the rows were left out, because nobody could read so many. That every audience has one owner is known all
    /// the same: without it there is no [`AudienceTable`].
    #[serde(rename = "left_out", skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_left_out: bool,
}

/// The most verdicts of a matrix.
const MOST_VERDICTS: usize = 4_000_000;

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
        let resources: Vec<String> = config.resources.iter().map(|resource| resource.key.to_string()).collect();
        let issuers = (0..config.trusted_issuers.len()).map(IssuerId);
        let tokens: usize = issuers.clone().map(|issuer| judge.names(issuer).len() + 1).sum();
        if tokens.saturating_mul(resources.len()) > MOST_VERDICTS {
            return Ok(Self { resources, rows: Vec::new(), is_left_out: true });
        }
        Ok(Self { resources, rows: issuers.flat_map(|issuer| judge.rows(issuer)).collect(), is_left_out: false })
    }
}

struct Judge<'a> {
    config: &'a Config,
    table: &'a AudienceTable,
}

impl Judge<'_> {
    /// A row for each audience that means something in a token of `issuer`, and one for a token that has them all.
    fn rows(&self, issuer: IssuerId) -> Vec<Row> {
        let names = self.names(issuer);
        let mut rows: Vec<Row> = names.iter().map(|name| self.row(issuer, vec![name.clone()])).collect();
        if names.len() > 1 {
            rows.push(self.row(issuer, names));
        }
        rows
    }

    /// Every audience that means something in a token of `issuer`.
    fn names(&self, issuer: IssuerId) -> Vec<String> {
        let protected = self.config.resources.iter().filter(|resource| !resource.public);
        protected.flat_map(|resource| names(resource, issuer)).collect()
    }

    fn row(&self, issuer: IssuerId, audiences: Vec<String>) -> Row {
        let resources = self.config.resources.iter().enumerate();
        let verdicts = resources.map(|(at, resource)| self.verdict(issuer, &audiences, ResourceId(at), resource));
        Row { issuer: self.config.trusted_issuers[issuer.0].name.to_string(), verdicts: verdicts.collect(), audiences }
    }

    /// The issuer first, then the audience: as [`crate::token::verify`] does.
    fn verdict(&self, issuer: IssuerId, audiences: &[String], id: ResourceId, resource: &Resource) -> Verdict {
        if resource.public {
            return Verdict::Public;
        }
        if !resource.issuers.iter().any(|entry| entry.issuer == issuer) {
            return Verdict::Refused(Reason::IssuerUntrusted);
        }
        let audience = Audience { resource: id, broad_tokens: resource.broad_tokens, table: self.table };
        match audience.judge(issuer, audiences.iter().map(String::as_str)) {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, parse};

    #[test]
    fn a_table_that_nobody_could_read_is_left_out() {
        let table = |resources: usize| {
            let resources: String = (0..resources)
                .map(|at| format!("  https://api{at}.example.com: {{ upstream: http://127.0.0.1:1 }}\n"))
                .collect();
            let text = format!(
                "listen: 127.0.0.1:0\ntrusted_issuers: {{ corp: {{ issuer: https://corp.example }} }}\nresources:\n{resources}"
            );
            let loaded = parse(&text, Path::new("gateway.yaml"), &Environment::default());
            Isolation::of(&loaded.unwrap_or_else(|faults| panic!("{faults}")).config).unwrap()
        };
        let small = table(20);
        assert_eq!((small.rows.len(), small.is_left_out), (21, false));
        let large = table(2_001);
        assert_eq!((large.rows.len(), large.resources.len(), large.is_left_out), (0, 2_001, true));
    }
}
