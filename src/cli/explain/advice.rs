//! What would have worked: for each reason the way out, in the words of this configuration.
//!
//! Written for the person on call, who has one refused request and has to tell somebody what to change.

use std::collections::BTreeSet;

use http::header::{ALLOW, HOST};

use super::claims::{TokenFacts, relative};
use super::request::AskedRequest;
use super::variant::canonical;
use crate::clock::Timestamp;
use crate::config::{AllowedClient, Config, Requirement, Resource, ResourceIssuer, TrustedIssuer};
use crate::guard::{Denial, Gate};
use crate::oauth::{Reason, Scope};
use crate::route::Authority;

/// One refusal, and all that is known of it.
pub(super) struct Case<'a> {
    pub(super) config: &'a Config,
    pub(super) gate: &'a Gate,
    pub(super) request: &'a AskedRequest,
    pub(super) denial: &'a Denial,
    pub(super) token: Option<&'a TokenFacts>,
    pub(super) now: Timestamp,
}

impl Case<'_> {
    /// The ways out, the best one first; none where the command alone cannot tell.
    pub(super) fn would_have_worked(&self) -> Vec<String> {
        let ways = match self.denial.reason {
            Reason::TargetInvalid => self.one_spelling(),
            Reason::CredentialMalformed => {
                vec!["send `Authorization: Bearer TOKEN`, and no token anywhere else".into()]
            }
            Reason::CredentialRepeated => vec!["send one `Authorization: Bearer TOKEN`, and no second token".into()],
            Reason::RouteNotFound => self.served_paths(),
            Reason::HostUnknown => vec![format!("ask one of the hosts that are served: {}", self.served_hosts())],
            Reason::MethodNotAllowed => self.allowed_methods(),
            Reason::CredentialMissing | Reason::AudienceMissing => vec![self.ask()],
            Reason::AudienceTooBroad => self.one_audience(),
            Reason::AudienceMismatch => self.right_audience(),
            Reason::TokenMalformed => self.readable_token(),
            Reason::TokenTooLarge => {
                let limit = self.config.limits.token_bytes;
                let why = "have the issuer put fewer claims (groups, roles) into it";
                vec![format!("{why}, or raise `limits.token_bytes` above {limit}")]
            }
            Reason::TokenType => vec![format!("send the access token, not an ID or logout token; {}", self.ask())],
            Reason::AlgorithmNotAllowed => self.allowed_algorithm(),
            Reason::IssuerUntrusted => self.trusted_issuer(),
            Reason::KeyUnknown => self.known_key(),
            Reason::SignatureInvalid => self.genuine_token(),
            Reason::TokenExpired => vec![self.expired(), self.ask()],
            Reason::TokenNotYetValid => vec!["wait, or set the clocks of issuer and gateway right".into()],
            Reason::TokenRevoked => vec![self.ask()],
            Reason::ClaimMissing | Reason::ClaimInvalid => {
                vec!["have the issuer write the claim as RFC 9068 says, or say under `claims` where it keeps it".into()]
            }
            Reason::ProofMissing => {
                vec!["ask for a plain bearer token: without DPoP, without a client certificate".into()]
            }
            Reason::ScopeInsufficient => self.missing_scopes(),
            Reason::ClientNotAllowed => self.allowed_client(),
            Reason::ClaimNotAllowed => self.required_claims(),
            Reason::KeysUnavailable => self.reachable_keys(),
            // Told by the connection, by a listener that redirects, by an upstream or by a limit: none of them is asked here.
            Reason::FramingInvalid
            | Reason::TransportInsecure
            | Reason::UpstreamUnavailable
            | Reason::UpstreamUnauthorized
            | Reason::UpstreamTimeout
            | Reason::BodyTooLarge
            | Reason::HeaderTooLarge
            | Reason::RequestTimeout
            | Reason::RateLimited
            | Reason::Internal => Vec::new(),
        };
        ways.into_iter().filter(|way| !way.is_empty()).collect()
    }

    fn resource(&self) -> Option<&Resource> {
        self.denial.resource.map(|id| &self.config.resources[id.0])
    }

    fn entries(&self) -> impl Iterator<Item = (&ResourceIssuer, &TrustedIssuer)> {
        let entries = self.resource().into_iter().flat_map(|resource| &resource.issuers);
        entries.map(|entry| (entry, &self.config.trusted_issuers[entry.issuer.0]))
    }

    /// What to ask an issuer for.
    fn ask(&self) -> String {
        let Some(resource) = self.resource() else {
            return String::new();
        };
        let scope = match self.denial.needed_scopes() {
            [] => String::new(),
            scopes => format!(" and scope={}", scopes.join(" ")),
        };
        let from: Vec<_> = self.entries().map(|(_, issuer)| format!("`{}`", issuer.name)).collect();
        let from = if from.is_empty() { String::new() } else { format!(" from {}", from.join(" or ")) };
        format!("ask for a token{from} with resource={}{scope}", resource.key)
    }

    fn one_spelling(&self) -> Vec<String> {
        let authority = self.authority();
        match canonical(self.request.target(), authority.as_ref(), self.config) {
            Some(meant) => vec![format!("send the one spelling of the path: {meant}")],
            None => Vec::new(),
        }
    }

    fn authority(&self) -> Option<Authority<'_>> {
        Authority::parse(self.request.header(&HOST)?).ok()
    }

    fn served_hosts(&self) -> String {
        let hosts = self.config.resources.iter().flat_map(|resource| &resource.matches.hosts);
        let hosts: BTreeSet<String> = hosts.map(ToString::to_string).collect();
        hosts.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn served_paths(&self) -> Vec<String> {
        if let Some(resource) = self.resource() {
            let paths: BTreeSet<&str> =
                resource.rules.iter().filter_map(|rule| rule.path.as_ref()).map(|path| path.as_str()).collect();
            let paths: Vec<_> = paths.into_iter().collect();
            return vec![format!("ask a path that a rule of {} serves: {}", resource.key, paths.join(", "))];
        }
        let authority = self.authority();
        let is_asked = |resource: &&Resource| {
            let asked = authority.as_ref().map(Authority::host);
            let hosts = &resource.matches.hosts;
            hosts.iter().any(|host| asked.is_some_and(|asked| asked.eq_ignore_ascii_case(&host.host)))
        };
        let served = self.config.resources.iter().filter(is_asked);
        let served: Vec<_> = served.map(|resource| resource.key.as_str()).collect();
        vec![format!("ask one of the resources at this host: {}", served.join(", "))]
    }

    fn allowed_methods(&self) -> Vec<String> {
        let answer = self.denial.answer("");
        let allow = answer.headers.get(ALLOW).and_then(|allow| allow.to_str().ok());
        allow.map(|allow| format!("use one of the methods that are allowed there: {allow}")).into_iter().collect()
    }

    fn right_audience(&self) -> Vec<String> {
        let minted_for = self.denial.presented_for.map(|id| self.config.resources[id.0].key.as_str());
        let call = minted_for.map(|key| format!("this token was minted for {key}: send it there"));
        let own_names = self.entries().flat_map(|(entry, issuer)| {
            entry.audiences.iter().map(move |name| format!("a token of `{}` with aud={name} opens it too", issuer.name))
        });
        let strangers = self.token.filter(|_| minted_for.is_none()).map(|token| &token.audiences);
        let teach = strangers.and_then(|names| names.first()).map(|name| {
            format!(
                "if `{name}` is that issuer's own name for this API, list it in `audiences` of the resource's issuer"
            )
        });
        [self.ask()].into_iter().chain(call).chain(own_names).chain(teach).collect()
    }

    fn one_audience(&self) -> Vec<String> {
        let other = self.denial.presented_for.map(|id| &self.config.resources[id.0].key);
        let without = match other {
            Some(key) => format!("a token that does not name {key} as well"),
            None => "a token without further audiences, or list them in `ignore_audiences` of the issuer".to_owned(),
        };
        vec![self.ask(), without]
    }

    fn readable_token(&self) -> Vec<String> {
        let compact = self.request.token.as_deref().unwrap_or_default();
        let why = match (compact.split('.').count(), self.token) {
            // Auth0 and Okta encrypt or hide the token of whoever names no API.
            (5, _) => {
                "this token is encrypted, as Auth0's are when no API is named: send `audience` or `resource` there"
            }
            (3, Some(_)) => "",
            _ => {
                "many issuers give opaque tokens until an API is named: name this one, or have it issue JWT access tokens"
            }
        };
        vec![self.ask(), why.to_owned()]
    }

    fn allowed_algorithm(&self) -> Vec<String> {
        let algorithm = self.token.and_then(|token| token.header.as_ref()?.algorithm.clone()).unwrap_or_default();
        if algorithm.to_ascii_uppercase().starts_with("HS") {
            let why = "whoever can check such a token can forge one";
            return vec![format!(
                "have the issuer sign with RS256 or ES256 for this API: {algorithm} is an HMAC, and {why}"
            )];
        }
        let listed = self.entries().map(|(_, issuer)| {
            let names: Vec<_> = issuer.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
            format!("a token of `{}` signed with one of {}", issuer.name, names.join(", "))
        });
        listed.collect()
    }

    fn trusted_issuer(&self) -> Vec<String> {
        let said = self.token.and_then(|token| token.issuer.as_deref()).unwrap_or_default();
        let near = |known: &&String| known.trim_end_matches('/').eq_ignore_ascii_case(said.trim_end_matches('/'));
        let issuers = self.config.trusted_issuers.iter();
        let near = issuers.flat_map(|issuer| &issuer.issuers).find(near).filter(|known| *known != said);
        let near = near.map(|known| format!("the configuration says `{known}`: the two must be equal, byte for byte"));
        let trusted: Vec<_> = self.entries().map(|(_, issuer)| issuer.issuers.join(" or ")).collect();
        let trusted = match trusted.as_slice() {
            [] => "name an issuer under `issuers` of this resource: none may vouch here".to_owned(),
            trusted => format!("a token whose `iss` is {}", trusted.join(" or ")),
        };
        near.into_iter().chain([trusted]).collect()
    }

    fn known_key(&self) -> Vec<String> {
        let hint = "a token from the same issuer and environment: its key set was just read, and has no such key";
        self.graph().into_iter().chain([hint.to_owned()]).collect()
    }

    fn genuine_token(&self) -> Vec<String> {
        let hint = "the token exactly as the issuer gave it: this one was changed, cut, or signed with another key";
        self.graph().into_iter().chain([hint.to_owned()]).collect()
    }

    /// Microsoft hashes a `nonce` in the header before it signs: nobody but Graph can verify such a token.
    fn graph(&self) -> Option<String> {
        let has_nonce = self.token?.header.as_ref()?.has_nonce;
        let why = "the header has a `nonce`, so this is a token for Microsoft Graph, which only Graph can verify";
        has_nonce.then(|| format!("{why}; ask Entra for scope=api://YOUR-API/.default"))
    }

    fn expired(&self) -> String {
        let expires = self.token.and_then(|token| token.expires);
        expires
            .map_or(String::new(), |expires| format!("a fresh token: this one expired {}", relative(expires, self.now)))
    }

    fn missing_scopes(&self) -> Vec<String> {
        let has = self.token.map(|token| token.scopes.as_slice()).unwrap_or_default();
        let missing: Vec<&str> = self.denial.needed_scopes().iter().map(String::as_str).collect();
        let missing: Vec<&str> = missing.into_iter().filter(|scope| !has.iter().any(|has| has == scope)).collect();
        let own_words = self.entries().flat_map(|(entry, issuer)| {
            let map = entry.scope_map.iter().flatten();
            let means = |scopes: &[Scope]| scopes.iter().find(|scope| missing.contains(&scope.as_str())).cloned();
            map.filter_map(move |(word, scopes)| Some(format!("`{}` calls {} {word}", issuer.name, means(scopes)?)))
        });
        let own_words: Vec<String> = own_words.collect();
        [format!("a token with the missing scope={}", missing.join(" ")), self.ask()]
            .into_iter()
            .chain(own_words)
            .collect()
    }

    fn allowed_client(&self) -> Vec<String> {
        let allowed = self.resource().and_then(|resource| resource.allowed_clients.as_ref());
        let name = |client: &AllowedClient| match client {
            AllowedClient::Own(id) => id.clone(),
            AllowedClient::Foreign(issuer, id) => format!("{}|{id}", self.config.trusted_issuers[issuer.0].name),
        };
        let names: Vec<_> = allowed.into_iter().flatten().map(name).collect();
        vec![format!("a token of one of the `allowed_clients`: {}", names.join(", "))]
    }

    fn required_claims(&self) -> Vec<String> {
        let told = |requirement: &Requirement| {
            format!("`{}` is one of: {}", requirement.claim.text, requirement.values.join(", "))
        };
        let issuer = self.denial.genuine.as_ref().map(|token| token.issuer());
        let entries = self.entries().filter(|(entry, _)| Some(entry.issuer) == issuer);
        let required = entries.flat_map(|(entry, issuer)| issuer.require.iter().chain(&entry.require));
        required.map(|requirement| format!("a token where {}", told(requirement))).collect()
    }

    fn reachable_keys(&self) -> Vec<String> {
        let rings = self.gate.keyrings().iter();
        let failed = rings.filter_map(|ring| {
            let why = ring.status(self.now).last_error?;
            Some(format!("make the keys of `{}` reachable from here: {why}", ring.issuer().name))
        });
        failed.collect()
    }
}
