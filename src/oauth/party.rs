//! Who speaks: issuers, subjects and clients, each bound to the issuer that vouches for it (RFC 9068 §5).

use std::fmt;
use std::sync::Arc;

/// The name of a trusted issuer in the configuration: a label, and the prefix of its subjects.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IssuerName(Arc<str>);

/// A name outside `[a-z0-9-]+`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an issuer's name is lower-case letters, digits and `-`")]
pub struct InvalidIssuerName;

impl IssuerName {
    /// Reads a name as the configuration writes it.
    ///
    /// # Errors
    ///
    /// [`InvalidIssuerName`] for anything outside `[a-z0-9-]+`.
    pub fn parse(text: &str) -> Result<Self, InvalidIssuerName> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(InvalidIssuerName);
        }
        Ok(Self(text.into()))
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A subject as one issuer names it. The same `value` from two issuers is two people (RFC 8725 §3.8).
///
/// Printed `<issuer name>|<value>` wherever it leaves us; the value may hold further `|`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Subject<'a> {
    /// Who vouches; nothing for the one issuer that says `subjects: plain`.
    pub issuer: Option<&'a IssuerName>,
    /// The issuer's own name for the subject.
    pub value: &'a str,
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.issuer {
            Some(issuer) => {
                formatter.write_str(issuer.as_str())?;
                formatter.write_str("|")?;
                formatter.write_str(self.value)
            }
            None => formatter.write_str(self.value),
        }
    }
}

/// A client as its issuer names it. A foreign client id never equals one of ours.
///
/// Printed `<issuer name>|<id>`, as `allowed_clients` writes it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClientRef<'a> {
    /// The issuer among `trusted_issuers`; nothing for a client of our own issuer.
    pub issuer: Option<&'a IssuerName>,
    /// The client id there.
    pub id: &'a str,
}

impl fmt::Display for ClientRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.issuer {
            Some(issuer) => {
                formatter.write_str(issuer.as_str())?;
                formatter.write_str("|")?;
                formatter.write_str(self.id)
            }
            None => formatter.write_str(self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_label() {
        assert!(IssuerName::parse("entra-v1").is_ok());
        for text in ["", "Corp", "a|b", "a b", "a.b", "ä"] {
            assert_eq!(IssuerName::parse(text), Err(InvalidIssuerName), "{text}");
        }
    }

    #[test]
    fn a_subject_carries_its_issuer() {
        let corp = IssuerName::parse("corp").unwrap();
        let subject = Subject { issuer: Some(&corp), value: "auth0|42" };
        assert_eq!(subject.to_string(), "corp|auth0|42");
    }
}
