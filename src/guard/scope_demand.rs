//! A scope that a request needs: a plain word, or one that holds a value of the path.

use crate::oauth::ScopePattern;
use crate::route::segment;

/// A scope that a rule or a resource demands.
#[derive(Clone, Debug)]
pub(super) struct ScopeDemand {
    pub(super) pattern: ScopePattern,
    /// The place of the path segment whose value the scope must hold.
    pub(super) bound_to: Option<usize>,
}

impl ScopeDemand {
    /// The scope in words, for the challenge: with the path's value in it.
    pub(super) fn in_words(&self, path: &[u8]) -> String {
        let value = self.value(path).filter(|value| {
            let (before, after) = self.pattern.affixes();
            self.pattern.covers(&[before, value, after].concat())
        });
        match value {
            Some(value) => {
                let (before, after) = self.pattern.affixes();
                [before, value, after].concat()
            }
            None => self.pattern.as_str().to_owned(),
        }
    }

    /// Whether a token's `scope` is the one that is demanded of a request for `path`.
    pub(super) fn is_met_by(&self, scope: &str, path: &[u8]) -> bool {
        match self.pattern.parameter() {
            None => self.pattern.as_str() == scope,
            Some(_) => self.value(path).is_some_and(|value| self.pattern.is_filled_with(value, scope)),
        }
    }

    fn value<'p>(&self, path: &'p [u8]) -> Option<&'p str> {
        std::str::from_utf8(segment(path, self.bound_to?)?).ok()
    }
}
