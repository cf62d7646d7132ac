//! Whether clients that sign have anything to be held against: what lies in files alone is known before anything serves.

use super::StartError;
use crate::config::{AuthorizationServer, Client, ClientAuthentication, JwksLocation};
use crate::oauth::Algorithm;
use crate::token::keys::KeySet;

/// Every client whose keys lie in files alone, none of which can be used.
pub fn hopeless_clients(server: &AuthorizationServer) -> impl Iterator<Item = StartError> {
    server.clients.iter().enumerate().filter_map(|(at, client)| {
        let why = why_hopeless(client)?;
        Some(StartError::NoClientKeys { at, client: client.id.clone(), why })
    })
}

fn why_hopeless(client: &Client) -> Option<String> {
    let ClientAuthentication::Keys(locations) = &client.authentication else { return None };
    let files = locations.iter().map(|location| match location {
        JwksLocation::File { json, .. } => Some(&**json),
        JwksLocation::Url(_) => None,
    });
    let files: Vec<&[u8]> = files.collect::<Option<_>>()?;
    KeySet::parse(&files, &Algorithm::ALL).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, Loaded, parse};

    /// What is wrong with a client whose keys lie there.
    fn told(places: &str) -> Vec<String> {
        let text = format!(
            "listen: 127.0.0.1:0\n\
             resources: {{ https://a.example.com: {{ upstream: http://127.0.0.1:1, scopes: [read] }} }}\n\
             issuer:\n  url: https://b.example.com\n  clients:\n    \
             app: {{ grants: [client_credentials], resources: {{ https://a.example.com: [read] }},\n      \
             jwks: {places} }}\n"
        );
        let file = Path::new("tests/fixtures/cli/g.yaml");
        let Loaded { config, places, .. } = parse(&text, file, &Environment::default()).unwrap();
        let faults = hopeless_clients(config.issuer.as_ref().unwrap()).filter_map(|error| error.fault(&places));
        faults.map(|fault| format!("{}:{}: {}", fault.place.line, fault.place.column, fault.message)).collect()
    }

    #[test]
    fn a_client_needs_one_key_that_can_be_used() {
        assert!(told("[key-odd.json, ../config/files/cluster-jwks.json]").is_empty());
        let told = told("key-odd.json");
        let expected = "7:13: the client `app` can never prove who it is: the key set has no usable key";
        assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
    }

    #[test]
    fn what_is_fetched_is_not_known_yet() {
        assert!(told("[key-odd.json, https://app.example.com/jwks]").is_empty());
    }
}
