//! Where our own issuer answers: below its own path, and its metadata in front of that (RFC 8414 §3.1).

/// Where tokens are had (RFC 6749 §3.2).
pub const TOKEN: &str = "/token";

/// The public keys (RFC 7517).
pub const KEYS: &str = "/jwks";

/// Where an API asks about a token (RFC 7662).
pub const INTROSPECTION: &str = "/introspect";

/// Where a client gives a token up (RFC 7009).
pub const REVOCATION: &str = "/revoke";

/// What is kept free for the login of users; nothing is there yet, and no API is.
pub const RESERVED: [&str; 4] = ["/authorize", "/par", "/login/callback", "/grants"];

/// Where metadata lies: the issuer's path is put behind this.
pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";

/// Where clients look that know OpenID Connect only: before the issuer's path, or behind it.
pub const OPENID_METADATA: &str = "/.well-known/openid-configuration";

/// Everything that lies below the issuer's path, the token endpoint first.
pub fn all_below() -> impl Iterator<Item = &'static str> {
    [TOKEN, KEYS, INTROSPECTION, REVOCATION].into_iter().chain(RESERVED)
}
