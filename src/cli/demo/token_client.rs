//! The clients of the demo: what they ask of the gateway's own token endpoint, as a request and as a command.

use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::fetch::{FetchError, Fetcher, InvalidTrust};
use crate::oauth::CodeVerifier;
use crate::secret::Secret;

/// A client of the sample configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) id: &'static str,
    secret: &'static str,
}

/// The one that alice uses.
pub(super) const REPORTING_APP: Client = Client { id: "reporting-app", secret: "demo-secret-of-the-reporting-app" };
/// The service behind api1.
pub(super) const API1_SERVICE: Client = Client { id: "api1-service", secret: "demo-secret-of-the-service-behind-api1" };

/// A request for a token.
#[derive(Clone, Debug)]
pub(super) struct TokenAsked {
    client: Client,
    parameters: Vec<(&'static str, String)>,
}

/// Why the demo has no token to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error(transparent)]
    Trust(#[from] InvalidTrust),
    #[error("the token endpoint gives no token")]
    Fetch(#[from] FetchError),
    #[error("the token endpoint gives no token")]
    Form,
}

impl TokenAsked {
    /// The client's own rights at a resource (RFC 6749 §4.4, RFC 8707 §2.2).
    pub(super) fn own_rights(client: Client, resource: &str) -> Self {
        let parameters = vec![("grant_type", "client_credentials".to_owned()), ("resource", resource.to_owned())];
        Self { client, parameters }
    }

    /// A token for one resource, in exchange for another token (RFC 8693 §2.1).
    pub(super) fn exchange(client: Client, subject_token: &str, resource: &str, scope: Option<&str>) -> Self {
        let mut parameters = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token".to_owned()),
            ("resource", resource.to_owned()),
        ];
        parameters.extend(scope.map(|scope| ("scope", scope.to_owned())));
        parameters.push(("subject_token", subject_token.to_owned()));
        Self { client, parameters }
    }

    /// What a code stands for, for one resource (RFC 6749 §4.1.3).
    pub(super) fn code(
        client: Client,
        code: &str,
        verifier: &CodeVerifier,
        redirect_uri: &str,
        resource: &str,
    ) -> Self {
        let parameters = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("code_verifier", verifier.expose().to_owned()),
            ("redirect_uri", redirect_uri.to_owned()),
            ("resource", resource.to_owned()),
        ];
        Self { client, parameters }
    }

    /// Another token of the same grant, for another resource (RFC 6749 §6).
    pub(super) fn refresh(client: Client, refresh_token: &str, resource: &str) -> Self {
        let parameters = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", refresh_token.to_owned()),
            ("resource", resource.to_owned()),
        ];
        Self { client, parameters }
    }

    /// The same as a command that works as it is pasted.
    pub(super) fn command(&self, token_endpoint: &str) -> String {
        let Client { id, secret } = self.client;
        let parameters: String = self.parameters.iter().map(|(name, value)| format!("-d {name}={value} ")).collect();
        format!("curl -si -u {id}:{secret} {parameters}{token_endpoint}")
    }

    /// Asks, and gives the token.
    pub(super) async fn send(&self, token_endpoint: &str) -> Result<String, NoToken> {
        self.answer(token_endpoint).await?["access_token"].as_str().map(str::to_owned).ok_or(NoToken::Form)
    }

    /// Asks, and gives the whole answer.
    pub(super) async fn answer(&self, token_endpoint: &str) -> Result<Value, NoToken> {
        let form = Secret::new(Serializer::new(String::new()).extend_pairs(&self.parameters).finish());
        let url = Url::parse(token_endpoint).map_err(|_| NoToken::Form)?;
        let secret = Secret::new(self.client.secret);
        let answer = Fetcher::new(None)?.post_form(&url, Some((self.client.id, &secret)), &form).await?;
        serde_json::from_slice(&answer).map_err(|_| NoToken::Form)
    }
}
