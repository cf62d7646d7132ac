//! The decision: one synchronous function from a request, the verified tokens and the time to a value.

use http::HeaderValue;

use super::address::Address;
use super::credential::{Credential, check_grammar, refuse_query_token};
use super::demands::{GrantedScopes, check_token, needed_scopes};
use super::resource::{GuardedResource, RuleVerdict};
use super::{CorsHeaders, Denial, Document, Gate, Ground, Permit, RequestView, UpstreamTarget, cors, metadata};
use crate::clock::Timestamp;
use crate::config::{Forward, IssuerId, ResourceId};
use crate::oauth::{Reason, Rejection, ResourceIndicator};
use crate::route::{Lookup, MatchedRules, Readings};
use crate::token::{Audience, GenuineToken, Presented, Refused, TokenCache, VerifiedToken, Voucher, verify};

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// It may be forwarded.
    Forward(Permit),
    /// It is refused.
    Deny(Denial),
    /// The gate answers it itself.
    Answer(Document),
    /// The keys of this issuer must be read (again); then the same request is asked once more, with `keys_awaited`.
    AwaitKeys(IssuerId),
}

/// What a decision went through, for whoever wants to explain it.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The target and the authority have one reading.
    Target {
        /// The path.
        path: &'a str,
        /// The host that was asked.
        host: &'a str,
    },
    /// The request belongs to this resource.
    Route(ResourceId),
    /// These rules match, by their places in the resource's list.
    Rules(&'a MatchedRules),
    /// The request needs no token.
    Public,
    /// The request carries one well-formed credential.
    Credential,
    /// The token is genuine, in time, and minted for this resource.
    Token(&'a GenuineToken),
    /// Client and claims are allowed, and every scope is there.
    Demands,
}

/// Sees the steps of a decision as they are passed; `()` looks away.
pub trait Witness {
    /// One step was passed.
    fn passed(&mut self, step: Step<'_>);
}

impl Witness for () {
    fn passed(&mut self, _: Step<'_>) {}
}

impl Gate {
    /// Decides a request.
    pub fn decide(&self, request: &RequestView<'_>, tokens: &TokenCache, now: Timestamp) -> Decision {
        self.decide_before(&mut (), request, tokens, now)
    }

    /// Decides a request before a witness.
    pub fn decide_before(
        &self,
        witness: &mut impl Witness,
        request: &RequestView<'_>,
        tokens: &TokenCache,
        now: Timestamp,
    ) -> Decision {
        match self.find(witness, request) {
            Ok(Found::Resource { id, address, relative }) => {
                let resource = self.resource(id);
                let asked = Asked { gate: self, id, resource, request, address, relative };
                match asked.decide(witness, tokens, now) {
                    Decision::Deny(denial) => {
                        let cors = CorsHeaders::of(resource.cors.as_ref(), request.headers);
                        Decision::Deny(denial.with_cors(cors))
                    }
                    other => other,
                }
            }
            Ok(Found::Document(id)) => match &self.resource(id).metadata {
                Some((_, document)) => match metadata::answer(request, document) {
                    Ok(answer) => Decision::Answer(Document::new(answer)),
                    Err(denial) => Decision::Deny(denial),
                },
                None => Decision::Deny(Denial::new(Reason::RouteNotFound, None)),
            },
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Target, authority and route: which resource is asked, or which metadata document.
    fn find<'a>(&self, witness: &mut impl Witness, request: &RequestView<'a>) -> Result<Found<'a>, Denial> {
        let address = Address::of(request, self.trusts_proxy(request.connection.peer))
            .map_err(|refusal| refuse(refusal, None))?;
        let path = address.target.path();
        witness.passed(Step::Target { path, host: address.authority.host() });
        let own_port = request.connection.own_port;
        let found = self.tables.routes.find(&address.authority, own_port, path.as_bytes());
        if is_below(path, ResourceIndicator::METADATA_PREFIX) {
            return match self.tables.documents.find(&address.authority, own_port, path.as_bytes()) {
                Lookup::Found(id, _) if self.is_document_of(*id, path) => Ok(Found::Document(*id)),
                Lookup::UnknownHost if found == Lookup::UnknownHost => Err(Denial::new(Reason::HostUnknown, None)),
                _ => Err(Denial::new(Reason::RouteNotFound, None)),
            };
        }
        let (id, prefix) = match found {
            Lookup::Found(id, prefix) => (*id, prefix),
            Lookup::UnknownHost => return Err(Denial::new(Reason::HostUnknown, None)),
            Lookup::UnknownPath => return Err(Denial::new(Reason::RouteNotFound, None)),
            Lookup::CaseVariant => {
                let detail = "the path differs from a resource's by case alone";
                return Err(refuse(Rejection::new(Reason::TargetInvalid, detail), None));
            }
        };
        witness.passed(Step::Route(id));
        Ok(Found::Resource { id, address, relative: &path[prefix..] })
    }

    fn is_document_of(&self, id: ResourceId, path: &str) -> bool {
        self.resource(id).metadata.as_ref().is_some_and(|(location, _)| location == path)
    }
}

enum Found<'a> {
    Resource { id: ResourceId, address: Address<'a>, relative: &'a str },
    Document(ResourceId),
}

/// A request that belongs to a resource.
struct Asked<'a, 'g> {
    gate: &'g Gate,
    id: ResourceId,
    resource: &'g GuardedResource,
    request: &'a RequestView<'a>,
    address: Address<'a>,
    /// The path behind the resource's own.
    relative: &'a str,
}

impl Asked<'_, '_> {
    fn decide(&self, witness: &mut impl Witness, tokens: &TokenCache, now: Timestamp) -> Decision {
        let matched = match self.matched_rules() {
            Ok(matched) => matched,
            Err(refusal) => return self.deny(refusal),
        };
        witness.passed(Step::Rules(&matched));
        if let (Some(_), true) = (&self.resource.cors, cors::is_preflight(self.request)) {
            let headers = CorsHeaders::of(self.resource.cors.as_ref(), self.request.headers);
            return Decision::Answer(Document::new(cors::answer_preflight(&headers, self.request.headers)));
        }
        if let Err(refusal) = refuse_query_token(self.address.target.query(), self.request.headers) {
            return self.deny(refusal);
        }
        let verdict = match self.resource.public {
            true => RuleVerdict::Public { forward_token: self.resource.forward == Forward::Token },
            false => self.resource.judge(&matched, self.request.method),
        };
        match verdict {
            RuleVerdict::Public { forward_token } => {
                witness.passed(Step::Public);
                self.forward(Ground::Public, if forward_token { Forward::Token } else { Forward::None })
            }
            RuleVerdict::NotServed => {
                self.deny(Rejection::new(Reason::RouteNotFound, "no rule matches, and only rules are served here"))
            }
            RuleVerdict::OtherMethods(allow) => self.deny_method(allow),
            RuleVerdict::Protected(rules) => match self.prove(witness, &rules, tokens, now) {
                Ok(verified) => self.forward(Ground::Proven(verified), self.resource.forward),
                Err(decision) => decision,
            },
        }
    }

    /// Every rule that matches the path, if every reading of the path selects the same resource and the same rules.
    fn matched_rules(&self) -> Result<MatchedRules, Rejection> {
        let target = &self.address.target;
        if target.has_parameters() && !self.resource.path_parameters {
            return Err(Rejection::new(
                Reason::TargetInvalid,
                "the path holds `;`, which this resource does not allow",
            ));
        }
        let matched = self.resource.matching(self.relative.as_bytes());
        let own_port = self.request.connection.own_port;
        for reading in Readings::of(target).iter() {
            let agrees = match self.gate.tables.routes.find(&self.address.authority, own_port, reading) {
                Lookup::Found(id, prefix) => *id == self.id && self.resource.matching(&reading[prefix..]) == matched,
                _ => false,
            };
            if !agrees {
                return Err(Rejection::new(
                    Reason::TargetInvalid,
                    "an upstream may read the path as one with other rules",
                ));
            }
        }
        Ok(matched)
    }

    /// The token, and all that is demanded of it.
    fn prove(
        &self,
        witness: &mut impl Witness,
        rules: &MatchedRules,
        tokens: &TokenCache,
        now: Timestamp,
    ) -> Result<VerifiedToken, Decision> {
        let needs = || needed_scopes(self.resource, self.resource.rules(rules), self.relative.as_bytes());
        let compact = match Credential::of(self.request.headers) {
            Ok(Credential::Bearer(compact)) => compact,
            Ok(Credential::Missing) => {
                let denial = self.denial(Rejection::new(Reason::CredentialMissing, "no bearer token was sent"));
                return Err(Decision::Deny(Denial { scopes: needs(), ..denial }));
            }
            Err(refusal) => return Err(self.deny(refusal)),
        };
        let audience = Audience {
            resource: self.id,
            broad_tokens: self.resource.broad_tokens,
            table: &self.gate.tables.audiences,
        };
        let presented = Presented { compact, now, keys_awaited: self.request.keys_awaited };
        let voucher = |issuer| self.resource.entry(issuer).map(|entry| Voucher { claims: entry.claims.as_ref() });
        let judged = verify(&audience, &presented, &self.gate.trusted, tokens, voucher);
        // What was proven has the grammar of a token; looking at every letter of one that is known would take longer than
        // to find it. What was refused is refused for its grammar first.
        if let Err(Refused::Rejected { genuine: None, .. }) = &judged
            && let Err(refusal) = check_grammar(compact)
        {
            return Err(self.deny(refusal));
        }
        witness.passed(Step::Credential);
        let verified = match judged {
            Ok(verified) => verified,
            Err(Refused::AwaitKeys(issuer)) => return Err(Decision::AwaitKeys(issuer)),
            Err(Refused::Rejected { rejection, genuine, presented_for }) => {
                let denial = self.denial(rejection);
                return Err(Decision::Deny(Denial { genuine, presented_for, scopes: needs(), ..denial }));
            }
        };
        let token = verified.genuine();
        witness.passed(Step::Token(token));
        let refuse = |rejection| {
            let denial = self.denial(rejection);
            Decision::Deny(Denial { genuine: Some(token.clone()), scopes: needs(), ..denial })
        };
        let Some(entry) = self.resource.entry(token.issuer()) else {
            return Err(refuse(Rejection::new(Reason::IssuerUntrusted, "the issuer is not trusted for this API")));
        };
        if self.gate.is_ambiguous(|| entry.subject(token), token) {
            let detail = "the plain subject reads like another issuer's, or like a client of our own";
            return Err(refuse(Rejection::new(Reason::ClaimInvalid, detail)));
        }
        let trusted = self.gate.trusted.keyring(token.issuer()).issuer();
        if let Err(rejection) = check_token(token, self.resource, entry, &trusted.require) {
            return Err(refuse(rejection));
        }
        let granted = GrantedScopes::of(token, entry);
        if !granted.meet(self.resource, self.resource.rules(rules), self.relative.as_bytes()) {
            return Err(refuse(Rejection::new(
                Reason::ScopeInsufficient,
                "a scope that the request needs is not in the token",
            )));
        }
        witness.passed(Step::Demands);
        Ok(verified)
    }

    fn forward(&self, ground: Ground, forward: Forward) -> Decision {
        let target = &self.address.target;
        let target =
            UpstreamTarget::new(target.path(), target.query(), &self.resource.base_path, self.resource.stripped);
        let cors = CorsHeaders::of(self.resource.cors.as_ref(), self.request.headers);
        Decision::Forward(Permit { ground, resource: self.id, target, forward, cors })
    }

    fn deny(&self, refusal: Rejection) -> Decision {
        Decision::Deny(self.denial(refusal))
    }

    fn deny_method(&self, allow: HeaderValue) -> Decision {
        let denial =
            self.denial(Rejection::new(Reason::MethodNotAllowed, "the rules for this path want another method"));
        Decision::Deny(Denial { allow: Some(allow), ..denial })
    }

    fn denial(&self, refusal: Rejection) -> Denial {
        let denial = refuse(refusal, Some(self.id));
        match self.resource.public {
            true => denial,
            false => Denial { challenge: Some(self.resource.challenge.clone()), ..denial },
        }
    }
}

/// A refusal before, or without, anything that a resource adds to it.
pub(super) fn refuse(Rejection { reason, detail }: Rejection, resource: Option<ResourceId>) -> Denial {
    /// Every method that may be passed on somewhere.
    const PASSED_ON: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    let allow = (reason == Reason::MethodNotAllowed).then_some(PASSED_ON);
    Denial { detail, allow, ..Denial::new(reason, resource) }
}

/// Whether `path` is `prefix` or lies below it, by whole segments.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
