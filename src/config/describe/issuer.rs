//! Our own issuer and its clients, in the words of `gateway.yaml`.

use serde_json::{Map, Value, json};

use super::super::model::{
    AuthorizationServer, Client, ClientAuthentication, Config, Consent, EdgeScope, GrantType, JwksLocation, KeyOrigin,
    LocalUser, LoginAuthentication, OpenIdLogin, ResourceId, StoreLocation, UserLogin,
};
use super::{address, issuer_name, patterns, presence, time};

/// Describes our own issuer with its clients.
pub(super) fn issuer(config: &Config, server: &AuthorizationServer) -> Value {
    let clients = server.clients.iter();
    let clients: Map<String, Value> = clients.map(|each| (each.id.clone(), client(config, each))).collect();
    let mut described = authorization_server(config, server);
    described["clients"] = clients.into();
    described
}

/// Describes our own issuer without its clients.
pub(in crate::config) fn authorization_server(config: &Config, server: &AuthorizationServer) -> Value {
    let mut signing = match &server.signing.keys {
        KeyOrigin::Files(files) => {
            json!({ "keys": files.iter().map(|file| file.path.display().to_string()).collect::<Value>() })
        }
        KeyOrigin::Store { rotate_every } => json!({ "rotate_every": time(*rotate_every) }),
    };
    signing["key_encryption"] = presence(server.signing.encryption.as_ref()).into();
    signing["algorithm"] = server.signing.algorithm.as_str().into();
    json!({
        "url": server.issuer,
        "lifetimes": {
            "access_token": time(server.access_token_lifetime),
            "code": time(server.code_lifetime),
            "refresh_token": time(server.refresh_token_lifetime),
            "session": time(server.session_lifetime),
        },
        "signing": signing,
        "exchange_depth": server.exchange_depth,
        "development_tokens": server.development_tokens,
        "login": server.login.as_ref().map(|each| login(config, each)),
    })
}

fn login(config: &Config, login: &UserLogin) -> Value {
    let openid = login.openid.iter().map(|each| (issuer_name(config, each.issuer), provider(each)));
    let users = login.users.iter().map(|each| (each.name.clone(), user(each)));
    json!({ "openid": openid.collect::<Map<_, _>>(), "users": users.collect::<Map<_, _>>() })
}

fn provider(login: &OpenIdLogin) -> Value {
    let mut described = json!({
        "title": login.title,
        "client_id": login.client_id,
        "scopes": login.scopes.iter().map(ToString::to_string).collect::<Value>(),
        "userinfo": login.userinfo,
    });
    match &login.authentication {
        LoginAuthentication::Secret(secret) => described["client_secret"] = presence(Some(secret)).into(),
        LoginAuthentication::Key { pem, kid } => {
            described["client_key"] = presence(Some(pem)).into();
            described["client_key_id"] = json!(kid);
        }
        LoginAuthentication::None => {}
    }
    described
}

/// What is known of a user is somebody's, so the names of it have to do.
fn user(user: &LocalUser) -> Value {
    let claims = user.claims.keys().map(|name| (name.clone(), json!("(set)")));
    json!({ "password": presence(Some(&user.password)), "claims": claims.collect::<Map<_, _>>() })
}

/// Describes where our own issuer keeps its state.
pub(in crate::config) fn store(location: &StoreLocation) -> Value {
    json!(location.to_string())
}

/// Describes a client of our own issuer.
pub(in crate::config) fn client(config: &Config, client: &Client) -> Value {
    let resources = client.resources.iter().map(|(resource, scopes)| (key(config, *resource), patterns(scopes)));
    let exchange = client.exchange.iter().map(|(target, scopes)| (key(config, *target), edge(scopes)));
    let known_as = client.known_as.iter().map(|(issuer, id)| (issuer_name(config, *issuer), json!(id)));
    let mut described = json!({
        "name": client.name,
        "grants": client.grants.iter().map(|grant| grant_word(*grant)).collect::<Value>(),
        "resources": resources.collect::<Map<_, _>>(),
        "default_resource": client.default_resource.map(|resource| key(config, resource)),
        "serves": client.serves.map(|resource| key(config, resource)),
        "exchange": exchange.collect::<Map<_, _>>(),
        "known_as": known_as.collect::<Map<_, _>>(),
        "redirect_uris": client.redirect_uris.iter().map(ToString::to_string).collect::<Value>(),
        "consent": match client.consent {
            Consent::Ask => "ask",
            Consent::Never => "never",
        },
        "require_pushed_authorization_requests": client.require_pushed_authorization_requests,
        "disabled": client.disabled,
    });
    if let Some(method) = client.secret_method {
        described["auth"] = method.as_str().into();
    }
    match &client.authentication {
        ClientAuthentication::Secrets(secrets) => {
            described["secret"] = secrets.iter().map(|secret| presence(Some(secret))).collect();
        }
        ClientAuthentication::Keys(places) => {
            let places = places.iter().map(|place| match place {
                JwksLocation::Url(url) => address(url),
                JwksLocation::File { path, .. } => path.display().to_string(),
            });
            described["jwks"] = places.collect();
        }
        ClientAuthentication::None => described["auth"] = "none".into(),
    }
    described
}

/// The word for a grant in `grants`.
fn grant_word(grant: GrantType) -> &'static str {
    match grant {
        GrantType::TokenExchange => "token_exchange",
        GrantType::AuthorizationCode | GrantType::RefreshToken | GrantType::ClientCredentials => grant.as_str(),
    }
}

fn edge(scopes: &[EdgeScope]) -> Value {
    Value::Object(scopes.iter().map(|rule| (rule.from.to_string(), patterns(&rule.to))).collect())
}

fn key(config: &Config, resource: ResourceId) -> String {
    config.resources.get(resource.0).map_or_else(String::new, |resource| resource.key.to_string())
}
