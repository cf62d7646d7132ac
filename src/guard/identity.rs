//! What an upstream is told of a caller, as the value of a header field.
//!
//! Two callers must never look the same to an upstream, which trims its fields and may decode them; so all that is not
//! printable ASCII is percent-encoded, and so are `%` itself and a space at either end.

use std::fmt::{self, Write};

use smallvec::SmallVec;

use super::Gate;
use crate::config::{IdentitySource, ResourceId};
use crate::token::{ClaimValue, GenuineToken, claim};

/// The value of a field; most are short.
pub(super) type Printed = SmallVec<[u8; 96]>;

/// What a token says at this source, as a field shows it; nothing where it says nothing, or nothing that fits one line.
pub(super) fn printed_as(
    source: &IdentitySource,
    token: &GenuineToken,
    gate: &Gate,
    id: ResourceId,
) -> Option<Printed> {
    let mut field = Field(Printed::new());
    match source {
        IdentitySource::Subject => gate.print_subject(Some(id), token, &mut field)?,
        IdentitySource::Client => gate.print_client(Some(id), token, &mut field)?,
        IdentitySource::Issuer => field.add(token.iss()),
        IdentitySource::Scope => field.0.extend_from_slice(gate.granted_scopes(id, token).join(" ").as_bytes()),
        IdentitySource::Claim(path) => field.add_claim(claim(token.claims(), path)?)?,
    }
    let is_trimmed = |byte: Option<&u8>| byte == Some(&b' ');
    if is_trimmed(field.0.first()) || is_trimmed(field.0.last()) {
        field = field.with_ends_kept();
    }
    // Without a way out in the middle, so that many bytes are looked at in one step.
    let fits = field.0.iter().fold(true, |fits, byte| fits & (b' '..=b'~').contains(byte));
    Some(field.0).filter(|value| fits && !value.is_empty())
}

/// A value in the making.
struct Field(Printed);

impl Field {
    fn add(&mut self, text: &str) {
        // Without a way out, as above.
        let is_odd = |odd, byte: u8| odd | !(b' '..=b'~').contains(&byte) | (byte == b'%');
        if !text.bytes().fold(false, is_odd) {
            return self.0.extend_from_slice(text.as_bytes());
        }
        for byte in text.bytes() {
            match byte {
                b'%' | 0..=0x1f | 0x7f..=0xff => self.add_encoded(byte),
                _ => self.0.push(byte),
            }
        }
    }

    /// A claim: text, numbers and booleans, and lists of them joined by commas, which are encoded inside the members, so that
    /// no member can pass for two.
    fn add_claim(&mut self, value: ClaimValue<'_>) -> Option<()> {
        match value {
            ClaimValue::Text(text) => self.add(text),
            ClaimValue::Unsigned(_) | ClaimValue::Signed(_) | ClaimValue::Float(_) | ClaimValue::Bool(_) => {
                self.0.extend_from_slice(value.to_value().to_string().as_bytes());
            }
            ClaimValue::Array(members) => {
                for (at, member) in members.iter().enumerate() {
                    if at > 0 {
                        self.0.push(b',');
                    }
                    self.add_member(member)?;
                }
            }
            ClaimValue::Null | ClaimValue::Object(_) => return None,
        }
        Some(())
    }

    fn add_member(&mut self, member: ClaimValue<'_>) -> Option<()> {
        let begin = self.0.len();
        match member {
            ClaimValue::Array(_) => return None,
            _ => self.add_claim(member)?,
        }
        let mut printed = Self(self.0.drain(begin..).collect());
        if printed.0.first() == Some(&b' ') || printed.0.last() == Some(&b' ') {
            printed = printed.with_ends_kept();
        }
        for byte in printed.0 {
            match byte {
                b',' => self.add_encoded(byte),
                _ => self.0.push(byte),
            }
        }
        Some(())
    }

    /// The same with a space at its beginning and at its end encoded.
    fn with_ends_kept(&self) -> Self {
        let mut kept = Self(Printed::with_capacity(self.0.len() + 4));
        let last = self.0.len().saturating_sub(1);
        for (at, byte) in self.0.iter().copied().enumerate() {
            match byte {
                b' ' if at == 0 || at == last => kept.add_encoded(byte),
                _ => kept.0.push(byte),
            }
        }
        kept
    }

    fn add_encoded(&mut self, byte: u8) {
        let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
        self.0.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}

impl fmt::Write for Field {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text);
        Ok(())
    }
}

impl Gate {
    /// The subject, as [`Gate::subject`] has it, for the upstream to see.
    fn print_subject(&self, resource: Option<ResourceId>, token: &GenuineToken, field: &mut Field) -> Option<()> {
        self.with_subject(resource, token, |subject| write!(field, "{subject}").ok())?
    }

    /// The client, as [`Gate::client`] has it, for the upstream to see.
    fn print_client(&self, resource: Option<ResourceId>, token: &GenuineToken, field: &mut Field) -> Option<()> {
        self.with_client(resource, token, |client| write!(field, "{client}").ok())?
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn printed(value: Value) -> Option<String> {
        let mut field = Field(Printed::new());
        field.add_claim(ClaimValue::from(&value))?;
        Some(String::from_utf8(field.with_ends_kept().0.to_vec()).unwrap())
    }

    #[test]
    fn claims_become_one_line() {
        assert_eq!(printed(json!(["a", 7, true])).as_deref(), Some("a,7,true"));
        assert_eq!(printed(json!(["a,admin"])).as_deref(), Some("a%2Cadmin"));
        assert_eq!(printed(json!([" a", "b "])).as_deref(), Some("%20a,b%20"));
        assert_eq!(printed(json!({"a": 1})), None);
        assert_eq!(printed(json!([["a"]])), None);
        assert_eq!(printed(json!("J\u{f6}rg\r\nX: y%")).as_deref(), Some("J%C3%B6rg%0D%0AX: y%25"));
        assert_eq!(printed(json!(" a b ")).as_deref(), Some("%20a b%20"));
        assert_eq!(printed(json!("  ")).as_deref(), Some("%20%20"));
    }
}
