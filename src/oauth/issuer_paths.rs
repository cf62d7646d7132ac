//! Where our own issuer answers: below its own path, and its metadata in front of that (RFC 8414 §3.1).

/// Where tokens are had (RFC 6749 §3.2).
pub const TOKEN: &str = "/token";

/// The public keys (RFC 7517).
pub const KEYS: &str = "/jwks";

/// Where an API asks about a token (RFC 7662).
pub const INTROSPECTION: &str = "/introspect";

/// Where a client gives a token up (RFC 7009).
pub const REVOCATION: &str = "/revoke";

/// Where a user is sent who is to be asked (RFC 6749 §3.1).
pub const AUTHORIZATION: &str = "/authorize";

/// Where a client leaves beforehand what it will ask for (RFC 9126).
pub const PUSHED_AUTHORIZATION: &str = "/par";

/// Where a user chooses how to log in.
pub const LOGIN: &str = "/login";

/// Where a provider sends him back to (OpenID Connect Core §3.1.2.5).
pub const LOGIN_CALLBACK: &str = "/login/callback";

/// Where he consents.
pub const CONSENT: &str = "/consent";

/// Where he sees what he has granted, and takes it back.
pub const GRANTS: &str = "/grants";

/// Where he logs out.
pub const LOGOUT: &str = "/logout";

/// Where metadata lies: the issuer's path is put behind this.
pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";

/// Where clients look that know OpenID Connect only: before the issuer's path, or behind it.
pub const OPENID_METADATA: &str = "/.well-known/openid-configuration";

/// Everything that lies below the issuer's path, the token endpoint first.
pub fn all_below() -> impl Iterator<Item = &'static str> {
    let for_clients = [TOKEN, KEYS, INTROSPECTION, REVOCATION, PUSHED_AUTHORIZATION];
    for_clients.into_iter().chain([AUTHORIZATION, LOGIN, LOGIN_CALLBACK, CONSENT, GRANTS, LOGOUT])
}
