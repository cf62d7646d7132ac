//! Authorization requests that clients pushed beforehand (RFC 9126): each lies under the digest of its `request_uri`, sealed
//! under that, and is its client's alone.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::issuer::{AuthorizationRequest, Goal, Pushed, Transaction};
use crate::secret::Secret;
use crate::snapshot::Issuing;
use crate::store::StoreError;
use crate::store::sealing::SealingKey;

use super::browser::kept::{NotKept, digest, handed_out};

/// How every `request_uri` of ours begins (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// How long a pushed request can be used, in seconds.
pub(super) const SECONDS: u64 = 60;

/// What a pushed request is sealed as.
const PUSHED: &str = "pushed request";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    client: String,
    request: String,
}

/// Whether a `request_uri` is of our making.
pub(super) fn is_pushed(request_uri: &str) -> bool {
    request_uri.starts_with(PREFIX)
}

/// Whether a browser can carry a request on its user's way through a login, also where he wants to be somebody else then.
pub(super) fn is_too_long(issuing: &Issuing, request: &AuthorizationRequest, now: Timestamp) -> bool {
    let digest = digest(&Secret::new(PREFIX));
    [request.clone(), request.for_another_account()].into_iter().any(|request| {
        let pushed = Some(Pushed { request_uri: format!("{PREFIX}{digest}"), since: now });
        let goal = Goal::Authorization { request, pushed };
        let transaction = Transaction { goal, browser: digest.clone(), begun: now };
        matches!(handed_out(issuing, &transaction), Err(NotKept::TooLong))
    })
}

/// Keeps a request of `client` until `until`, and gives its `request_uri`.
///
/// # Errors
///
/// [`NotKept`]; there is none then.
pub(super) async fn keep(
    issuing: &Issuing,
    request: &AuthorizationRequest,
    client: &str,
    until: Timestamp,
) -> Result<String, NotKept> {
    let token = Secret::random_token().map_err(|_| NotKept::Randomness)?;
    let written = Written { client: client.to_owned(), request: request.to_form() };
    let json = serde_json::to_vec(&written).expect("texts can be written");
    let sealed = SealingKey::of_token(&token, PUSHED).seal(&json).map_err(|_| NotKept::Randomness)?;
    match issuing.store.put_once(&name(&token), &sealed, until).await? {
        true => Ok(format!("{PREFIX}{}", String::from_utf8_lossy(token.expose()))),
        false => Err(NotKept::Randomness),
    }
}

/// What `client` pushed under a `request_uri`; nothing if it did not, or that has ended. It stays.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be read.
pub(super) async fn read(
    issuing: &Issuing,
    request_uri: &str,
    client: &str,
    now: Timestamp,
) -> Result<Option<AuthorizationRequest>, StoreError> {
    let Some(token) = token(request_uri) else { return Ok(None) };
    let Some(sealed) = issuing.store.peek_once(&name(&token), now).await? else { return Ok(None) };
    let opened = SealingKey::of_token(&token, PUSHED).open(&sealed).ok();
    let written = opened.and_then(|json| serde_json::from_slice::<Written>(json.expose()).ok());
    let theirs = written.filter(|written| written.client == client);
    Ok(theirs.and_then(|written| AuthorizationRequest::of_query(written.request.as_bytes()).ok()))
}

/// Uses a `request_uri` up. False if somebody did before, or it has ended.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be written.
pub(super) async fn use_up(issuing: &Issuing, request_uri: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Some(token) = token(request_uri) else { return Ok(false) };
    Ok(issuing.store.take_once(&name(&token), now).await?.is_some())
}

fn token(request_uri: &str) -> Option<Secret> {
    request_uri.strip_prefix(PREFIX).filter(|token| !token.is_empty()).map(Secret::new)
}

fn name(token: &Secret) -> String {
    format!("pushed|{}", digest(token))
}
