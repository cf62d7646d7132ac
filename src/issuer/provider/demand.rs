//! What a client's request asks of a login, in the words that a provider understands, and whether a login is that
//! (OpenID Connect Core §3.1.2.1, RFC 9470 §5).

use std::time::Duration;

use url::Url;
use url::form_urlencoded::Serializer;

use super::{LoginAttempt, ProviderMetadata};
use crate::clock::Timestamp;
use crate::config::OpenIdLogin;
use crate::issuer::{Asked, Interaction};
use crate::oauth::{CodeChallenge, Scope};
use crate::token::LEEWAY;

/// What is asked of a login; of one that no client asks for, nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoginDemand {
    /// Whether the user has to log in now, whatever session the provider has of him.
    pub fresh: bool,
    /// Whether he is to choose who he is.
    pub select_account: bool,
    /// How long ago he may have logged in.
    pub max_age: Option<Duration>,
    /// Who he probably is.
    pub hint: Option<String>,
}

impl LoginDemand {
    /// What a client asks of it.
    pub fn of(asked: &Asked) -> Self {
        Self {
            fresh: asked.wants(Interaction::Login),
            select_account: asked.wants(Interaction::SelectAccount),
            max_age: asked.max_age,
            hint: asked.login_hint.clone(),
        }
    }

    /// Where the user is sent: the provider's endpoint, with all that is asked there.
    pub fn location(
        &self,
        provider: &ProviderMetadata,
        login: &OpenIdLogin,
        redirect_uri: &str,
        attempt: &LoginAttempt,
        state: &str,
    ) -> String {
        let scopes: Vec<&str> = login.scopes.iter().map(Scope::as_str).collect();
        let mut query = Serializer::new(String::new());
        query.append_pair("response_type", "code");
        query.append_pair("client_id", &login.client_id);
        query.append_pair("redirect_uri", redirect_uri);
        query.append_pair("scope", &scopes.join(" "));
        query.append_pair("state", state);
        query.append_pair("nonce", &attempt.nonce);
        query.append_pair("code_challenge", &attempt.verifier.challenge().to_string());
        query.append_pair("code_challenge_method", CodeChallenge::METHOD);
        let asked = [(self.fresh, "login"), (self.select_account, "select_account")];
        let prompt: Vec<&str> = asked.into_iter().filter_map(|(is_asked, word)| is_asked.then_some(word)).collect();
        if !prompt.is_empty() {
            query.append_pair("prompt", &prompt.join(" "));
        }
        if let Some(max_age) = self.max_age_asked() {
            query.append_pair("max_age", &max_age.to_string());
        }
        if let Some(hint) = &self.hint {
            query.append_pair("login_hint", hint);
        }
        with_query(&provider.authorization_endpoint, &query.finish())
    }

    /// `max_age` as it is sent, in seconds. A fresh login is none that is a second old, and to say so makes the provider tell
    /// when it was.
    fn max_age_asked(&self) -> Option<u64> {
        if self.fresh { Some(0) } else { self.max_age.map(|max_age| max_age.as_secs()) }
    }

    /// Whether a login at `auth_time` is what is asked for at `now`, by a transaction that began at `begun`.
    pub fn is_met(&self, auth_time: Option<Timestamp>, begun: Timestamp, now: Timestamp) -> bool {
        let since = |earliest: u64| auth_time.is_some_and(|at| at.0.saturating_add(LEEWAY) >= earliest);
        let is_fresh = !self.fresh || since(begun.0);
        is_fresh && self.max_age.is_none_or(|max_age| since(now.0.saturating_sub(max_age.as_secs())))
    }
}

/// A URL with more in its query; what it has there stays as it is written.
fn with_query(url: &Url, more: &str) -> String {
    match url.query() {
        None => format!("{url}?{more}"),
        Some("") => format!("{url}{more}"),
        Some(_) => format!("{url}&{more}"),
    }
}
