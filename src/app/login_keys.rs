//! Whether what proves to an OpenID provider who we are can sign: a key that cannot is known before anybody logs in.

use super::StartError;
use crate::config::{AuthorizationServer, LoginAuthentication};
use crate::token::mint::ClientKey;

/// Every login whose `client_key` cannot sign.
pub fn hopeless_logins(server: &AuthorizationServer) -> impl Iterator<Item = StartError> {
    let logins = server.login.iter().flat_map(|login| &login.openid).enumerate();
    logins.filter_map(|(at, login)| {
        let LoginAuthentication::Key { pem, kid } = &login.authentication else { return None };
        let why = ClientKey::from_pem(pem.expose(), kid.as_deref()).err()?;
        Some(StartError::NoLoginKey { at, client_id: login.client_id.clone(), why })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, Loaded, parse};

    /// What is wrong with a login whose key is that file.
    fn told(key: &str) -> Vec<String> {
        let text = format!(
            "listen: 127.0.0.1:0\n\
             trusted_issuers: {{ corp: {{ issuer: https://corp.example }}, other: {{ issuer: https://other.example }} }}\n\
             resources: {{ https://a.example.com: {{ upstream: http://127.0.0.1:1 }} }}\n\
             issuer:\n  url: https://b.example.com\n  login:\n    openid:\n      other: {{ client_id: gate }}\n      \
             corp: {{ client_id: gate, client_key: \"${{file:{key}}}\" }}\n"
        );
        let file = Path::new("tests/fixtures/config/files/g.yaml");
        let Loaded { config, places, .. } = parse(&text, file, &Environment::default()).unwrap();
        let faults = hopeless_logins(config.issuer.as_ref().unwrap()).filter_map(|error| error.fault(&places));
        faults.map(|fault| format!("{}:{}: {}", fault.place.line, fault.place.column, fault.message)).collect()
    }

    #[test]
    fn a_key_that_signs_nothing_is_told_where_it_stands() {
        for good in ["signing.pem", "signing-ed25519.pem"] {
            assert!(told(good).is_empty(), "{good}");
        }
        let told = told("odd.key");
        let expected = "9:44: nobody can log in where this gateway is the client `gate`: `client_key` cannot sign";
        assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
    }
}
