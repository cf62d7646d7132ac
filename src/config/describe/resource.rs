//! One resource, in the words of `gateway.yaml`.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::model::{
    AllowedClient, BroadTokens, Config, CorsOrigins, Demand, Forward, HealthCheck, IdentitySource, OnRemoval, Resource,
    ResourceIssuer, Retry, Rule, Unmatched, Upstream, UpstreamProtocol, UserClaim,
};
use super::{address, claims, issuer_name, patterns, presence, requirements, time};

/// Describes a resource.
pub(in crate::config) fn resource(config: &Config, resource: &Resource) -> Value {
    let vouching = resource.issuers.iter();
    let mut vouching: Map<String, Value> =
        vouching.map(|entry| (issuer_name(config, entry.issuer), issuer_entry(entry))).collect();
    if !resource.own_issuer && !resource.public {
        vouching.insert("own".to_owned(), json!(false));
    }
    let identity = resource.identity_headers.iter();
    let identity: Map<String, Value> =
        identity.map(|header| (header.name.to_string(), json!(source(&header.source)))).collect();
    let scopes = resource.scopes.iter().map(|(scope, description)| (scope.to_string(), json!(description)));
    json!({
        "name": resource.name,
        "public": resource.public,
        "match": {
            "hosts": resource.matches.hosts.iter().map(ToString::to_string).collect::<Value>(),
            "path": resource.matches.path,
        },
        "strip_prefix": resource.strip_prefix,
        "upstream": upstream(&resource.upstream),
        "scopes": scopes.collect::<Map<_, _>>(),
        "required_scopes": patterns(&resource.required_scopes),
        "rules": resource.rules.iter().map(rule).collect::<Value>(),
        "unmatched": match resource.unmatched {
            Unmatched::Allow => "allow",
            Unmatched::Refuse => "refuse",
        },
        "issuers": vouching,
        "broad_tokens": match resource.broad_tokens {
            BroadTokens::Reject => "reject",
            BroadTokens::Strict => "strict",
            BroadTokens::Narrow => "narrow",
            BroadTokens::Accept => "accept",
        },
        "forward": match resource.forward {
            Forward::None => "none",
            Forward::Token => "token",
            Forward::Narrowed => "narrowed",
        },
        "identity_headers": identity,
        "cors": resource.cors.as_ref().map(|cors| match &cors.origins {
            CorsOrigins::Any => json!({ "origins": ["*"] }),
            CorsOrigins::Listed(origins) => json!({ "origins": origins }),
        }),
        "allowed_clients": resource.allowed_clients.as_ref().map(|clients| {
            clients.iter().map(|client| client_name(config, client)).collect::<Value>()
        }),
        "path_parameters": resource.path_parameters,
        "upgrade": if resource.websocket { json!(["websocket"]) } else { json!([]) },
        "on_removal": match resource.on_removal {
            OnRemoval::Drain => "drain",
            OnRemoval::Close => "close",
        },
        "body_bytes": resource.body_bytes,
        "user_claims": user_claims(&resource.user_claims),
        "access": requirements(&resource.access),
        "signing_algorithm": resource.signing_algorithm.map(|algorithm| algorithm.as_str()),
        "lifetimes": resource.access_token_lifetime.map(|lifetime| json!({ "access_token": time(lifetime) })),
    })
}

fn upstream(upstream: &Upstream) -> Value {
    json!({
        "urls": upstream.urls.iter().map(address).collect::<Value>(),
        "protocol": match upstream.protocol {
            UpstreamProtocol::Http1 => "http1",
            UpstreamProtocol::Http2 => "http2",
        },
        "health_check": upstream.health_check.as_ref().map(health_check),
        "eject": upstream.eject.map_or_else(
            || json!("never"),
            |eject| json!({ "after": eject.after, "for": time(eject.hold) }),
        ),
        "retry": match upstream.retry {
            Retry::Idempotent => "idempotent",
            Retry::Never => "never",
        },
        "tls": upstream.tls.as_ref().map(|tls| json!({
            "ca": presence(tls.ca.as_ref()),
            "server_name": tls.server_name,
            "cert": tls.certificate.as_ref().map(|certificate| certificate.cert.display().to_string()),
        })),
        "connect_timeout": time(upstream.connect_timeout),
        "read_timeout": time(upstream.read_timeout),
        "idle_timeout": time(upstream.idle_timeout),
    })
}

/// The query of the path may hold a secret, as may every URL's.
fn health_check(check: &HealthCheck) -> Value {
    let path = match check.path.split_once('?') {
        Some((path, _)) => format!("{path}?…"),
        None => check.path.clone(),
    };
    json!({
        "path": path,
        "interval": time(check.interval),
        "timeout": time(check.timeout),
        "healthy_after": check.healthy_after,
        "unhealthy_after": check.unhealthy_after,
        "status": if check.statuses.is_empty() { json!("2xx") } else { json!(check.statuses) },
    })
}

fn rule(rule: &Rule) -> Value {
    let mut described = match &rule.demand {
        Demand::Scopes(scopes) => json!({ "scopes": patterns(scopes) }),
        Demand::Public { forward_token } => {
            json!({ "public": true, "forward": if *forward_token { "token" } else { "none" } })
        }
    };
    if let Some(path) = &rule.path {
        described["path"] = path.to_string().into();
    }
    if let Some(methods) = &rule.methods {
        described["methods"] = methods.iter().map(Method::as_str).collect();
    }
    described
}

fn issuer_entry(entry: &ResourceIssuer) -> Value {
    json!({
        "audiences": entry.audiences,
        "claims": entry.claims.as_ref().map(claims),
        "scope_map": entry.scope_map.as_ref().map(|map| {
            let names = |scopes: &[crate::oauth::Scope]| scopes.iter().map(ToString::to_string).collect::<Value>();
            map.iter().map(|(theirs, ours)| (theirs.clone(), names(ours))).collect::<Map<_, _>>()
        }),
        "scopes_if_none": entry.scopes_if_none.iter().map(ToString::to_string).collect::<Value>(),
        "require": requirements(&entry.require),
        "exchange": entry.exchange,
    })
}

/// Each claim with the scopes that must be granted for it.
fn user_claims(claims: &[UserClaim]) -> Value {
    Value::Object(claims.iter().map(|claim| (claim.name.clone(), patterns(&claim.scopes))).collect())
}

fn source(source: &IdentitySource) -> &str {
    match source {
        IdentitySource::Subject => "sub",
        IdentitySource::Client => "client_id",
        IdentitySource::Issuer => "iss",
        IdentitySource::Scope => "scope",
        IdentitySource::Claim(path) => &path.text,
    }
}

fn client_name(config: &Config, client: &AllowedClient) -> String {
    match client {
        AllowedClient::Own(id) => id.clone(),
        AllowedClient::Foreign(issuer, id) => format!("{}|{id}", issuer_name(config, *issuer)),
    }
}
