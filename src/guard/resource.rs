//! A resource, compiled for deciding: rules as a tree, demands with their places, answers made in advance.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method};
use smallvec::SmallVec;

use super::denial::ChallengeFacts;
use super::metadata;
use super::scope_demand::ScopeDemand;
use crate::config::{
    AllowedClient, BroadTokens, ClaimNames, ClaimPath, Config, Cors, Demand, Forward, IdentityHeader, IssuerId,
    Requirement, Resource, Unmatched,
};
use crate::oauth::{ClientRef, Scope, ScopePattern};
use crate::route::{MatchedRules, PathPattern, RuleTree};
use crate::token::{GenuineToken, text_at};

/// A resource as the guard needs it.
#[derive(Debug)]
pub(super) struct GuardedResource {
    pub(super) public: bool,
    pub(super) path_parameters: bool,
    /// How many bytes of the path are removed before it is forwarded.
    pub(super) stripped: usize,
    /// The upstream's own path, without a final slash.
    pub(super) base_path: String,
    pub(super) scopes: Vec<ScopePattern>,
    pub(super) required_scopes: Vec<ScopeDemand>,
    pub(super) unmatched: Unmatched,
    pub(super) broad_tokens: BroadTokens,
    pub(super) forward: Forward,
    pub(super) identity_headers: Vec<IdentityHeader>,
    pub(super) cors: Option<Cors>,
    /// The only clients let in, by all the names that they have at issuers.
    pub(super) allowed_clients: Option<Vec<(IssuerId, String)>>,
    pub(super) challenge: Arc<ChallengeFacts>,
    /// Where the metadata document lies, and the document; nothing for a public resource or one that is no location.
    pub(super) metadata: Option<(String, Bytes)>,
    tree: RuleTree,
    rules: Vec<CompiledRule>,
    /// Sorted, as there are few.
    issuers: Box<[(IssuerId, IssuerEntry)]>,
}

/// A rule without its path, which the tree holds.
#[derive(Debug)]
pub(super) struct CompiledRule {
    methods: Option<Vec<Method>>,
    demand: CompiledDemand,
}

#[derive(Debug)]
enum CompiledDemand {
    Scopes(Vec<ScopeDemand>),
    Public { forward_token: bool },
}

/// What one issuer's tokens are worth here.
#[derive(Debug)]
pub(super) struct IssuerEntry {
    pub(super) claims: Option<ClaimNames>,
    pub(super) scope_map: Option<BTreeMap<String, Vec<Scope>>>,
    pub(super) scopes_if_none: Vec<Scope>,
    pub(super) require: Vec<Requirement>,
}

/// What the rules say about one request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum RuleVerdict {
    /// A token is needed, and the scopes of these rules.
    Protected(MatchedRules),
    /// Nothing is needed.
    Public { forward_token: bool },
    /// Only rules are served, and none matches.
    NotServed,
    /// Only rules are served, and those that match want another method; holds `Allow`.
    OtherMethods(HeaderValue),
}

impl GuardedResource {
    /// Compiles a resource of a checked configuration.
    pub(super) fn new(config: &Config, resource: &Resource) -> Self {
        let everywhere = PathPattern::parse("/{*rest}").expect("this is a pattern");
        let path = |rule: &crate::config::Rule| rule.path.clone().unwrap_or_else(|| everywhere.clone());
        let patterns: Vec<(PathPattern, bool)> =
            resource.rules.iter().map(|rule| (path(rule), matches!(rule.demand, Demand::Public { .. }))).collect();
        let location = resource.key.metadata_path().filter(|_| !resource.public);
        let metadata = location.map(|location| (location, metadata::document(config, resource)));
        let prefix = resource.matches.path.trim_end_matches('/');
        let base_path = resource.upstream.urls.first().map_or("", |url| url.path()).trim_end_matches('/');
        Self {
            public: resource.public,
            path_parameters: resource.path_parameters,
            stripped: if resource.strip_prefix { prefix.len() } else { 0 },
            base_path: base_path.to_owned(),
            scopes: resource.scopes.iter().map(|(scope, _)| scope.clone()).collect(),
            required_scopes: resource.required_scopes.iter().map(|scope| demand(scope, None)).collect(),
            unmatched: resource.unmatched,
            broad_tokens: resource.broad_tokens,
            forward: resource.forward,
            identity_headers: resource.identity_headers.clone(),
            cors: resource.cors.clone(),
            allowed_clients: resource.allowed_clients.as_ref().map(|allowed| names_of(config, allowed)),
            challenge: Arc::new(ChallengeFacts {
                resource: resource.key.to_string(),
                // A public resource has no document to point to.
                metadata_url: resource.key.metadata_url().filter(|_| !resource.public),
            }),
            metadata,
            tree: RuleTree::new(patterns.iter().map(|(pattern, case_counts)| (pattern, *case_counts))),
            rules: resource.rules.iter().map(CompiledRule::new).collect(),
            issuers: issuers(config, resource),
        }
    }

    /// What the entry of an issuer says; nothing if it may not vouch here.
    pub(super) fn entry(&self, issuer: IssuerId) -> Option<&IssuerEntry> {
        let at = self.issuers.binary_search_by_key(&issuer, |(known, _)| *known).ok()?;
        Some(&self.issuers[at].1)
    }

    /// Every rule whose path matches, whatever its methods; `path` is relative to the resource.
    pub(super) fn matching(&self, path: &[u8]) -> MatchedRules {
        self.tree.matching(path)
    }

    /// The rules at these places.
    pub(super) fn rules<'r>(&'r self, places: &'r MatchedRules) -> impl Iterator<Item = &'r CompiledRule> {
        places.iter().map(|place| &self.rules[*place as usize])
    }

    /// What the matching rules say about a method.
    ///
    /// Every rule that matches adds its demand. Public is a request only if the most specific of them say so, and all of
    /// those do: a rule that is not public never lets more through by being added.
    pub(super) fn judge(&self, matched: &MatchedRules, method: &Method) -> RuleVerdict {
        let rule = |place: &u32| &self.rules[*place as usize];
        let applying: MatchedRules = matched.iter().copied().filter(|place| rule(place).covers(method)).collect();
        if applying.is_empty() && self.unmatched == Unmatched::Refuse {
            return match matched.is_empty() {
                true => RuleVerdict::NotServed,
                false => RuleVerdict::OtherMethods(allow(self.rules(matched))),
            };
        }
        let top = applying.iter().map(|place| self.tree.rank(*place)).max();
        let mut most_specific =
            applying.iter().filter(|place| Some(self.tree.rank(**place)) == top).map(rule).peekable();
        let publics: Option<SmallVec<[bool; 4]>> = match most_specific.peek() {
            None => None,
            Some(_) => most_specific.map(CompiledRule::forwards_publicly).collect(),
        };
        match publics {
            Some(forwards) => RuleVerdict::Public { forward_token: forwards.iter().all(|forwards| *forwards) },
            None => RuleVerdict::Protected(applying),
        }
    }
}

/// Who may vouch here: the trusted issuers that the resource lets in, and our own.
fn issuers(config: &Config, resource: &Resource) -> Box<[(IssuerId, IssuerEntry)]> {
    let trusted = resource.issuers.iter().map(|entry| (entry.issuer, IssuerEntry::new(entry)));
    let own = config.own_issuer().filter(|_| resource.own_issuer).map(|own| (own, IssuerEntry::own()));
    // The last entry of an issuer counts.
    let entries: BTreeMap<IssuerId, IssuerEntry> = trusted.chain(own).collect();
    entries.into_iter().collect()
}

/// Every name of these clients: a client of ours is also what `known_as` calls it, and the reverse.
fn names_of(config: &Config, allowed: &[AllowedClient]) -> Vec<(IssuerId, String)> {
    let own_clients = || config.issuer.iter().flat_map(|issuer| &issuer.clients);
    let mut names = Vec::new();
    for allowed in allowed {
        let ours = match allowed {
            AllowedClient::Own(id) => own_clients().find(|client| client.id == *id),
            AllowedClient::Foreign(issuer, id) => {
                names.push((*issuer, id.clone()));
                // So is it named in what was narrowed for it.
                let printed = ClientRef { issuer: Some(&config.trusted_issuers[issuer.0].name), id };
                names.extend(config.own_issuer().map(|own| (own, printed.to_string())));
                own_clients().find(|client| client.known_as.get(issuer) == Some(id))
            }
        };
        if let (Some(client), Some(own)) = (ours, config.own_issuer()) {
            names.push((own, client.id.clone()));
            names.extend(client.known_as.iter().map(|(issuer, id)| (*issuer, id.clone())));
        }
    }
    names
}

impl CompiledRule {
    fn new(rule: &crate::config::Rule) -> Self {
        let place = |scope: &ScopePattern| {
            rule.path.as_ref().zip(scope.parameter()).and_then(|(path, name)| path.parameter(name))
        };
        let demand = match &rule.demand {
            Demand::Scopes(scopes) => {
                CompiledDemand::Scopes(scopes.iter().map(|scope| demand(scope, place(scope))).collect())
            }
            Demand::Public { forward_token } => CompiledDemand::Public { forward_token: *forward_token },
        };
        Self { methods: rule.methods.clone(), demand }
    }

    /// The scopes that the rule demands.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &ScopeDemand> {
        match &self.demand {
            CompiledDemand::Scopes(scopes) => scopes.iter(),
            CompiledDemand::Public { .. } => [].iter(),
        }
    }

    fn covers(&self, method: &Method) -> bool {
        let Some(methods) = &self.methods else {
            return true;
        };
        methods.contains(method) || (*method == Method::HEAD && methods.contains(&Method::GET))
    }

    /// Whether a public rule forwards credentials; nothing if the rule is not public.
    fn forwards_publicly(&self) -> Option<bool> {
        match self.demand {
            CompiledDemand::Public { forward_token } => Some(forward_token),
            CompiledDemand::Scopes(_) => None,
        }
    }
}

impl IssuerEntry {
    /// Our own issuer's: its tokens say what they mean.
    fn own() -> Self {
        Self { claims: None, scope_map: None, scopes_if_none: Vec::new(), require: Vec::new() }
    }

    fn new(entry: &crate::config::ResourceIssuer) -> Self {
        Self {
            claims: entry.claims.clone(),
            scope_map: entry.scope_map.clone(),
            scopes_if_none: entry.scopes_if_none.clone(),
            require: entry.require.clone(),
        }
    }

    /// The subject, where this resource's entry says that the issuer keeps it, or where the issuer keeps it anyway.
    pub(super) fn subject<'t>(&self, token: &'t GenuineToken) -> Option<Cow<'t, str>> {
        match &self.claims {
            None => token.subject().map(Cow::Borrowed),
            Some(names) => text(token, &names.subject),
        }
    }

    /// The client, likewise.
    pub(super) fn client<'t>(&self, token: &'t GenuineToken) -> Option<Cow<'t, str>> {
        match &self.claims {
            None => token.client().map(Cow::Borrowed),
            Some(names) => text(token, &names.client),
        }
    }
}

/// The text at the first of these places; one of the wrong form is nobody.
fn text<'t>(token: &'t GenuineToken, places: &[ClaimPath]) -> Option<Cow<'t, str>> {
    text_at(token.claims(), places).ok().flatten()
}

fn demand(pattern: &ScopePattern, bound_to: Option<usize>) -> ScopeDemand {
    ScopeDemand { pattern: pattern.clone(), bound_to }
}

/// The methods of these rules, as `Allow` lists them (RFC 9110 §10.2.1).
fn allow<'r>(rules: impl Iterator<Item = &'r CompiledRule>) -> HeaderValue {
    let mut methods: Vec<&str> = rules.flat_map(|rule| rule.methods.iter().flatten()).map(Method::as_str).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    HeaderValue::from_str(&methods.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}
