//! What an authorization request asks for (RFC 6749 §4.1.1), and whether a user may be bothered with it.
//!
//! The order is one of trust. Until client and redirect URI are known, whatever is wrong is told on a page and goes nowhere
//! ([`PageFault`], RFC 6749 §4.1.2.1); from then on it goes to the client, with `state` and `iss`. What is left is [`Asked`].
//! PKCE is asked of everybody, and scopes are sorted to the APIs that own them before a user reads them.
//!
//! Deliberately absent: who the user is and what he says. `nonce`, `display`, `acr_values` and all that is unknown counts for
//! nothing: this is no OpenID provider.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Policy;
use crate::config::{Client, GrantType, ResourceId};
use crate::oauth::{CodeChallenge, Scope};

mod answer;
mod destination;
mod fault;
mod needs;
mod prompt;
mod reach;
mod request;

pub use answer::ReturnAddress;
pub use destination::Destination;
pub use fault::{AuthorizationFault, NotAsked, PageFault};
pub use prompt::{Interaction, Prompt};
pub use request::{AuthorizationRequest, PushedAs};

pub(super) use reach::without_words_for_users;

use request::Said;

/// What a client asks a user for. It was judged by one configuration, and counts under that one only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The client.
    pub client: String,
    /// Where the answer goes.
    pub to: ReturnAddress,
    /// What whoever redeems the code has to prove.
    pub challenge: CodeChallenge,
    /// Each resource with the scopes that are asked for there; at least one resource, and no scopes only where it declares none.
    pub grant: BTreeMap<ResourceId, BTreeSet<Scope>>,
    /// What the user is to be asked.
    pub prompt: Prompt,
    /// How long ago the user may have logged in.
    pub max_age: Option<Duration>,
    /// Who the client believes that the user is.
    pub login_hint: Option<String>,
}

/// Judges an authorization request.
///
/// # Errors
///
/// [`NotAsked`] says what is wrong, and whether the client may be told.
pub fn asked(policy: &Policy<'_>, request: &AuthorizationRequest) -> Result<Asked, NotAsked> {
    let client = client(policy, request)?;
    let redirect_uri = redirect_uri(client, request)?;
    if let Said::Once(mode) = request.said("response_mode")
        && mode != "query"
    {
        return Err(PageFault::ResponseModeUnsupported.into());
    }
    let state = match request.said("state") {
        Said::Once(state) => Some(state.to_owned()),
        // Of two states neither is the client's.
        Said::Nothing | Said::Repeated => None,
    };
    let to = ReturnAddress::new(redirect_uri, state, &policy.server.issuer);
    match asked_of_user(policy, client, request) {
        Ok(Demand { challenge, grant, prompt, max_age }) => {
            let login_hint = request.one("login_hint").map(str::to_owned);
            Ok(Asked { client: client.id.clone(), to, challenge, grant, prompt, max_age, login_hint })
        }
        Err(fault) => Err(NotAsked::Client { to, fault }),
    }
}

/// Judges an authorization request that was not pushed beforehand (RFC 9126 §5).
///
/// # Errors
///
/// [`NotAsked`], as for [`asked`], and also for a client that has to push what it asks for.
pub fn asked_directly(policy: &Policy<'_>, request: &AuthorizationRequest) -> Result<Asked, NotAsked> {
    let asked = asked(policy, request)?;
    let has_to_push = |client: &Client| client.require_pushed_authorization_requests;
    match policy.server.client(&asked.client).is_some_and(has_to_push) {
        true => Err(NotAsked::Client { to: asked.to, fault: AuthorizationFault::NotPushed }),
        false => Ok(asked),
    }
}

/// The client, if it is one. Unknown and switched off look the same.
fn client<'a>(policy: &Policy<'a>, request: &AuthorizationRequest) -> Result<&'a Client, PageFault> {
    let id = match request.said("client_id") {
        Said::Once(id) => id,
        Said::Nothing => return Err(PageFault::ClientMissing),
        Said::Repeated => return Err(PageFault::ParameterRepeated),
    };
    policy.server.client(id).filter(|client| !client.disabled).ok_or(PageFault::ClientUnknown)
}

/// The place that is named, if it is one of the client's, or else the client's only one.
fn redirect_uri(client: &Client, request: &AuthorizationRequest) -> Result<String, PageFault> {
    match (request.said("redirect_uri"), &client.redirect_uris[..]) {
        (Said::Repeated, _) => Err(PageFault::ParameterRepeated),
        (Said::Once(sent), registered) => {
            // Whoever keeps a secret is no program on somebody's machine, and knows its port.
            let is_known = registered.iter().any(|known| match client.is_confidential() {
                true => known.is(sent),
                false => known.is_but_for_the_port(sent),
            });
            is_known.then(|| sent.to_owned()).ok_or(PageFault::RedirectUriUnknown)
        }
        (Said::Nothing, [only]) => Ok(only.as_str().to_owned()),
        (Said::Nothing, _) => Err(PageFault::RedirectUriMissing),
    }
}

/// What is asked for, of a client that may be answered.
struct Demand {
    challenge: CodeChallenge,
    grant: BTreeMap<ResourceId, BTreeSet<Scope>>,
    prompt: Prompt,
    max_age: Option<Duration>,
}

fn asked_of_user(
    policy: &Policy<'_>,
    client: &Client,
    request: &AuthorizationRequest,
) -> Result<Demand, AuthorizationFault> {
    request.check_form()?;
    for (name, fault) in [
        ("request", AuthorizationFault::RequestObject),
        ("request_uri", AuthorizationFault::RequestUri),
        ("authorization_details", AuthorizationFault::AuthorizationDetails),
    ] {
        request.one(name).map_or(Ok(()), |_| Err(fault))?;
    }
    match request.one("response_type") {
        None => return Err(AuthorizationFault::ResponseTypeMissing),
        Some("code") => {}
        Some(_) => return Err(AuthorizationFault::ResponseTypeUnsupported),
    }
    if !client.grants.contains(&GrantType::AuthorizationCode) {
        return Err(AuthorizationFault::GrantNotAllowed);
    }
    let challenge = challenge(request)?;
    let prompt = Prompt::parse(request.one("prompt").unwrap_or_default())?;
    let max_age = request.one("max_age").map(max_age).transpose()?;
    let grant = reach::resources_and_scopes(policy, client, request)?;
    Ok(Demand { challenge, grant, prompt, max_age })
}

/// PKCE, for every client; a method that is not said is `plain` (RFC 7636 §4.3).
fn challenge(request: &AuthorizationRequest) -> Result<CodeChallenge, AuthorizationFault> {
    let challenge = request.one("code_challenge").ok_or(AuthorizationFault::ChallengeMissing)?;
    if request.one("code_challenge_method") != Some(CodeChallenge::METHOD) {
        return Err(AuthorizationFault::ChallengeMethod);
    }
    CodeChallenge::parse(challenge).map_err(|_| AuthorizationFault::ChallengeMalformed)
}

/// Whole seconds, none of them counting back (OpenID Connect Core §3.1.2.1).
fn max_age(text: &str) -> Result<Duration, AuthorizationFault> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_number);
    seconds.map(Duration::from_secs).ok_or(AuthorizationFault::MaxAgeMalformed)
}
