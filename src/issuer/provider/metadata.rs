//! Where a provider answers, by its own document (OpenID Connect Discovery §3, RFC 9207 §3).
//!
//! The document must be about the issuer that the configuration names, byte for byte, and what it names is fenced as the
//! place of the keys is: over `https`, unless the document came over `http` itself.

use serde::Deserialize;
use url::Url;

use crate::config::SecretMethod;
use crate::token::keys::endpoint;

/// Where a provider answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderMetadata {
    /// Its `issuer`, byte for byte.
    pub issuer: String,
    /// Where users are sent.
    pub authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub token_endpoint: Url,
    /// Where more is told of a user.
    pub userinfo_endpoint: Option<Url>,
    /// Where it takes a secret: in the header, unless it says that it takes it in the form alone.
    pub secret_method: SecretMethod,
    /// Whether each of its answers says who answers.
    pub says_iss: bool,
}

/// Why a document is no provider's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidProvider {
    /// No JSON object with what is needed, each once.
    #[error("it is no metadata with one `issuer`, one `authorization_endpoint` and one `token_endpoint`")]
    Json,
    /// It is about somebody else.
    #[error("its `issuer` is not the configured one")]
    OtherIssuer,
    /// An endpoint is no URL that it may name.
    #[error("its `{0}` is no `https` URL that may be used")]
    Endpoint(&'static str),
}

#[derive(Deserialize)]
struct Written {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

impl ProviderMetadata {
    /// Reads a document that came from `place` and must be about one of `issuers`.
    ///
    /// # Errors
    ///
    /// [`InvalidProvider`] says what is wrong with it.
    pub fn read(document: &[u8], issuers: &[String], place: &Url) -> Result<Self, InvalidProvider> {
        let written: Written = serde_json::from_slice(document).map_err(|_| InvalidProvider::Json)?;
        if !issuers.contains(&written.issuer) {
            return Err(InvalidProvider::OtherIssuer);
        }
        let at = |name: &'static str, named: &str| {
            let url = endpoint(named, place).filter(|url| url.fragment().is_none());
            url.ok_or(InvalidProvider::Endpoint(name))
        };
        let methods = written.token_endpoint_auth_methods_supported.unwrap_or_default();
        let takes = |method: SecretMethod| methods.iter().any(|name| name == method.as_str());
        let is_post_alone = takes(SecretMethod::Post) && !takes(SecretMethod::Basic);
        Ok(Self {
            authorization_endpoint: at("authorization_endpoint", &written.authorization_endpoint)?,
            token_endpoint: at("token_endpoint", &written.token_endpoint)?,
            userinfo_endpoint: written.userinfo_endpoint.map(|named| at("userinfo_endpoint", &named)).transpose()?,
            secret_method: if is_post_alone { SecretMethod::Post } else { SecretMethod::Basic },
            says_iss: written.authorization_response_iss_parameter_supported.unwrap_or(false),
            issuer: written.issuer,
        })
    }
}
