//! The configuration in force, in the words of `gateway.yaml`, with every default filled in and without its secrets.
//!
//! Every member is written out here by name. A secret is never even asked for its bytes: `(set)` is all that is shown.

mod issuer;
mod resource;

use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::model::{
    Admin, ClaimNames, ClaimPath, Config, IssuerId, JwksLocation, KeySource, Limits, Listener, Log, LogFormat, Network,
    Purpose, Requirement, SubjectForm, TokenProfile, TrustedIssuer,
};
use crate::oauth::ScopePattern;

pub(super) use issuer::{authorization_server, client, store};
pub(super) use resource::resource;

/// Describes a configuration.
pub fn describe(config: &Config) -> Value {
    let issuers = config.trusted_issuers.iter();
    let issuers: Map<String, Value> = issuers.map(|issuer| (issuer.name.to_string(), trusted_issuer(issuer))).collect();
    let resources = config.resources.iter();
    let resources: Map<String, Value> = resources.map(|each| (each.key.to_string(), resource(config, each))).collect();
    let scopes = config.scopes.iter().map(|(scope, description)| (scope.to_string(), json!(description)));
    json!({
        "listen": config.listeners.iter().map(listener).collect::<Value>(),
        "admin": config.admin.as_ref().map(admin),
        "trusted_issuers": issuers,
        "resources": resources,
        "issuer": config.issuer.as_ref().map(|server| issuer::issuer(config, server)),
        "store": config.store.as_ref().map(store),
        "scopes": scopes.collect::<Map<_, _>>(),
        "trusted_proxies": networks(&config.trusted_proxies),
        "trusted_cas": config.trusted_cas.is_some(),
        "log": log(&config.log),
        "limits": limits(&config.limits),
    })
}

pub(super) fn listener(listener: &Listener) -> Value {
    let address = listener.address.to_string();
    match &listener.purpose {
        Purpose::Http => json!({ "address": address, "tls": [] }),
        Purpose::Https(tls) => {
            let files = tls.certificates.iter().map(|certificate| certificate.cert.display().to_string());
            let protocols = tls.protocols.iter().map(|protocol| protocol.as_str());
            json!({
                "address": address,
                "tls": files.collect::<Value>(),
                "min_tls": tls.min_version.as_str(),
                "alpn": protocols.collect::<Value>(),
            })
        }
        Purpose::Redirect { https_port } => json!({ "address": address, "redirect": https_port }),
    }
}

pub(super) fn admin(admin: &Admin) -> Value {
    json!({ "address": admin.address.to_string(), "token": presence(admin.token.as_ref()), "hosts": admin.hosts })
}

pub(super) fn trusted_issuer(issuer: &TrustedIssuer) -> Value {
    let (keys, source) = key_source(&issuer.keys);
    let mut described = json!({
        "issuer": issuer.issuers,
        "fetch_token": presence(issuer.fetch_token.as_ref()),
        "algorithms": issuer.algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Value>(),
        "claims": claims(&issuer.claims),
        "token_type": match issuer.token_type {
            TokenProfile::Any => "any",
            TokenProfile::AtJwt => "at+jwt",
        },
        "allow_nonce": issuer.allow_nonce,
        "exchange_audiences": issuer.exchange_audiences,
        "ignore_audiences": issuer.ignore_audiences,
        "require": requirements(&issuer.require),
        "subjects": match issuer.subjects {
            SubjectForm::Qualified => "qualified",
            SubjectForm::Plain => "plain",
        },
        "refresh": time(issuer.refresh),
        "refetch_after": time(issuer.refetch_after),
        "max_stale": time(issuer.max_stale),
    });
    described[keys] = source;
    described
}

fn key_source(source: &KeySource) -> (&'static str, Value) {
    match source {
        KeySource::Discovery { issuer } => ("discovery", json!(address(issuer))),
        KeySource::DiscoveryAt { url } => ("discovery", json!(address(url))),
        KeySource::Jwks(places) => {
            let places = places.iter().map(|place| match place {
                JwksLocation::Url(url) => address(url),
                JwksLocation::File { path, .. } => path.display().to_string(),
            });
            ("jwks", places.collect())
        }
        KeySource::Own => ("jwks", json!("this issuer's own keys")),
    }
}

fn claims(names: &ClaimNames) -> Value {
    let texts = |paths: &[ClaimPath]| paths.iter().map(|path| path.text.clone()).collect::<Value>();
    json!({
        "scope": texts(&names.scope),
        "client": texts(&names.client),
        "subject": texts(&names.subject),
        "carry": texts(&names.carry),
    })
}

fn requirements(requirements: &[Requirement]) -> Value {
    let each = requirements.iter().map(|requirement| (requirement.claim.text.clone(), json!(requirement.values)));
    Value::Object(each.collect())
}

pub(super) fn networks(networks: &[Network]) -> Value {
    networks.iter().map(|network| format!("{}/{}", network.address, network.prefix)).collect()
}

pub(super) fn log(log: &Log) -> Value {
    let format = match log.format {
        LogFormat::Auto => "auto",
        LogFormat::Json => "json",
        LogFormat::Text => "text",
    };
    json!({ "level": log.level, "format": format })
}

pub(super) fn limits(limits: &Limits) -> Value {
    json!({
        "header_bytes": limits.header_bytes,
        "headers": limits.headers,
        "body_bytes": limits.body_bytes,
        "token_bytes": limits.token_bytes,
        "token_cache_bytes": limits.token_cache_bytes,
        "connections": limits.connections,
        "connections_per_address": limits.connections_per_address,
        "header_timeout": time(limits.header_timeout),
        "body_timeout": time(limits.body_timeout),
        "idle_timeout": time(limits.idle_timeout),
        "connect_timeout": time(limits.connect_timeout),
        "read_timeout": time(limits.read_timeout),
        "tunnel_age": time(limits.tunnel_age),
        "token_lifetime": time(limits.token_lifetime),
        "drain": time(limits.drain),
    })
}

fn issuer_name(config: &Config, issuer: IssuerId) -> String {
    config.trusted_issuers.get(issuer.0).map_or_else(String::new, |issuer| issuer.name.to_string())
}

fn patterns(scopes: &[ScopePattern]) -> Value {
    scopes.iter().map(ToString::to_string).collect()
}

fn presence<T>(value: Option<&T>) -> Option<&'static str> {
    value.map(|_| "(set)")
}

/// A URL without what stands before its host, or behind its path: both may be credentials.
fn address(url: &Url) -> String {
    let mut url = url.clone();
    // Only URLs without a host refuse this, and those have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.into()
}

fn time(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Environment, parse};
    use super::*;

    const YAML: &str = "
        listen:
          - 127.0.0.1:0
          - { address: 127.0.0.1:8081, redirect: 8443 }
          - { address: 127.0.0.1:8443, tls: { cert: tests/fixtures/config/files/site.pem,
              key: tests/fixtures/config/files/site.key }, min_tls: 1.3, alpn: [http/1.1] }
        admin: { address: 192.0.2.1:9090, token: hunter2hunter2hunter2hunter2hunter2 }
        trusted_issuers:
          corp: { issuer: https://login.example, fetch_token: hunter2hunter2 }
        defaults: { identity_headers: { X-User: sub } }
        resources:
          https://api.example:
            upstream: http://127.0.0.1:9001
            scopes: { read: Read, 'transaction:{id}': Approve }
            rules:
              - { path: /healthz, public: true }
              - { path: '/transactions/{id}', methods: [POST], scopes: ['transaction:{id}'] }
            issuers: { corp: { audiences: [api://1], scope_map: { R: [read] } } }
            cors: { origins: [https://app.example] }
            allowed_clients: [corp|app, batch]
            user_claims: { email: [read] }
            access: { department: [sales] }
            forward: narrowed
          https://reports.example:
            upstream: http://127.0.0.1:9002
            scopes: [reports]
        issuer:
          url: https://auth.example
          signing: { key_encryption: hunter2hunter2hunter2hunter2hunter2 }
          clients:
            batch:
              secret: [hunter2hunter2hunter2hunter2hunter2, hunter2hunter2hunter2hunter2hunter22]
              grants: [client_credentials, token_exchange]
              resources: { https://api.example: [read, 'transaction:7'] }
              serves: https://api.example
              exchange: { https://reports.example: { read: [reports] } }
              known_as: { corp: app }
            web:
              secret: hunter2hunter2hunter2hunter2hunter2
              name: Reports
              grants: [authorization_code, refresh_token]
              redirect_uris: [https://app.example/cb]
              resources: { https://api.example: [read] }
              consent: never
          login:
            openid:
              corp: { client_id: narrowgate, client_secret: hunter2, title: Staff, scopes: [openid, email] }
            users:
              bob:
                password: $argon2id$v=19$m=19456,t=2,p=1$aHVudGVyMmh1bnRlcjI$aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmg
                claims: { department: hunter2 }
          lifetimes: { session: 1h }
        store: state.redb
    ";

    #[test]
    fn every_key_is_there_and_no_secret() {
        let loaded = parse(YAML, Path::new("gateway.yaml"), &Environment::of_process());
        let config = match loaded {
            Ok(loaded) => loaded.config,
            Err(faults) => panic!("{faults:?}"),
        };
        let described = describe(&config);
        assert!(!described.to_string().contains("hunter2"), "{described}");
        assert_eq!(described["admin"]["token"], "(set)");
        assert_eq!(described["trusted_issuers"]["corp"]["fetch_token"], "(set)");
        assert_eq!(described["trusted_issuers"]["corp"]["discovery"], "https://login.example/");
        assert_eq!(described["limits"]["drain"], "25s");
        assert_eq!(described["listen"][0], json!({ "address": "127.0.0.1:0", "tls": [] }));
        let encrypted = &described["listen"][2];
        assert_eq!((&encrypted["min_tls"], &encrypted["alpn"]), (&"1.3".into(), &json!(["http/1.1"])));
        assert_eq!(described["listen"][1], json!({ "address": "127.0.0.1:8081", "redirect": 8443 }));
        let resource = &described["resources"]["https://api.example"];
        assert_eq!(resource["upstream"]["urls"][0], "http://127.0.0.1:9001/");
        assert_eq!(resource["rules"][0], json!({ "path": "/healthz", "public": true, "forward": "none" }));
        assert_eq!(resource["rules"][1]["scopes"][0], "transaction:{id}");
        assert_eq!(resource["issuers"]["corp"]["scope_map"]["R"][0], "read");
        assert_eq!(resource["identity_headers"]["x-user"], "sub");
        assert_eq!(resource["allowed_clients"], json!(["corp|app", "batch"]));
        assert_eq!((&resource["forward"], &resource["user_claims"]["email"]), (&"narrowed".into(), &json!(["read"])));
        let issuer = &described["issuer"];
        assert_eq!((&issuer["url"], &described["store"]), (&"https://auth.example".into(), &"state.redb".into()));
        let signing = json!({ "algorithm": "ES256", "rotate_every": "2592000s", "key_encryption": "(set)" });
        assert_eq!(issuer["signing"], signing);
        let client = json!({
            "secret": ["(set)", "(set)"],
            "grants": ["client_credentials", "token_exchange"],
            "resources": { "https://api.example": ["read", "transaction:7"] },
            "default_resource": null,
            "serves": "https://api.example",
            "exchange": { "https://reports.example": { "read": ["reports"] } },
            "known_as": { "corp": "app" },
            "name": null,
            "redirect_uris": [],
            "consent": "ask",
            "require_pushed_authorization_requests": false,
            "disabled": false,
        });
        assert_eq!(issuer["clients"]["batch"], client);
        let web = &issuer["clients"]["web"];
        assert_eq!((&web["name"], &web["consent"]), (&"Reports".into(), &"never".into()));
        assert_eq!(web["redirect_uris"], json!(["https://app.example/cb"]));
        let lifetimes =
            json!({ "access_token": "300s", "code": "60s", "refresh_token": "2592000s", "session": "3600s" });
        assert_eq!(issuer["lifetimes"], lifetimes);
        let login = json!({
            "openid": { "corp": {
                "title": "Staff",
                "client_id": "narrowgate",
                "client_secret": "(set)",
                "scopes": ["openid", "email"],
                "userinfo": false,
            } },
            "users": { "bob": { "password": "(set)", "claims": { "department": "(set)" } } },
        });
        assert_eq!(issuer["login"], login);
        assert_eq!(resource["access"], json!({ "department": ["sales"] }));
    }

    #[test]
    fn a_url_is_shown_without_credentials() {
        let url = Url::parse("https://user:hunter2@login.example/jwks?key=hunter2").unwrap();
        assert!(!address(&url).contains("hunter2"), "{}", address(&url));
        assert_eq!(time(Duration::from_millis(1500)), "1500ms");
    }
}
