//! Why no token is minted: one closed list for answers and audit.
//!
//! There are two messages. `Display` is for whoever operates the server. [`Refusal::description`] is for the client, and
//! says no more of resources, scopes and tokens than the code does: unknown and forbidden look the same.

use crate::oauth::OAuthError;

/// Why no token is minted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Refusal {
    /// The body is no form: a bad escape, or not UTF-8.
    #[error("the body is not a well-formed form")]
    FormMalformed,
    /// The body, a value or the number of parameters is beyond its bound.
    #[error("the form is too large")]
    FormTooLarge,
    /// A parameter came twice.
    #[error("a parameter other than resource and audience came more than once")]
    ParameterRepeated,
    /// A parameter is missing that this grant needs.
    #[error("a required parameter is missing")]
    ParameterMissing,
    /// `actor_token` without its type, or the reverse.
    #[error("actor_token and actor_token_type come together or not at all")]
    ActorIncomplete,
    /// A token type that is not supported.
    #[error("a token type is not supported; use an access token")]
    TokenTypeUnsupported,
    /// `grant_type` names no grant of this server.
    #[error("the grant type is unknown")]
    GrantTypeUnknown,
    /// The verifier is none.
    #[error("the code_verifier is not 43 to 128 unreserved characters")]
    VerifierMalformed,
    /// The verifier is not that of whoever asked for the code.
    #[error("the code_verifier does not match the challenge")]
    VerifierWrong,
    /// The code went elsewhere.
    #[error("the redirect_uri is not the one that the code was sent to")]
    RedirectUriDiffers,
    /// The code or the refresh token is somebody else's.
    #[error("the code or the refresh token is another client's")]
    GrantNotTheirs,
    /// The user cannot be named any more.
    #[error("the user's issuer is not trusted any more, or the user would read like somebody else")]
    SubjectGone,
    /// The client is switched off.
    #[error("the client is disabled")]
    ClientDisabled,
    /// The client has not got this grant.
    #[error("the client's `grants` do not list this grant")]
    GrantNotAllowed,
    /// The grant is for clients that can keep a secret.
    #[error("a public client cannot use this grant")]
    ClientPublic,
    /// No resource has this name, or the client can have no token there.
    #[error("the named resource is unknown or not within this client's reach")]
    TargetUnknown,
    /// More than one resource is named.
    #[error("more than one resource is named")]
    TargetAmbiguous,
    /// No resource is named, and none can be told.
    #[error("no resource is named, and none is the only one")]
    TargetMissing,
    /// The subject token does not lead to this resource.
    #[error("the subject token does not lead to this resource")]
    TargetNotReached,
    /// The API is not for this user.
    #[error("the user has not got what `access` of the resource demands")]
    UserNotAdmitted,
    /// A scope is no word of RFC 6749 §3.3, or there are too many.
    #[error("the scope parameter is malformed")]
    ScopeMalformed,
    /// A scope is asked for that cannot be had.
    #[error("a scope is asked for that cannot be had at this resource")]
    ScopeNotAvailable,
    /// The resource declares scopes, and none is left.
    #[error("no scope is left for this resource")]
    ScopeNothingLeft,
    /// The token's issuer is not admitted for exchange at the target.
    #[error("the target does not admit tokens of this issuer for exchange")]
    IssuerNotAdmitted,
    /// The token lacks something without which nothing can be minted from it, or has what ours never have.
    #[error("the token lacks a subject or a root, or names more than one audience although it is ours")]
    TokenIncomplete,
    /// The token is bound to a key that was not proven.
    #[error("the token is bound to a key")]
    TokenBound,
    /// The token lacks a claim that `require` demands.
    #[error("the token lacks a claim that `require` demands")]
    ClaimNotAllowed,
    /// The subject would read like somebody else's.
    #[error("the plain subject reads like another issuer's, or like a client of ours")]
    SubjectAmbiguous,
    /// `may_act` names somebody else.
    #[error("the token's `may_act` names somebody else")]
    MayActOther,
    /// The token is not this client's, not addressed to it, and does not name it.
    #[error("the subject token is neither this client's, nor addressed to it, nor does it name it")]
    SubjectNotTheirs,
    /// The actor token is not this client's, or none is wanted.
    #[error("the actor token is not this client's own, or there is no actor in this exchange")]
    ActorNotTheirs,
    /// The chain of actors would be too long.
    #[error("the chain of actors is longer than `exchange_depth`")]
    ChainTooLong,
}

impl Refusal {
    /// The code that the client gets.
    pub fn error(self) -> OAuthError {
        match self {
            Self::FormMalformed
            | Self::FormTooLarge
            | Self::ParameterRepeated
            | Self::ParameterMissing
            | Self::VerifierMalformed
            | Self::ActorIncomplete
            | Self::TokenTypeUnsupported
            | Self::IssuerNotAdmitted
            | Self::TokenIncomplete
            | Self::TokenBound
            | Self::ClaimNotAllowed
            | Self::SubjectAmbiguous
            | Self::MayActOther
            | Self::SubjectNotTheirs
            | Self::ActorNotTheirs
            | Self::ChainTooLong => OAuthError::InvalidRequest,
            Self::ClientDisabled => OAuthError::InvalidClient,
            Self::VerifierWrong | Self::RedirectUriDiffers | Self::GrantNotTheirs | Self::SubjectGone => {
                OAuthError::InvalidGrant
            }
            Self::GrantNotAllowed | Self::ClientPublic => OAuthError::UnauthorizedClient,
            Self::GrantTypeUnknown => OAuthError::UnsupportedGrantType,
            Self::TargetUnknown
            | Self::TargetAmbiguous
            | Self::TargetMissing
            | Self::TargetNotReached
            | Self::UserNotAdmitted => OAuthError::InvalidTarget,
            Self::ScopeMalformed | Self::ScopeNotAvailable | Self::ScopeNothingLeft => OAuthError::InvalidScope,
        }
    }

    /// What the client may know: where the form is at fault, what is wrong with it; else what the code says.
    pub fn description(self) -> &'static str {
        match self {
            Self::FormMalformed => "the body is not a well-formed form",
            Self::FormTooLarge => "the form is too large",
            Self::ParameterRepeated => "a parameter other than resource and audience came more than once",
            Self::ParameterMissing => "a required parameter is missing",
            Self::VerifierMalformed => "the code_verifier is not 43 to 128 unreserved characters",
            Self::ActorIncomplete => "actor_token and actor_token_type come together or not at all",
            Self::TokenTypeUnsupported => "a token type is not supported; use an access token",
            told_by_its_code => told_by_its_code.error().description(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_forbidden_look_the_same() {
        let shown = |refusal: Refusal| (refusal.error(), refusal.description());
        for forbidden in
            [Refusal::TargetNotReached, Refusal::TargetAmbiguous, Refusal::TargetMissing, Refusal::UserNotAdmitted]
        {
            assert_eq!(shown(forbidden), shown(Refusal::TargetUnknown));
        }
        assert_eq!(shown(Refusal::ScopeNotAvailable), shown(Refusal::ScopeNothingLeft));
    }

    #[test]
    fn a_grant_that_is_not_good_is_not_explained() {
        for refusal in
            [Refusal::VerifierWrong, Refusal::RedirectUriDiffers, Refusal::GrantNotTheirs, Refusal::SubjectGone]
        {
            assert_eq!(refusal.error(), OAuthError::InvalidGrant);
            assert_eq!(refusal.description(), OAuthError::InvalidGrant.description());
        }
    }

    #[test]
    fn a_bad_subject_is_an_invalid_request_and_not_explained() {
        let shown = |refusal: Refusal| (refusal.error(), refusal.description());
        let expected = (OAuthError::InvalidRequest, OAuthError::InvalidRequest.description());
        for refusal in [
            Refusal::IssuerNotAdmitted,
            Refusal::TokenIncomplete,
            Refusal::TokenBound,
            Refusal::ClaimNotAllowed,
            Refusal::SubjectAmbiguous,
            Refusal::MayActOther,
            Refusal::SubjectNotTheirs,
            Refusal::ActorNotTheirs,
            Refusal::ChainTooLong,
        ] {
            assert_eq!(shown(refusal), expected);
        }
    }
}
