//! One rule of a resource, as the commands show it.

use serde::Serialize;

use crate::config::{Demand, Rule};

/// A rule.
#[derive(Debug, Serialize)]
pub(super) struct RuleLine {
    /// Nothing: every method.
    pub(super) methods: Option<Vec<String>>,
    /// Nothing: every path.
    pub(super) path: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) public: bool,
}

impl RuleLine {
    pub(super) fn of(rule: &Rule) -> Self {
        let (scopes, public) = match &rule.demand {
            Demand::Scopes(scopes) => (scopes.iter().map(ToString::to_string).collect(), false),
            Demand::Public { .. } => (Vec::new(), true),
        };
        let methods = rule.methods.as_ref();
        Self {
            methods: methods.map(|methods| methods.iter().map(ToString::to_string).collect()),
            path: rule.path.as_ref().map(ToString::to_string),
            scopes,
            public,
        }
    }

    /// The rule as three columns: methods, path, demand.
    pub(super) fn columns(&self) -> [String; 3] {
        let methods = self.methods.as_ref().map_or("every method".to_owned(), |methods| methods.join(" "));
        let path = self.path.clone().unwrap_or("every path".to_owned());
        let demand = match (self.public, self.scopes.is_empty()) {
            (true, _) => "public, no token".to_owned(),
            (false, true) => "nothing more".to_owned(),
            (false, false) => self.scopes.join(" "),
        };
        [methods, path, demand]
    }
}
