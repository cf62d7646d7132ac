//! What our own issuer did, one structured event each, under the target `narrowgate::audit`: who asked for what, what came of
//! it, and why.
//!
//! There is no place for a token, a secret or an assertion. A client is named only if the configuration knows it: whatever
//! else stands where its name belongs may be anything, a secret among them.

use std::net::IpAddr;

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// A token was minted.
    TokenIssued,
    /// A client was known, and got no token.
    TokenRefused,
    /// Nobody proved who asked.
    AuthenticationFailed,
    /// Too many proofs failed before, and this one was not looked at.
    Throttled,
    /// A code was shown again by whoever had used it: what it gave has ended.
    CodeReused,
    /// A refresh token was shown that was spent before: its family has ended.
    RefreshReused,
    /// A token or a grant was taken back.
    TokenRevoked,
    /// An operator has taken a user's grant back.
    GrantRevoked,
    /// A client would have taken back what is another's.
    RevocationRefused,
    /// What a client asked a user for was not given.
    AuthorizationRefused,
    /// A code was given out, for a resource.
    CodeIssued,
    /// A user agreed to what a client asked for.
    ConsentGranted,
    /// He took it back.
    ConsentWithdrawn,
    /// He logged in.
    LoginSucceeded,
    /// Somebody tried to.
    LoginFailed,
    /// He logged out.
    LoggedOut,
}

impl Deed {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenIssued => "token_issued",
            Self::TokenRefused => "token_refused",
            Self::AuthenticationFailed => "authentication_failed",
            Self::Throttled => "throttled",
            Self::CodeReused => "code_reused",
            Self::RefreshReused => "refresh_reused",
            Self::TokenRevoked => "token_revoked",
            Self::GrantRevoked => "grant_revoked",
            Self::RevocationRefused => "revocation_refused",
            Self::AuthorizationRefused => "authorization_refused",
            Self::CodeIssued => "code_issued",
            Self::ConsentGranted => "consent_granted",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::LoginSucceeded => "login_succeeded",
            Self::LoginFailed => "login_failed",
            Self::LoggedOut => "logged_out",
        }
    }
}

/// One event. What is not known, or is not part of what happened, is left out.
#[derive(Clone, Copy, Debug)]
pub struct AuditLine<'a> {
    /// What happened.
    pub deed: Deed,
    /// The identifier that the request's own line carries too.
    pub request_id: &'a str,
    /// Who was at the other end.
    pub peer: IpAddr,
    /// The client.
    pub client: Option<&'a str>,
    /// `sub` of the token.
    pub subject: Option<&'a str>,
    /// The resource's key.
    pub resource: Option<&'a str>,
    /// The scopes, as one text.
    pub scopes: Option<&'a str>,
    /// The grant.
    pub grant: Option<&'a str>,
    /// Why not; for whoever operates the server.
    pub reason: Option<&'a str>,
    /// `jti` of the token, or what was taken back.
    pub jti: Option<&'a str>,
    /// `jti` of the token that it was made from.
    pub parent_jti: Option<&'a str>,
    /// `exp` of the token, in seconds since 1970.
    pub expires: Option<u64>,
}

impl<'a> AuditLine<'a> {
    /// An event of which nothing more is known.
    pub fn new(deed: Deed, request_id: &'a str, peer: IpAddr) -> Self {
        Self {
            deed,
            request_id,
            peer,
            client: None,
            subject: None,
            resource: None,
            scopes: None,
            grant: None,
            reason: None,
            jti: None,
            parent_jti: None,
            expires: None,
        }
    }

    /// Writes it.
    pub fn write(&self) {
        tracing::info!(
            target: "narrowgate::audit",
            deed = self.deed.as_str(),
            request_id = self.request_id,
            peer = %self.peer,
            client = self.client,
            subject = self.subject,
            resource = self.resource,
            scopes = self.scopes,
            grant = self.grant,
            reason = self.reason,
            jti = self.jti,
            parent_jti = self.parent_jti,
            expires = self.expires,
            "audit"
        );
    }
}
