//! What a request needs beyond a token for the right API: scopes, a client, claims (RFC 9068 §4).

use super::resource::{CompiledRule, GuardedResource, IssuerEntry};
use super::scope_demand::ScopeDemand;
use crate::config::Requirement;
use crate::oauth::{Reason, Rejection};
use crate::token::{GenuineToken, Words, has, words_at};

/// The scopes of one token that count at one resource.
#[derive(Debug)]
pub(super) struct GrantedScopes<'a> {
    words: GrantedWords<'a>,
    entry: &'a IssuerEntry,
}

#[derive(Debug)]
enum GrantedWords<'a> {
    /// Those of the token, where its issuer keeps them.
    Token(Words<'a>),
    /// Those of the token, where this resource's entry says that the issuer keeps them.
    Elsewhere(Words<'a>),
    /// The token has no scope claim.
    None,
}

impl<'a> GrantedScopes<'a> {
    /// Finds them; a claim of the wrong form grants nothing.
    pub(super) fn of(token: &'a GenuineToken, entry: &'a IssuerEntry) -> Self {
        let words = match &entry.claims {
            None => token.scopes().map_or(GrantedWords::None, GrantedWords::Token),
            Some(names) => match words_at(token.claims(), &names.scope) {
                Ok(Some(words)) => GrantedWords::Elsewhere(words),
                Ok(None) => GrantedWords::None,
                Err(_) => GrantedWords::Elsewhere(Words::default()),
            },
        };
        Self { words, entry }
    }

    /// Whether any of them fits.
    fn any(&self, mut fits: impl FnMut(&str) -> bool) -> bool {
        let words = match self.words {
            GrantedWords::Token(words) | GrantedWords::Elsewhere(words) => words,
            GrantedWords::None => return self.entry.scopes_if_none.iter().any(|scope| fits(scope.as_str())),
        };
        match &self.entry.scope_map {
            None => words.any(fits),
            Some(map) => words.any(|word| map.get(word).into_iter().flatten().any(|scope| fits(scope.as_str()))),
        }
    }

    /// Those that the resource declares, each once.
    pub(super) fn declared_by(&self, resource: &GuardedResource) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        self.any(|scope| {
            let declared = resource.scopes.iter().any(|pattern| pattern.covers(scope));
            if declared && !names.iter().any(|name| name == scope) {
                names.push(scope.to_owned());
            }
            false
        });
        names
    }

    /// Whether every scope is there that the resource and these rules demand.
    pub(super) fn meet<'r>(
        &self,
        resource: &GuardedResource,
        rules: impl Iterator<Item = &'r CompiledRule>,
        path: &[u8],
    ) -> bool {
        let met = |demand: &ScopeDemand| self.any(|scope| demand.is_met_by(scope, path));
        resource.required_scopes.iter().all(met) && rules.flat_map(CompiledRule::scopes).all(met)
    }
}

/// The owner's list of clients, and claims that a token must have.
///
/// # Errors
///
/// [`Reason::ClaimNotAllowed`] or [`Reason::ClientNotAllowed`].
pub(super) fn check_token(
    token: &GenuineToken,
    resource: &GuardedResource,
    entry: &IssuerEntry,
    issuer_requires: &[Requirement],
) -> Result<(), Rejection> {
    let missing = issuer_requires.iter().chain(&entry.require).any(|requirement| !has(token.claims(), requirement));
    if missing {
        let detail = "a claim lacks every value that `require` allows";
        return Err(Rejection { reason: Reason::ClaimNotAllowed, detail });
    }
    let Some(allowed) = &resource.allowed_clients else {
        return Ok(());
    };
    let client = entry.client(token);
    let is_allowed =
        client.is_some_and(|client| allowed.iter().any(|(issuer, id)| *issuer == token.issuer() && *id == client));
    match is_allowed {
        true => Ok(()),
        false => {
            let detail = "the client is not among `allowed_clients`";
            Err(Rejection { reason: Reason::ClientNotAllowed, detail })
        }
    }
}

/// The names of scopes that a request needs, each once, for the challenge.
pub(super) fn needed_scopes<'r>(
    resource: &'r GuardedResource,
    rules: impl Iterator<Item = &'r CompiledRule>,
    path: &[u8],
) -> Vec<String> {
    let demands = resource.required_scopes.iter().chain(rules.flat_map(CompiledRule::scopes));
    let mut names: Vec<String> = Vec::new();
    for name in demands.map(|demand| demand.in_words(path)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
