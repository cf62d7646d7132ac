//! What the issuer is and does (RFC 8414 §2): only what is really offered, by the configuration in force.
//!
//! `response_types_supported` is required and empty, as there is no authorization endpoint. Deliberately absent: scopes and
//! resources, which each API tells of itself (RFC 9728), and whose tokens are accepted in an exchange.

use serde::Serialize;

use super::Endpoint;
use crate::config::{AuthorizationServer, Client, ClientAuthentication, GrantType, SecretMethod};
use crate::oauth::Algorithm;

#[derive(Serialize)]
struct Document<'s> {
    issuer: &'s str,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<String>,
    revocation_endpoint: String,
    response_types_supported: [&'static str; 0],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grant_types_supported: Vec<&'static str>,
    #[serde(flatten)]
    methods: Methods,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
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
    // Both grants, introspection, and what there is to take back are for clients that prove who they are.
    let clients = || server.clients.iter().filter(|client| !client.disabled && client.is_confidential());
    let serving: Vec<&Client> = clients().filter(|client| client.serves.is_some()).collect();
    let grants = [GrantType::ClientCredentials, GrantType::TokenExchange];
    let asking: Vec<&Client> =
        clients().filter(|client| client.grants.iter().any(|grant| grants.contains(grant))).collect();
    let offered = |grant: &GrantType| asking.iter().any(|client| client.grants.contains(grant));
    let document = Document {
        issuer: &server.issuer,
        token_endpoint: Endpoint::Token.url(server),
        jwks_uri: Endpoint::Keys.url(server),
        introspection_endpoint: (!serving.is_empty()).then(|| Endpoint::Introspection.url(server)),
        revocation_endpoint: Endpoint::Revocation.url(server),
        response_types_supported: [],
        grant_types_supported: grants.into_iter().filter(offered).map(GrantType::as_str).collect(),
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
    use crate::config::ResourceId;
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
