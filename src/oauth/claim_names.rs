//! Claims that a protocol gives a meaning (RFC 7519 §4.1, RFC 9068 §2.2, RFC 8693 §4), so that no user claim may bear
//! their names.
//!
//! A user's attribute under such a name could widen a token, bind it, or make another kind of it. `roles`, `groups` and
//! `entitlements` are attributes (RFC 9068 §2.2.3.1) and not in this list.

/// The names, sorted.
pub const PROTOCOL_CLAIMS: [&str; 36] = [
    "_claim_names",
    "_claim_sources",
    "_sd",
    "_sd_alg",
    "acr",
    "act",
    "active",
    "amr",
    "at_hash",
    "ath",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "events",
    "exp",
    "htm",
    "htu",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "resource",
    "s_hash",
    "scope",
    "scp",
    "sid",
    "sub",
    "sub_id",
    "token_type",
    "typ",
];

/// Whether a protocol gives this name its meaning; compared without regard to ASCII case, because some readers do.
pub fn is_protocol_claim(name: &str) -> bool {
    PROTOCOL_CLAIMS.iter().any(|protocol| protocol.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_says_nothing_twice() {
        assert!(PROTOCOL_CLAIMS.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn attributes_are_no_protocol_claims() {
        for name in ["email", "roles", "groups", "entitlements", "department", "subject", "https://x.example/sub", ""] {
            assert!(!is_protocol_claim(name), "{name}");
        }
        for name in ["sub", "aud", "scope", "Scope", "cnf", "act"] {
            assert!(is_protocol_claim(name), "{name}");
        }
    }
}
