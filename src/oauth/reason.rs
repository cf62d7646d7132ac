//! Why a request was not let through: one closed list for logs, metrics, answers and `explain`.

use http::StatusCode;

/// Why a request was not let through. Small on purpose: it is a metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Reason {
    /// The request target, or its authority, has more than one reading.
    #[error("the request target can be read in more than one way")]
    TargetInvalid,
    /// The credential is not one well-formed bearer token in the `Authorization` field.
    #[error("the credential is malformed")]
    CredentialMalformed,
    /// More than one credential was sent.
    #[error("more than one credential was sent")]
    CredentialRepeated,
    /// Where the message ends can be read in more than one way.
    #[error("the message framing is invalid")]
    FramingInvalid,
    /// A credential was sent to a listener that only redirects: in the clear, for everybody on the way to read.
    #[error("the credential was sent without TLS; treat it as leaked")]
    TransportInsecure,
    /// The path belongs to no resource, or to no rule where only rules are served.
    #[error("nothing is served at this path")]
    RouteNotFound,
    /// The host is not one of ours.
    #[error("this host is not served here")]
    HostUnknown,
    /// The method is never passed on, or not here.
    #[error("the method is not allowed here")]
    MethodNotAllowed,
    /// No access token came with the request.
    #[error("no access token was sent")]
    CredentialMissing,
    /// The token is not a signed JWT in compact form.
    #[error("the token is not a well-formed signed JWT")]
    TokenMalformed,
    /// The token is longer than `limits.token_bytes`.
    #[error("the token is too large")]
    TokenTooLarge,
    /// The token is genuine, but no access token.
    #[error("the token is not an access token")]
    TokenType,
    /// The algorithm is not on the issuer's list, or is not the key's.
    #[error("the token's signature algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// The issuer is not trusted, or not for this resource.
    #[error("the token's issuer is not trusted here")]
    IssuerUntrusted,
    /// The issuer has no such key.
    #[error("the token's signature cannot be verified")]
    KeyUnknown,
    /// The signature does not verify.
    #[error("the token's signature cannot be verified")]
    SignatureInvalid,
    /// The token's end has passed.
    #[error("the token has expired")]
    TokenExpired,
    /// The token's start, or its issue, lies in the future.
    #[error("the token is not yet valid")]
    TokenNotYetValid,
    /// The token or its grant was revoked.
    #[error("the token was revoked")]
    TokenRevoked,
    /// A claim that an access token must have is absent.
    #[error("the token lacks a required claim")]
    ClaimMissing,
    /// A claim has the wrong type or an impossible value.
    #[error("the token has a claim of the wrong form")]
    ClaimInvalid,
    /// The token is bound to a key whose possession was not proven.
    #[error("the token is bound to a key and cannot be used as a plain bearer token")]
    ProofMissing,
    /// The token names no audience at all.
    #[error("the token names no audience")]
    AudienceMissing,
    /// The token is genuine, but meant for another resource.
    #[error("the token was issued for another audience")]
    AudienceMismatch,
    /// The token is also meant for another resource of this gateway.
    #[error("the token was issued for more than one API")]
    AudienceTooBroad,
    /// The token lacks a scope that this request needs.
    #[error("the token lacks a scope that this request needs")]
    ScopeInsufficient,
    /// The API's owner does not let this client in.
    #[error("this client is not allowed here")]
    ClientNotAllowed,
    /// The token lacks a value that the operator demands of a claim.
    #[error("a claim of the token is not allowed here")]
    ClaimNotAllowed,
    /// No key of the issuer could be had, so nothing can be proven.
    #[error("the token cannot be verified right now")]
    KeysUnavailable,
    /// The upstream could not be reached, or broke off.
    #[error("the API behind this gateway cannot be reached")]
    UpstreamUnavailable,
    /// The upstream wants a credential that it is not given.
    #[error("the API behind this gateway refused the gateway")]
    UpstreamUnauthorized,
    /// The upstream did not answer in time.
    #[error("the API behind this gateway did not answer in time")]
    UpstreamTimeout,
    /// The request body is longer than allowed.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// The header section is longer than allowed.
    #[error("the request header is too large")]
    HeaderTooLarge,
    /// The request did not arrive in time.
    #[error("the request did not arrive in time")]
    RequestTimeout,
    /// Too many requests or connections.
    #[error("too many requests")]
    RateLimited,
    /// Our own fault.
    #[error("the gateway failed")]
    Internal,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 37] = [
        Self::TargetInvalid,
        Self::CredentialMalformed,
        Self::CredentialRepeated,
        Self::FramingInvalid,
        Self::TransportInsecure,
        Self::RouteNotFound,
        Self::HostUnknown,
        Self::MethodNotAllowed,
        Self::CredentialMissing,
        Self::TokenMalformed,
        Self::TokenTooLarge,
        Self::TokenType,
        Self::AlgorithmNotAllowed,
        Self::IssuerUntrusted,
        Self::KeyUnknown,
        Self::SignatureInvalid,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::TokenRevoked,
        Self::ClaimMissing,
        Self::ClaimInvalid,
        Self::ProofMissing,
        Self::AudienceMissing,
        Self::AudienceMismatch,
        Self::AudienceTooBroad,
        Self::ScopeInsufficient,
        Self::ClientNotAllowed,
        Self::ClaimNotAllowed,
        Self::KeysUnavailable,
        Self::UpstreamUnavailable,
        Self::UpstreamUnauthorized,
        Self::UpstreamTimeout,
        Self::BodyTooLarge,
        Self::HeaderTooLarge,
        Self::RequestTimeout,
        Self::RateLimited,
        Self::Internal,
    ];

    /// The name in logs, metrics, answers and `explain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TargetInvalid => "target_invalid",
            Self::CredentialMalformed => "credential_malformed",
            Self::CredentialRepeated => "credential_repeated",
            Self::FramingInvalid => "framing_invalid",
            Self::TransportInsecure => "transport_insecure",
            Self::RouteNotFound => "route_not_found",
            Self::HostUnknown => "host_unknown",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::CredentialMissing => "credential_missing",
            Self::TokenMalformed => "token_malformed",
            Self::TokenTooLarge => "token_too_large",
            Self::TokenType => "token_type",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::IssuerUntrusted => "issuer_untrusted",
            Self::KeyUnknown => "key_unknown",
            Self::SignatureInvalid => "signature_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TokenRevoked => "token_revoked",
            Self::ClaimMissing => "claim_missing",
            Self::ClaimInvalid => "claim_invalid",
            Self::ProofMissing => "proof_missing",
            Self::AudienceMissing => "audience_missing",
            Self::AudienceMismatch => "audience_mismatch",
            Self::AudienceTooBroad => "audience_too_broad",
            Self::ScopeInsufficient => "scope_insufficient",
            Self::ClientNotAllowed => "client_not_allowed",
            Self::ClaimNotAllowed => "claim_not_allowed",
            Self::KeysUnavailable => "keys_unavailable",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamUnauthorized => "upstream_unauthorized",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::HeaderTooLarge => "header_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::RateLimited => "rate_limited",
            Self::Internal => "internal",
        }
    }

    /// The status that the answer carries (RFC 6750 §3.1).
    pub fn status(self) -> StatusCode {
        match self {
            Self::TargetInvalid
            | Self::CredentialMalformed
            | Self::CredentialRepeated
            | Self::FramingInvalid
            | Self::TransportInsecure => StatusCode::BAD_REQUEST,
            Self::RouteNotFound => StatusCode::NOT_FOUND,
            Self::HostUnknown => StatusCode::MISDIRECTED_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::CredentialMissing
            | Self::TokenMalformed
            | Self::TokenTooLarge
            | Self::TokenType
            | Self::AlgorithmNotAllowed
            | Self::IssuerUntrusted
            | Self::KeyUnknown
            | Self::SignatureInvalid
            | Self::TokenExpired
            | Self::TokenNotYetValid
            | Self::TokenRevoked
            | Self::ClaimMissing
            | Self::ClaimInvalid
            | Self::ProofMissing
            | Self::AudienceMissing
            | Self::AudienceMismatch
            | Self::AudienceTooBroad => StatusCode::UNAUTHORIZED,
            Self::ScopeInsufficient | Self::ClientNotAllowed | Self::ClaimNotAllowed => StatusCode::FORBIDDEN,
            Self::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamUnavailable | Self::UpstreamUnauthorized => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The OAuth error code of the answer (RFC 6750 §3.1); nothing where RFC 6750 has none.
    pub fn oauth_error(self) -> Option<&'static str> {
        match self {
            Self::CredentialMalformed | Self::CredentialRepeated | Self::TransportInsecure => Some("invalid_request"),
            Self::ScopeInsufficient => Some("insufficient_scope"),
            Self::CredentialMissing => None,
            _ if self.status() == StatusCode::UNAUTHORIZED => Some("invalid_token"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn only_a_bad_token_is_an_invalid_token() {
        for reason in Reason::ALL {
            let invalid_token = reason.oauth_error() == Some("invalid_token");
            let unauthorized = reason.status() == StatusCode::UNAUTHORIZED;
            assert_eq!(invalid_token, unauthorized && reason != Reason::CredentialMissing, "{reason:?}");
        }
    }
}
