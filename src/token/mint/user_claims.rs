//! What a token says about its user, beside what the protocol says (RFC 9068 §2.2.2).
//!
//! A name that a protocol gives a meaning is refused, not dropped: whoever asks for it has misunderstood something. What
//! our own gate could not read again is refused as well.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::oauth::is_protocol_claim;
use crate::token::json::MAX_DEPTH;

/// Claims that are no protocol's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct UserClaims(Map<String, Value>);

/// Why a claim is no user claim.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidUserClaim {
    /// A name with a meaning of its own.
    #[error("`{0}` belongs to the protocol and cannot be a user claim")]
    Protocol(String),
    /// A value that our own gate would refuse to read.
    #[error("the value of `{0}` is nested too deeply")]
    TooDeep(String),
}

impl UserClaims {
    /// Takes claims over.
    ///
    /// # Errors
    ///
    /// [`InvalidUserClaim`] names the first that cannot be one.
    pub fn new(claims: Map<String, Value>) -> Result<Self, InvalidUserClaim> {
        for (name, value) in &claims {
            if is_protocol_claim(name) {
                return Err(InvalidUserClaim::Protocol(name.clone()));
            }
            if !is_at_most(value, MAX_DEPTH - 1) {
                return Err(InvalidUserClaim::TooDeep(name.clone()));
            }
        }
        Ok(Self(claims))
    }

    /// The claims.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Whether objects and arrays stand in each other at most `levels` deep.
fn is_at_most(value: &Value, levels: usize) -> bool {
    let mut members: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Object(members) => Box::new(members.values()),
        Value::Array(members) => Box::new(members.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return true,
    };
    levels.checked_sub(1).is_some_and(|levels| members.all(|member| is_at_most(member, levels)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::PROTOCOL_CLAIMS;

    fn claims(name: &str, value: Value) -> Result<UserClaims, InvalidUserClaim> {
        UserClaims::new(Map::from_iter([(name.to_owned(), value)]))
    }

    #[test]
    fn no_protocol_claim_is_a_user_claim() {
        for name in PROTOCOL_CLAIMS {
            assert_eq!(claims(name, json!("x")), Err(InvalidUserClaim::Protocol(name.to_owned())));
        }
        assert!(claims("Aud", json!("x")).is_err());
        assert!(claims("roles", json!(["admin"])).is_ok());
    }

    #[test]
    fn what_is_minted_can_be_read_again() {
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
        let deepest = claims("deep", nested(MAX_DEPTH - 1)).unwrap();
        assert!(crate::token::json::parse_object(serde_json::to_string(&deepest).unwrap().as_bytes()).is_ok());
        assert_eq!(claims("deep", nested(MAX_DEPTH)), Err(InvalidUserClaim::TooDeep("deep".to_owned())));
        assert!(claims("deep", json!([nested(MAX_DEPTH - 1)])).is_err());
    }
}
