//! A code becomes a proven login: the provider's token endpoint, the ID token with the provider's keys, and UserInfo.
//!
//! The other tokens that come along end here: one asks UserInfo, and all are dropped.

use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::refused::{NotLoggedIn, away_or};
use super::way::Provider;
use crate::clock::Timestamp;
use crate::config::{LoginAuthentication, SecretMethod};
use crate::fetch::Fetcher;
use crate::issuer::{ExpectedIdToken, IdToken, IdTokenFault, LoginAttempt, ProvenLogin, ProviderMetadata};
use crate::secret::Secret;
use crate::token::Keyring;
use crate::token::mint::ClientKey;

/// What names the way in which an assertion proves a client (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A login whose answer came, and all that it takes to judge it.
#[derive(Clone, Copy)]
pub(super) struct Redemption<'a> {
    pub(super) provider: Provider<'a>,
    pub(super) metadata: &'a ProviderMetadata,
    pub(super) keyring: &'a Keyring,
    pub(super) fetcher: &'a Fetcher,
    pub(super) attempt: &'a LoginAttempt,
    pub(super) redirect_uri: &'a str,
}

/// What counts of a token endpoint's answer.
#[derive(Deserialize)]
struct Answer {
    id_token: String,
    access_token: Option<String>,
}

/// What is sent there.
struct Asking<'a> {
    form: Secret,
    /// The id and the secret of a client that are not in the form.
    header: Option<(&'a str, &'a Secret)>,
}

impl Redemption<'_> {
    /// Who the provider says that it was.
    ///
    /// # Errors
    ///
    /// [`NotLoggedIn`] with the first thing that is wrong.
    pub(super) async fn redeem(&self, code: &Secret) -> Result<ProvenLogin, NotLoggedIn> {
        let asking = self.asking(code)?;
        let answer = self.fetcher.post_form(&self.metadata.token_endpoint, asking.header, &asking.form).await;
        let answer = answer.map_err(|error| away_or(error, NotLoggedIn::Redemption))?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|_| NotLoggedIn::NoIdToken)?;
        let (id_token, access_token) = (Secret::new(answer.id_token), answer.access_token.map(Secret::new));
        let proven = self.proven(&id_token, access_token.as_ref()).await?;
        match self.provider.login.userinfo {
            false => Ok(proven),
            true => self.with_userinfo(proven, access_token.as_ref()).await,
        }
    }

    /// What redeems a code, and who we are: where the provider takes that.
    fn asking(&self, code: &Secret) -> Result<Asking<'_>, NotLoggedIn> {
        let client_id = self.provider.login.client_id.as_str();
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code");
        form.append_pair("code", &text(code));
        form.append_pair("redirect_uri", self.redirect_uri);
        form.append_pair("code_verifier", self.attempt.verifier.expose());
        let mut header = None;
        match &self.provider.login.authentication {
            LoginAuthentication::Secret(secret) => match self.metadata.secret_method {
                SecretMethod::Basic => header = Some((client_id, secret)),
                SecretMethod::Post => {
                    form.append_pair("client_id", client_id);
                    form.append_pair("client_secret", &text(secret));
                }
            },
            LoginAuthentication::Key { pem, kid } => {
                let key = ClientKey::from_pem(pem.expose(), kid.as_deref())?;
                let assertion = key.assertion(client_id, &self.metadata.issuer, Timestamp::now());
                let assertion = assertion.map_err(|_| NotLoggedIn::Broken("the system has no randomness to give"))?;
                form.append_pair("client_id", client_id);
                form.append_pair("client_assertion_type", ASSERTION_TYPE);
                form.append_pair("client_assertion", &text(&assertion));
            }
            LoginAuthentication::None => drop(form.append_pair("client_id", client_id)),
        }
        Ok(Asking { form: Secret::new(form.finish()), header })
    }

    /// Holds the ID token against the provider's keys, which are read again once if they might have changed.
    async fn proven(&self, id_token: &Secret, access_token: Option<&Secret>) -> Result<ProvenLogin, NotLoggedIn> {
        let text = std::str::from_utf8(id_token.expose()).map_err(|_| IdTokenFault::Malformed)?;
        let id_token = IdToken::parse(text)?;
        let expected = ExpectedIdToken {
            trusted: self.provider.trusted,
            issuer: &self.attempt.issuer,
            client_id: &self.provider.login.client_id,
            nonce: &self.attempt.nonce,
            access_token,
        };
        let mut is_last = false;
        loop {
            let now = Timestamp::now();
            let judged = self.keyring.current(now).map(|keys| id_token.judge(&keys, &expected, now));
            match judged {
                Some(Err(IdTokenFault::KeyUnknown)) | None if !is_last && self.keyring.wants_refetch(now) => {
                    self.keyring.refetch().await;
                    is_last = true;
                }
                Some(judged) => return Ok(judged?),
                None => return Err(NotLoggedIn::Unreachable("no key of the provider could be had".to_owned())),
            }
        }
    }

    async fn with_userinfo(
        &self,
        proven: ProvenLogin,
        access_token: Option<&Secret>,
    ) -> Result<ProvenLogin, NotLoggedIn> {
        let endpoint = self.metadata.userinfo_endpoint.as_ref();
        let (endpoint, access_token) = endpoint.zip(access_token).ok_or(NotLoggedIn::NoUserInfo)?;
        let told = self.fetcher.fetch(endpoint, Some(access_token)).await;
        let told = told.map_err(|error| away_or(error, NotLoggedIn::UserInfoRefused))?;
        Ok(proven.with_userinfo(&told.body)?)
    }
}
