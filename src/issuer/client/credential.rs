//! How a client says who it is, as it was sent: one method a request (RFC 6749 §2.3, RFC 7521 §4.2).
//!
//! Nothing is believed here. What is sent twice, or in two ways at once, is refused before anybody looks a client up.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ClientFault;
use crate::config::SecretMethod;
use crate::issuer::Form;
use crate::issuer::form::decode;
use crate::secret::{Secret, WipedBytes};

/// `client_assertion_type` of a JWT (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest `Authorization` field that is read, in bytes.
const MAX_FIELD: usize = 8 << 10;

/// What a client sent to prove who it is.
pub enum ClientCredential {
    /// A secret, in the header or in the form; in the header with both of its readings, the encoded one first.
    Secret {
        /// The ways to read it.
        readings: Vec<OfferedSecret>,
        /// Where it stood.
        method: SecretMethod,
    },
    /// A signed JWT, and the `client_id` that came beside it.
    Assertion {
        /// Its text.
        compact: Secret,
        /// Whom the client says that it is beside it.
        id: Option<String>,
    },
    /// Its name alone.
    Name(String),
}

/// A name, and the secret that is said to be its.
pub struct OfferedSecret {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: Secret,
}

impl ClientCredential {
    /// Reads what came: `authorization` are the values of that header.
    ///
    /// # Errors
    ///
    /// [`ClientFault`] if there is nothing, more than one method, or something that is none.
    pub fn read<'r>(mut authorization: impl Iterator<Item = &'r [u8]>, form: &Form) -> Result<Self, ClientFault> {
        let (id, secret, assertion) = (form.one("client_id"), form.one("client_secret"), form.one("client_assertion"));
        let basic = authorization.next();
        if authorization.next().is_some() {
            return Err(ClientFault::Malformed);
        }
        if assertion.is_some() || form.one("client_assertion_type").is_some() {
            if basic.is_some() || secret.is_some() {
                return Err(ClientFault::Mixed);
            }
            if form.one("client_assertion_type") != Some(JWT_BEARER) {
                return Err(ClientFault::Malformed);
            }
            let compact = Secret::new(assertion.ok_or(ClientFault::Malformed)?);
            return Ok(Self::Assertion { compact, id: id.map(str::to_owned) });
        }
        match (basic, id, secret) {
            (Some(_), _, Some(_)) => Err(ClientFault::Repeated),
            (Some(field), id, None) => {
                let readings = basic_readings(field).ok_or(ClientFault::Malformed)?;
                match id.is_none_or(|id| readings.iter().any(|offered| offered.id == id)) {
                    true => Ok(Self::Secret { readings, method: SecretMethod::Basic }),
                    false => Err(ClientFault::NameDiffers),
                }
            }
            (None, Some(id), Some(secret)) => {
                let readings = vec![OfferedSecret { id: id.to_owned(), secret: Secret::new(secret) }];
                Ok(Self::Secret { readings, method: SecretMethod::Post })
            }
            (None, Some(id), None) => Ok(Self::Name(id.to_owned())),
            (None, None, _) => Err(ClientFault::Missing),
        }
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Secret { .. } => "Secret(…)",
            Self::Assertion { .. } => "Assertion(…)",
            Self::Name(_) => "Name(…)",
        })
    }
}

/// Name and secret of a `Basic` field: form-encoded, as the standard has it, and raw, as many clients send them.
fn basic_readings(field: &[u8]) -> Option<Vec<OfferedSecret>> {
    if field.len() > MAX_FIELD {
        return None;
    }
    let (scheme, encoded) = field.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = WipedBytes::from(STANDARD.decode(encoded.trim_ascii()).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (id, secret) = (&decoded[..colon], &decoded[colon + 1..]);
    let of = |id: &str, secret: &[u8]| OfferedSecret { id: id.to_owned(), secret: Secret::new(secret) };
    let undone = decode(id).ok().zip(decode(secret).ok()).map(|(id, secret)| of(&id, secret.as_bytes()));
    // Most need no encoding, and then both readings are one.
    let is_same = undone.is_some() && !decoded.iter().any(|byte| matches!(byte, b'+' | b'%'));
    let raw = std::str::from_utf8(id).ok().filter(|_| !is_same).map(|id| of(id, secret));
    let readings: Vec<_> = undone.into_iter().chain(raw).collect();
    let is_named = readings.iter().all(|offered| !offered.id.is_empty() && !offered.secret.expose().is_empty());
    (is_named && !readings.is_empty()).then_some(readings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&str], body: &str) -> Result<ClientCredential, ClientFault> {
        let form = Form::parse(body.as_bytes(), 8 << 10).unwrap();
        ClientCredential::read(fields.iter().map(|field| field.as_bytes()), &form)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn pairs(credential: Result<ClientCredential, ClientFault>) -> Vec<(String, Vec<u8>)> {
        let Ok(ClientCredential::Secret { readings, .. }) = credential else { panic!("{credential:?}") };
        readings.into_iter().map(|offered| (offered.id, offered.secret.expose().to_vec())).collect()
    }

    #[test]
    fn a_basic_field_is_read_encoded_and_raw() {
        let one = |id: &str, secret: &str| (id.to_owned(), secret.as_bytes().to_vec());
        assert_eq!(pairs(read(&[&basic("app:s3cret")], "")), [one("app", "s3cret")]);
        assert_eq!(pairs(read(&[&basic("app:a%2Bb")], "")), [one("app", "a+b"), one("app", "a%2Bb")]);
        assert_eq!(pairs(read(&[&basic("app:100%")], "")), [one("app", "100%")]);
        assert_eq!(pairs(read(&[&basic("app:a:b")], "client_id=app")), [one("app", "a:b")]);
        assert_eq!(pairs(read(&[&basic("app:x").replace("Basic", "bASIC")], "")), [one("app", "x")]);
        assert_eq!(pairs(read(&[], "client_id=app&client_secret=x")), [one("app", "x")]);
    }

    #[test]
    fn an_assertion_and_a_name_are_methods_too() {
        let body = format!("client_assertion=a.b.c&client_assertion_type={JWT_BEARER}");
        assert!(matches!(read(&[], &body), Ok(ClientCredential::Assertion { id: None, .. })));
        assert!(matches!(read(&[], "client_id=app"), Ok(ClientCredential::Name(id)) if id == "app"));
    }

    #[test]
    fn more_than_one_method_is_refused() {
        let assertion = format!("client_assertion=a.b.c&client_assertion_type={JWT_BEARER}");
        let field = basic("app:x");
        for (fields, body, fault) in [
            (vec![&*field], "client_id=app&client_secret=x".to_owned(), ClientFault::Repeated),
            (vec![&*field], assertion.clone(), ClientFault::Mixed),
            (vec![], format!("{assertion}&client_secret=x"), ClientFault::Mixed),
            (vec![&*field, &*field], String::new(), ClientFault::Malformed),
            (vec![&*field], "client_id=other".to_owned(), ClientFault::NameDiffers),
        ] {
            assert_eq!(read(&fields, &body).unwrap_err(), fault, "{body}");
        }
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        for field in
            ["Bearer a.b.c", "Basic", "Basic ", "Basic !!", &basic("app"), &basic(":x"), &basic("app:"), "Basic\tYTpi"]
        {
            assert_eq!(read(&[field], "").unwrap_err(), ClientFault::Malformed, "{field}");
        }
        for body in
            ["client_assertion=a.b.c", "client_assertion=a.b.c&client_assertion_type=saml", "client_assertion_type=x"]
        {
            assert_eq!(read(&[], body).unwrap_err(), ClientFault::Malformed, "{body}");
        }
        for body in ["", "client_secret=x", "client_id="] {
            assert_eq!(read(&[], body).unwrap_err(), ClientFault::Missing, "{body}");
        }
    }

    #[test]
    fn never_shows_itself() {
        let shown = format!("{:?}", read(&[&basic("app:hunter2")], "").unwrap());
        assert!(!shown.contains("hunter2"));
    }
}
