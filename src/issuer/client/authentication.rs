//! Whether a client is who it says it is: by the one method that the configuration gives it.
//!
//! A secret is compared as a digest, in a time that tells neither where it differs nor whether there is such a client: who
//! has no secret is held against one that nobody knows.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

use super::{AssertionFault, OfferedSecret};
use crate::config::{AuthorizationServer, Client, ClientAuthentication, JwksLocation, SecretMethod};
use crate::oauth::OAuthError;
use crate::secret::Secret;

/// Why a client is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientFault {
    /// Nothing says who asks.
    #[error("no client authentication was sent")]
    Missing,
    /// What was sent is no authentication.
    #[error("the client authentication is malformed, or of an unknown kind")]
    Malformed,
    /// A secret came twice.
    #[error("a secret came both in the header and in the form")]
    Repeated,
    /// An assertion came with something else.
    #[error("an assertion came together with another method")]
    Mixed,
    /// `client_id` is not the authenticated one.
    #[error("`client_id` differs from the authenticated client")]
    NameDiffers,
    /// There is no such client.
    #[error("there is no such client")]
    Unknown,
    /// The client proves itself otherwise.
    #[error("the client is registered for another method")]
    OtherMethod,
    /// The secret is none of the client's.
    #[error("the secret is wrong")]
    WrongSecret,
    /// The assertion is not good.
    #[error("the client assertion is refused: {0}")]
    Assertion(#[from] AssertionFault),
    /// The assertion was used before.
    #[error("the client assertion was used before")]
    Replayed,
    /// The client is switched off.
    #[error("the client is disabled")]
    Disabled,
}

impl ClientFault {
    /// The code that the client gets: a request that contradicts itself is at fault itself (RFC 6749 §5.2), everything
    /// else is an unproven client.
    pub fn error(self) -> OAuthError {
        match self {
            Self::Repeated | Self::NameDiffers => OAuthError::InvalidRequest,
            Self::Missing
            | Self::Malformed
            | Self::Mixed
            | Self::Unknown
            | Self::OtherMethod
            | Self::WrongSecret
            | Self::Assertion(_)
            | Self::Replayed
            | Self::Disabled => OAuthError::InvalidClient,
        }
    }
}

/// How many secrets are compared at least, whoever is named.
const COMPARISONS: usize = 2;

/// The client that knows its secret; `readings` are the ways to read what was sent by `method`.
///
/// # Errors
///
/// [`ClientFault::Unknown`], [`ClientFault::OtherMethod`] or [`ClientFault::WrongSecret`], after the same work.
pub fn by_secret<'s>(
    server: &'s AuthorizationServer,
    method: SecretMethod,
    readings: &[OfferedSecret],
) -> Result<&'s Client, ClientFault> {
    let mut result = Err(ClientFault::Unknown);
    for offered in readings {
        let client = server.client(&offered.id);
        let is_right = is_one_of(client.map_or(&[], secrets), &offered.secret);
        match (client, is_right) {
            (Some(client), true) if client.allows(method) => result = Ok(client),
            (Some(client), _) if result.is_err() => {
                let is_its_method = client.allows(method) && !secrets(client).is_empty();
                result = Err(if is_its_method { ClientFault::WrongSecret } else { ClientFault::OtherMethod });
            }
            _ => {}
        }
    }
    result
}

/// The client with this name, if it needs no proof.
///
/// # Errors
///
/// [`ClientFault::Unknown`], or [`ClientFault::OtherMethod`] for a client that has something to prove itself with.
pub fn by_name<'s>(server: &'s AuthorizationServer, id: &str) -> Result<&'s Client, ClientFault> {
    let client = server.client(id).ok_or(ClientFault::Unknown)?;
    (!client.is_confidential()).then_some(client).ok_or(ClientFault::OtherMethod)
}

/// The client with this name, and where its keys are, if it proves itself with these.
///
/// # Errors
///
/// [`ClientFault::Unknown`], or [`ClientFault::OtherMethod`] for a client without keys.
pub fn with_keys<'s>(
    server: &'s AuthorizationServer,
    id: &str,
) -> Result<(&'s Client, &'s [JwksLocation]), ClientFault> {
    let client = server.client(id).ok_or(ClientFault::Unknown)?;
    match &client.authentication {
        ClientAuthentication::Keys(locations) => Ok((client, locations)),
        ClientAuthentication::Secrets(_) | ClientAuthentication::None => Err(ClientFault::OtherMethod),
    }
}

fn secrets(client: &Client) -> &[Secret] {
    match &client.authentication {
        ClientAuthentication::Secrets(secrets) => secrets,
        ClientAuthentication::Keys(_) | ClientAuthentication::None => &[],
    }
}

/// Compares with every secret, and with what nobody can offer up to [`COMPARISONS`] times.
fn is_one_of(secrets: &[Secret], offered: &Secret) -> bool {
    let offered = digest(&SHA256, offered.expose());
    let decoy = digest(&SHA256, &[0; 32]);
    let mut is_equal = false;
    for at in 0..secrets.len().max(COMPARISONS) {
        let (known, counts) = match secrets.get(at) {
            Some(secret) => (digest(&SHA256, secret.expose()), true),
            None => (decoy, false),
        };
        is_equal |= verify_slices_are_equal(known.as_ref(), offered.as_ref()).is_ok() & counts;
    }
    is_equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::tests::server_of;

    fn server() -> AuthorizationServer {
        server_of(&[
            ("two", ClientAuthentication::Secrets(vec![Secret::new("new"), Secret::new("old")])),
            ("keys", ClientAuthentication::Keys(Vec::new())),
            ("public", ClientAuthentication::None),
            ("a b", ClientAuthentication::Secrets(vec![Secret::new("x y")])),
        ])
    }

    fn asked(pairs: &[(&str, &str)]) -> Result<String, ClientFault> {
        let readings: Vec<_> = pairs
            .iter()
            .map(|(id, secret)| OfferedSecret { id: (*id).to_owned(), secret: Secret::new(*secret) })
            .collect();
        by_secret(&server(), SecretMethod::Basic, &readings).map(|client| client.id.clone())
    }

    #[test]
    fn each_of_several_secrets_is_good() {
        for secret in ["new", "old"] {
            assert_eq!(asked(&[("two", secret)]).as_deref(), Ok("two"));
        }
        assert_eq!(asked(&[("a b", "x y"), ("a+b", "x+y")]).as_deref(), Ok("a b"), "encoded");
        assert_eq!(asked(&[("other", "x"), ("two", "old")]).as_deref(), Ok("two"), "raw");
    }

    #[test]
    fn every_other_secret_and_method_is_refused() {
        for secret in ["", "ne", "newer", "NEW", "old "] {
            assert_eq!(asked(&[("two", secret)]), Err(ClientFault::WrongSecret), "{secret}");
        }
        assert_eq!(asked(&[("nobody", "new")]), Err(ClientFault::Unknown));
        assert_eq!(
            asked(&[("nobody", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]),
            Err(ClientFault::Unknown)
        );
        for client in ["keys", "public"] {
            assert_eq!(
                asked(&[(client, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]),
                Err(ClientFault::OtherMethod)
            );
        }
    }

    #[test]
    fn a_secret_counts_where_the_client_was_to_put_it() {
        use SecretMethod::{Basic, Post};
        let mut server = server();
        let readings = [OfferedSecret { id: "two".to_owned(), secret: Secret::new("new") }];
        for (only, in_header, in_form) in [(None, true, true), (Some(Basic), true, false), (Some(Post), false, true)] {
            server.clients[0].secret_method = only;
            for (method, is_good) in [(Basic, in_header), (Post, in_form)] {
                let fault = by_secret(&server, method, &readings).err();
                assert_eq!(fault, (!is_good).then_some(ClientFault::OtherMethod), "{only:?} {method:?}");
            }
        }
    }

    #[test]
    fn a_name_is_enough_for_a_public_client_only() {
        let server = server();
        assert_eq!(by_name(&server, "public").map(|client| &*client.id), Ok("public"));
        for (id, fault) in
            [("two", ClientFault::OtherMethod), ("keys", ClientFault::OtherMethod), ("x", ClientFault::Unknown)]
        {
            assert_eq!(by_name(&server, id).unwrap_err(), fault, "{id}");
        }
    }

    #[test]
    fn only_a_client_with_keys_signs() {
        let server = server();
        assert!(with_keys(&server, "keys").is_ok());
        for (id, fault) in
            [("two", ClientFault::OtherMethod), ("public", ClientFault::OtherMethod), ("x", ClientFault::Unknown)]
        {
            assert_eq!(with_keys(&server, id).unwrap_err(), fault, "{id}");
        }
    }
}
