//! What the issuer is and does (RFC 8414 §2): only what is really offered, by the configuration in force.
//!
//! The authorization endpoint is told where users can log in and a client sends them there; else
//! `response_types_supported`, which is required, is empty. Deliberately absent: scopes and resources, which each API tells of
//! itself (RFC 9728), whose tokens are accepted in an exchange, everything about ID tokens, of which there are none, and
//! `require_pushed_authorization_requests`, which each client is held to by itself.

use serde::Serialize;

use super::Endpoint;
use crate::config::{AuthorizationServer, Client, ClientAuthentication, GrantType, SecretMethod};
use crate::oauth::{Algorithm, CodeChallenge};

#[derive(Serialize)]
struct Document<'s> {
    issuer: &'s str,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<String>,
    revocation_endpoint: String,
    #[serde(flatten)]
    users: Option<ForUsers>,
    response_types_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grant_types_supported: Vec<&'static str>,
    #[serde(flatten)]
    methods: Methods,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
}

/// What there is where a client asks users.
#[derive(Serialize)]
struct ForUsers {
    authorization_endpoint: String,
    pushed_authorization_request_endpoint: String,
    response_modes_supported: [&'static str; 1],
    code_challenge_methods_supported: [&'static str; 1],
    authorization_response_iss_parameter_supported: bool,
    prompt_values_supported: [&'static str; 4],
}

/// Ways to authenticate, at each endpoint.
#[derive(Serialize)]
struct Methods {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
}

/// The document, in JSON.
pub fn metadata(server: &AuthorizationServer) -> Vec<u8> {
    let clients = || server.clients.iter().filter(|client| !client.disabled);
    let serving: Vec<&Client> =
        clients().filter(|client| client.is_confidential() && client.serves.is_some()).collect();
    // A client that cannot prove who it is has users who do.
    let may = |client: &Client, grant: GrantType| {
        let is_there = if grant.is_of_users() { server.login.is_some() } else { client.is_confidential() };
        is_there && client.grants.contains(&grant)
    };
    let asking: Vec<&Client> =
        clients().filter(|client| GrantType::ALL.into_iter().any(|grant| may(client, grant))).collect();
    let offered = |grant: &GrantType| asking.iter().any(|client| may(client, *grant));
    let users = offered(&GrantType::AuthorizationCode).then(|| ForUsers {
        authorization_endpoint: Endpoint::Authorization.url(server),
        pushed_authorization_request_endpoint: Endpoint::PushedAuthorization.url(server),
        response_modes_supported: ["query"],
        code_challenge_methods_supported: [CodeChallenge::METHOD],
        authorization_response_iss_parameter_supported: true,
        prompt_values_supported: ["none", "login", "consent", "select_account"],
    });
    let document = Document {
        issuer: &server.issuer,
        token_endpoint: Endpoint::Token.url(server),
        jwks_uri: Endpoint::Keys.url(server),
        introspection_endpoint: (!serving.is_empty()).then(|| Endpoint::Introspection.url(server)),
        revocation_endpoint: Endpoint::Revocation.url(server),
        response_types_supported: if users.is_some() { &["code"] } else { &[] },
        users,
        grant_types_supported: GrantType::ALL.into_iter().filter(offered).map(GrantType::as_str).collect(),
        methods: Methods {
            token_endpoint_auth_methods_supported: methods(&asking),
            token_endpoint_auth_signing_alg_values_supported: algorithms(&asking),
            introspection_endpoint_auth_methods_supported: methods(&serving),
            introspection_endpoint_auth_signing_alg_values_supported: algorithms(&serving),
            revocation_endpoint_auth_methods_supported: methods(&asking),
            revocation_endpoint_auth_signing_alg_values_supported: algorithms(&asking),
        },
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
    };
    serde_json::to_vec(&document).expect("text under fixed names is always JSON")
}

fn methods(clients: &[&Client]) -> Vec<&'static str> {
    let mut methods = Vec::new();
    if clients.iter().any(|client| matches!(client.authentication, ClientAuthentication::Keys(_))) {
        methods.push("private_key_jwt");
    }
    let with_secret = |method: &SecretMethod| {
        clients
            .iter()
            .any(|client| matches!(client.authentication, ClientAuthentication::Secrets(_)) && client.allows(*method))
    };
    methods.extend(SecretMethod::ALL.into_iter().filter(with_secret).map(SecretMethod::as_str));
    if clients.iter().any(|client| !client.is_confidential()) {
        methods.push("none");
    }
    methods
}

/// What an assertion may be signed with, where anybody signs one.
fn algorithms(clients: &[&Client]) -> Vec<&'static str> {
    match clients.iter().any(|client| matches!(client.authentication, ClientAuthentication::Keys(_))) {
        true => Algorithm::ALL.into_iter().map(Algorithm::as_str).collect(),
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{ResourceId, UserLogin};
    use crate::issuer::tests::server_of;
    use crate::secret::Secret;

    fn document(server: &AuthorizationServer) -> Value {
        serde_json::from_slice(&metadata(server)).unwrap()
    }

    #[test]
    fn only_what_is_offered_is_told() {
        let mut server = server_of(&[("a", ClientAuthentication::Secrets(vec![Secret::new("s")]))]);
        assert_eq!(
            document(&server),
            json!({
                "issuer": "https://auth.example.com",
                "token_endpoint": "https://auth.example.com/token",
                "jwks_uri": "https://auth.example.com/jwks",
                "revocation_endpoint": "https://auth.example.com/revoke",
                "response_types_supported": [],
                "grant_types_supported": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "request_parameter_supported": false,
                "request_uri_parameter_supported": false,
            })
        );
        server.clients[0].serves = Some(ResourceId(0));
        server.clients[0].grants = vec![GrantType::TokenExchange];
        let told = document(&server);
        assert_eq!(told["introspection_endpoint"], "https://auth.example.com/introspect");
        assert_eq!(told["grant_types_supported"], json!(["urn:ietf:params:oauth:grant-type:token-exchange"]));
    }

    #[test]
    fn what_is_for_users_is_told_where_they_can_log_in_and_somebody_asks_them() {
        let secret = ClientAuthentication::Secrets(vec![Secret::new("s")]);
        let mut server = server_of(&[("a", secret), ("p", ClientAuthentication::None)]);
        server.clients[1].grants = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
        let without_login = document(&server);
        server.login = Some(UserLogin { openid: Vec::new(), users: Vec::new() });
        let told = document(&server);
        assert_eq!(told["authorization_endpoint"], "https://auth.example.com/authorize");
        assert_eq!(told["pushed_authorization_request_endpoint"], "https://auth.example.com/par");
        assert_eq!(told["response_types_supported"], json!(["code"]));
        assert_eq!(told["response_modes_supported"], json!(["query"]));
        assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(told["authorization_response_iss_parameter_supported"], true);
        assert_eq!(told["prompt_values_supported"], json!(["none", "login", "consent", "select_account"]));
        let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
        let grants = json!(["authorization_code", "refresh_token", "client_credentials", exchange]);
        assert_eq!(told["grant_types_supported"], grants);
        for endpoint in ["token", "revocation"] {
            let methods = &told[format!("{endpoint}_endpoint_auth_methods_supported")];
            assert_eq!(methods, &json!(["client_secret_basic", "client_secret_post", "none"]), "{endpoint}");
        }
        assert!(told.as_object().unwrap().keys().all(|name| !name.contains("id_token") && !name.contains("require")));
        server.clients[1].disabled = true;
        for told in [without_login, document(&server)] {
            assert_eq!(told["response_types_supported"], json!([]));
            assert_eq!(told["grant_types_supported"], json!(["client_credentials", exchange]));
            let methods = &told["token_endpoint_auth_methods_supported"];
            assert_eq!(methods, &json!(["client_secret_basic", "client_secret_post"]));
            assert!(told.get("authorization_endpoint").is_none() && told.get("prompt_values_supported").is_none());
        }
    }

    #[test]
    fn only_the_place_of_a_secret_is_told_where_it_counts() {
        let mut server = server_of(&[("a", ClientAuthentication::Secrets(vec![Secret::new("s")]))]);
        server.clients[0].secret_method = Some(SecretMethod::Post);
        let told = document(&server);
        assert_eq!(told["token_endpoint_auth_methods_supported"], json!(["client_secret_post"]));
        assert_eq!(told["revocation_endpoint_auth_methods_supported"], json!(["client_secret_post"]));
    }

    #[test]
    fn who_gets_no_token_has_no_method_for_one() {
        let secret = || ClientAuthentication::Secrets(vec![Secret::new("s")]);
        for change in [|client: &mut Client| client.grants.clear(), |client: &mut Client| client.disabled = true] {
            let mut server = server_of(&[("a", secret())]);
            change(&mut server.clients[0]);
            let told = document(&server);
            for member in ["grant_types_supported", "token_endpoint_auth_methods_supported"] {
                assert!(told.get(member).is_none(), "{member}");
            }
        }
    }

    #[test]
    fn no_method_is_told_that_nobody_has() {
        let keys = ClientAuthentication::Keys(Vec::new());
        let mut server = server_of(&[("k", keys), ("p", ClientAuthentication::None)]);
        server.clients[0].serves = Some(ResourceId(0));
        server.clients[1].serves = Some(ResourceId(0));
        let told = document(&server);
        assert_eq!(told["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
        assert_eq!(told["introspection_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
        let algorithms = told["token_endpoint_auth_signing_alg_values_supported"].as_array().unwrap();
        assert!(!algorithms.is_empty() && algorithms.iter().all(|name| !name.as_str().unwrap().starts_with("HS")));
    }
}
