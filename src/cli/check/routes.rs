//! What is served: each resource, the requests that are its own, and the demands in front of it.

use serde::Serialize;

use crate::cli::rule_line::RuleLine;
use crate::config::{Config, Forward, Listener, Match, Requirement, Resource, ResourceIssuer, Unmatched};

/// Everything that is served, and where requests come in.
#[derive(Debug, Serialize)]
pub(super) struct Routes {
    pub(super) listeners: Vec<Door>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin: Option<String>,
    pub(super) routes: Vec<Route>,
}

/// An address where requests come in.
#[derive(Debug, Serialize)]
pub(super) struct Door {
    pub(super) address: String,
    pub(super) tls: bool,
    /// The port of the `https` URLs that it redirects to, if that is all it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redirect: Option<u16>,
}

/// One resource.
#[derive(Debug, Serialize)]
pub(super) struct Route {
    pub(super) resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) public: bool,
    pub(super) hosts: Vec<String>,
    /// The path prefix; empty for the root.
    pub(super) path: String,
    pub(super) upstream: Vec<String>,
    pub(super) strip_prefix: bool,
    pub(super) forward: &'static str,
    pub(super) issuers: Vec<String>,
    /// What must be known of a user before a token of his is minted for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) access: Vec<Demand>,
    pub(super) required_scopes: Vec<String>,
    pub(super) rules: Vec<RuleLine>,
    /// What is demanded of a request that no rule matches.
    pub(super) unmatched: &'static str,
}

/// A claim that a user must have, with one of these values.
#[derive(Debug, Serialize)]
pub(super) struct Demand {
    pub(super) claim: String,
    pub(super) values: Vec<String>,
}

impl Routes {
    pub(super) fn of(config: &Config) -> Self {
        let door = |listener: &Listener| Door {
            address: listener.address.to_string(),
            tls: listener.purpose.is_tls(),
            redirect: listener.purpose.redirects_to(),
        };
        Self {
            listeners: config.listeners.iter().map(door).collect(),
            admin: config.admin.as_ref().map(|admin| admin.address.to_string()),
            routes: config.resources.iter().map(|resource| Route::of(config, resource)).collect(),
        }
    }
}

impl Route {
    fn of(config: &Config, resource: &Resource) -> Self {
        let issuer = |entry: &ResourceIssuer| config.trusted_issuers[entry.issuer.0].name.to_string();
        let own = config.issuer.as_ref().filter(|_| resource.own_issuer).map(|_| "own".to_owned());
        let Match { hosts, path } = &resource.matches;
        Self {
            resource: resource.key.to_string(),
            name: resource.name.clone(),
            public: resource.public,
            hosts: hosts.iter().map(ToString::to_string).collect(),
            path: path.clone(),
            upstream: resource.upstream.urls.iter().map(|url| url.as_str().trim_end_matches('/').to_owned()).collect(),
            strip_prefix: resource.strip_prefix && !path.is_empty(),
            forward: match resource.forward {
                Forward::None => "none",
                Forward::Token => "token",
                Forward::Narrowed => "narrowed",
            },
            issuers: own.into_iter().chain(resource.issuers.iter().map(issuer)).collect(),
            access: resource.access.iter().map(Demand::of).collect(),
            required_scopes: resource.required_scopes.iter().map(ToString::to_string).collect(),
            rules: resource.rules.iter().map(RuleLine::of).collect(),
            unmatched: match resource.unmatched {
                Unmatched::Allow => "allow",
                Unmatched::Refuse => "refuse",
            },
        }
    }

    /// The requests that are this resource's own, host by host.
    pub(super) fn requests(&self) -> String {
        let path = match self.path.as_str() {
            "" => "every path".to_owned(),
            path if path.ends_with('/') => format!("below {path}"),
            path => format!("{path} and below"),
        };
        format!("{}: {path}", self.hosts.join(", "))
    }
}

impl Demand {
    fn of(requirement: &Requirement) -> Self {
        Self { claim: requirement.claim.text.clone(), values: requirement.values.clone() }
    }

    /// The demand in a few words.
    pub(super) fn in_words(&self) -> String {
        format!("{} {}", self.claim, self.values.join(" or "))
    }
}
