//! Sessions in the store, and transactions in the hands of a browser.
//!
//! A session lies under the digest of its cookie and opens with that cookie alone: who has the store, and even its key, has
//! no session. A transaction is sealed and handed out, so that nothing is kept for those who never log in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::issuer::{Session, Transaction};
use crate::secret::Secret;
use crate::snapshot::Issuing;
use crate::store::sealing::SealingKey;
use crate::store::{StoreError, TokenDigest};

/// What a session is sealed as.
const SESSION: &str = "session";

/// The longest transaction that an address can carry, in bytes: servers and browsers stop at some length behind that.
const MAX_TRANSACTION: usize = 8 << 10;

/// Why something of a user cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(in crate::serve::issuer) enum NotKept {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness.
    #[error("the system has no randomness to give")]
    Randomness,
    /// A transaction that no address carries.
    #[error("the request is too large for an address")]
    TooLong,
}

/// Begins a session, and gives the cookie's value.
///
/// # Errors
///
/// [`NotKept`]; there is no session then.
pub(in crate::serve::issuer) async fn begin_session(issuing: &Issuing, session: &Session) -> Result<Secret, NotKept> {
    let token = Secret::random_token().map_err(|_| NotKept::Randomness)?;
    let sealed = SealingKey::of_token(&token, SESSION).seal(&session.to_json()).map_err(|_| NotKept::Randomness)?;
    match issuing.store.put_once(&name(&token), &sealed, session.ends).await? {
        true => Ok(token),
        false => Err(NotKept::Randomness),
    }
}

/// The session of a cookie, if there is one still.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be read.
pub(in crate::serve::issuer) async fn session(
    issuing: &Issuing,
    token: &Secret,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let Some(sealed) = issuing.store.peek_once(&name(token), now).await? else { return Ok(None) };
    let opened = SealingKey::of_token(token, SESSION).open(&sealed);
    Ok(opened.ok().and_then(|json| Session::from_json(json.expose()).ok()))
}

/// Ends the session of a cookie.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be written; it goes on then.
pub(in crate::serve::issuer) async fn end_session(
    issuing: &Issuing,
    token: &Secret,
    now: Timestamp,
) -> Result<(), StoreError> {
    issuing.store.take_once(&name(token), now).await.map(|_| ())
}

/// The name that something lies under which belongs to whoever has this token.
fn name(token: &Secret) -> String {
    format!("{SESSION}|{}", digest(token))
}

/// The digest of a token, in base64url.
pub(in crate::serve::issuer) fn digest(token: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(TokenDigest::of(token.expose()).as_bytes())
}

/// A transaction, as a browser carries it in addresses and forms.
///
/// # Errors
///
/// [`NotKept::Randomness`] if nothing can be sealed, [`NotKept::TooLong`] if no address can carry it.
pub(in crate::serve::issuer) fn handed_out(issuing: &Issuing, transaction: &Transaction) -> Result<String, NotKept> {
    let sealed = issuing.seals.transactions.seal(&transaction.to_json()).map_err(|_| NotKept::Randomness)?;
    let text = URL_SAFE_NO_PAD.encode(sealed);
    if text.len() > MAX_TRANSACTION { Err(NotKept::TooLong) } else { Ok(text) }
}

/// The transaction that a browser brings back; nothing for one of another browser, and for one that took too long.
pub(in crate::serve::issuer) fn brought_back(
    issuing: &Issuing,
    text: &str,
    browser: &Secret,
    now: Timestamp,
) -> Option<Transaction> {
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let json = issuing.seals.transactions.open(&sealed).ok()?;
    let transaction = Transaction::from_json(json.expose()).ok()?;
    let is_here = Secret::new(transaction.browser.as_str()).matches(digest(browser).as_bytes());
    (is_here && now < transaction.ends()).then_some(transaction)
}
