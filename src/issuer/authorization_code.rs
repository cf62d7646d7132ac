//! A token for a code (RFC 6749 §4.1.3): whoever shows the code proves that he asked for it, and gets one token of what the
//! user granted.
//!
//! All of it is judged before the code is spent, so that a request which is refused burns nothing (RFC 8707 §2.2).
//! Deliberately absent: whether there is such a code, and whether it was spent. The store knows.

mod record;

pub use record::{CodeRecord, RecallsSeen, UnreadableCode};

use super::client_credentials::check_open_grant;
use super::request::wanted;
use super::{Form, Grant, GrantRecord, Policy, Refusal, Wanted};
use crate::config::{Client, GrantType};
use crate::oauth::{CodeChallenge, CodeVerifier};
use crate::secret::Secret;

/// What a client sends to redeem a code.
#[derive(Debug, Eq, PartialEq)]
pub struct CodeRequest {
    /// The code.
    pub code: Secret,
    /// Proof that whoever shows the code asked for it; never missing, as there is no code without a challenge.
    pub verifier: CodeVerifier,
    /// Where the code is said to have gone.
    pub redirect_uri: Option<String>,
    /// What of the grant the token is to be for.
    pub wanted: Wanted,
}

/// What a code was bound to when it was made.
#[derive(Clone, Copy, Debug)]
pub struct CodeBinding<'a> {
    /// Where it went.
    pub redirect_uri: &'a str,
    /// What whoever redeems it has to prove.
    pub challenge: &'a CodeChallenge,
}

impl CodeRequest {
    /// Reads a request whose `grant_type` is `authorization_code`.
    ///
    /// # Errors
    ///
    /// [`Refusal::ParameterMissing`], [`Refusal::VerifierMalformed`] or [`Refusal::ScopeMalformed`].
    pub fn read(form: &Form) -> Result<Self, Refusal> {
        let code = Secret::new(form.one("code").ok_or(Refusal::ParameterMissing)?);
        let verifier = form.one("code_verifier").ok_or(Refusal::ParameterMissing)?;
        let verifier = CodeVerifier::parse(verifier).map_err(|_| Refusal::VerifierMalformed)?;
        let redirect_uri = form.one("redirect_uri").map(str::to_owned);
        Ok(Self { code, verifier, redirect_uri, wanted: wanted(form, form.all("resource"))? })
    }
}

/// Decides what an authenticated client, public ones among them, gets for a code of this grant.
///
/// # Errors
///
/// [`Refusal`]: `invalid_grant` for another client's code, another redirect URI and a wrong verifier, `invalid_target` and
/// `invalid_scope` for what is not in the grant.
pub fn authorization_code(
    policy: &Policy<'_>,
    client: &Client,
    record: &GrantRecord,
    binding: CodeBinding<'_>,
    request: &CodeRequest,
) -> Result<Grant, Refusal> {
    check_code(client, record, binding, request)?;
    record.grant(policy, client, &request.wanted)
}

/// Whether whoever shows a code is who it was made for. It tells a second use, which ends what the first one gave, from
/// somebody's who has no more than the code (RFC 6749 §4.1.2).
///
/// # Errors
///
/// [`Refusal`]: `unauthorized_client`, or `invalid_grant`.
pub fn check_code(
    client: &Client,
    record: &GrantRecord,
    binding: CodeBinding<'_>,
    request: &CodeRequest,
) -> Result<(), Refusal> {
    check_open_grant(client, GrantType::AuthorizationCode)?;
    record.check_theirs(client)?;
    // OAuth 2.1 has dropped it, as the verifier proves more; whoever sends it is held to it.
    if request.redirect_uri.as_deref().is_some_and(|sent| sent != binding.redirect_uri) {
        return Err(Refusal::RedirectUriDiffers);
    }
    binding.challenge.matches(&request.verifier).then_some(()).ok_or(Refusal::VerifierWrong)
}
