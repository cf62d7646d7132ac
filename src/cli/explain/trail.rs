//! The steps that a request passed, kept for printing.

use serde::Serialize;

use super::request::AskedRequest;
use crate::cli::output::printable;
use crate::cli::rule_line::RuleLine;
use crate::config::{Config, ResourceId};
use crate::guard::{Step, Witness};

/// Sees a decision and writes its steps down.
#[derive(Debug)]
pub(super) struct Trail<'a> {
    config: &'a Config,
    request: &'a AskedRequest,
    resource: Option<ResourceId>,
    pub(super) steps: Vec<Passed>,
}

/// A step that was passed, and what was found there.
#[derive(Debug, Serialize)]
pub(super) struct Passed {
    pub(super) step: &'static str,
    pub(super) found: String,
}

impl<'a> Trail<'a> {
    pub(super) fn new(config: &'a Config, request: &'a AskedRequest) -> Self {
        Self { config, request, resource: None, steps: Vec::new() }
    }

    fn write(&mut self, step: &'static str, found: impl Into<String>) {
        self.steps.push(Passed { step, found: found.into() });
    }

    fn write_rules(&mut self, places: impl Iterator<Item = usize>) {
        let config = self.config;
        let Some(resource) = self.resource.map(|id| &config.resources[id.0]) else {
            return;
        };
        let mut none = true;
        for rule in places.filter_map(|place| resource.rules.get(place)) {
            none = false;
            let [methods, path, demand] = RuleLine::of(rule).columns();
            // As the gate counts: `GET` includes `HEAD`.
            let method = &self.request.method;
            let covers = |methods: &Vec<http::Method>| {
                methods.contains(method) || (method == http::Method::HEAD && methods.contains(&http::Method::GET))
            };
            let applies = rule.methods.as_ref().is_none_or(covers);
            let aside = if applies { "" } else { "  (not for this method)" };
            self.write("rule", format!("{methods}  {path}  {demand}{aside}"));
        }
        if none {
            self.write("rule", "none matches the path");
        }
    }
}

impl Witness for Trail<'_> {
    fn passed(&mut self, step: Step<'_>) {
        match step {
            Step::Target { path, host } => self.write("target", printable(&format!("{path} at {host}"))),
            Step::Route(id) => {
                let resource = &self.config.resources[id.0];
                let name = resource.name.as_ref().map_or(String::new(), |name| format!("  ({name})"));
                self.resource = Some(id);
                self.write("resource", format!("{}{name}", resource.key));
            }
            Step::Rules(places) => self.write_rules(places.iter().map(|place| *place as usize)),
            Step::Public => self.write("public", "no token is needed"),
            Step::Credential => self.write("credential", "one bearer token"),
            Step::Token(_) => self.write("token", "genuine, in time, and for this resource"),
            Step::Demands => self.write("demands", "client and claims are allowed, and every scope is there"),
        }
    }
}
