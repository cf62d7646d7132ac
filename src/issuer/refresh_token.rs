//! Another token of a grant that a user gave before (RFC 6749 §6).
//!
//! The refresh token stands for the whole grant, whatever was taken of it before, so that a token for one API can be followed
//! by one for another and by one for the first again. Deliberately absent: whether there is such a refresh token, whether it
//! was rotated, and what happens if it was. The store knows; it is asked after this.

use super::client_credentials::check_open_grant;
use super::request::wanted;
use super::{Form, Grant, GrantRecord, Policy, Refusal, Wanted};
use crate::config::{Client, GrantType};
use crate::secret::Secret;

/// What a client sends to refresh.
#[derive(Debug, Eq, PartialEq)]
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh_token: Secret,
    /// What of the grant the token is to be for.
    pub wanted: Wanted,
}

impl RefreshRequest {
    /// Reads a request whose `grant_type` is `refresh_token`.
    ///
    /// # Errors
    ///
    /// [`Refusal::ParameterMissing`] or [`Refusal::ScopeMalformed`].
    pub fn read(form: &Form) -> Result<Self, Refusal> {
        let refresh_token = Secret::new(form.one("refresh_token").ok_or(Refusal::ParameterMissing)?);
        Ok(Self { refresh_token, wanted: wanted(form, form.all("resource"))? })
    }
}

/// Decides what an authenticated client, public ones among them, gets for a refresh token of this grant.
///
/// # Errors
///
/// [`Refusal`]: `invalid_grant` for another client's, `invalid_target` and `invalid_scope` for what is not in the grant, or
/// not any more.
pub fn refresh_token(
    policy: &Policy<'_>,
    client: &Client,
    record: &GrantRecord,
    wanted: &Wanted,
) -> Result<Grant, Refusal> {
    check_open_grant(client, GrantType::RefreshToken)?;
    record.grant(policy, client, wanted)
}
