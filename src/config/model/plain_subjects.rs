//! Subjects that are printed alone (`subjects: plain`), and whose names they must not read like.

use std::collections::HashSet;

use super::{Config, IssuerId, SubjectForm, UserLogin};

/// The one issuer whose subjects are printed alone, and all names that somebody else already has.
#[derive(Clone, Debug)]
pub struct PlainSubjects {
    issuer: IssuerId,
    /// The names of the issuers whose subjects begin with them, and that of local users if there are any.
    prefixes: HashSet<Box<str>>,
    /// Our own clients, each of which is the subject of the tokens that it gets for itself.
    clients: HashSet<Box<str>>,
}

impl PlainSubjects {
    /// Collects them; nothing where every issuer's subjects are printed with its name.
    pub fn of(config: &Config) -> Option<Self> {
        let issuers = || config.trusted_issuers.iter();
        let issuer = issuers().position(|issuer| issuer.subjects == SubjectForm::Plain)?;
        let qualified = issuers().filter(|issuer| issuer.subjects == SubjectForm::Qualified);
        let clients = config.issuer.iter().flat_map(|server| &server.clients);
        let login = config.issuer.as_ref().and_then(|server| server.login.as_ref());
        let local = login.filter(|login| !login.users.is_empty()).map(|_| UserLogin::LOCAL);
        Some(Self {
            issuer: IssuerId(issuer),
            prefixes: qualified.map(|issuer| issuer.name.as_str()).chain(local).map(Into::into).collect(),
            clients: clients.map(|client| client.id.as_str().into()).collect(),
        })
    }

    /// Whether a subject of `issuer` would read like a subject of another issuer, or like a client of ours.
    pub fn reads_like_another(&self, issuer: IssuerId, subject: &str) -> bool {
        let prefix = subject.split_once('|').map(|(prefix, _)| prefix);
        let is_taken = prefix.is_some_and(|prefix| self.prefixes.contains(prefix)) || self.clients.contains(subject);
        issuer == self.issuer && is_taken
    }
}
