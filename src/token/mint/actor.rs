//! Who acts for the subject of a token: the `act` claim (RFC 8693 §4.1).
//!
//! An actor only identifies: `sub`, and `iss` where it is known. Whoever acted before stands inside it. Deliberately
//! absent: times and audiences, which mean nothing in `act`, and any decision: only the outermost actor counts for one.

use serde::Serialize;
use serde_json::Value;

use crate::token::json::MAX_DEPTH;

/// One actor, and those who acted before it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Actor {
    #[serde(rename = "sub")]
    subject: Box<str>,
    #[serde(rename = "iss", skip_serializing_if = "Option::is_none")]
    issuer: Option<Box<str>>,
    #[serde(rename = "act", skip_serializing_if = "Option::is_none")]
    earlier: Option<Box<Self>>,
}

/// Why there is no such actor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidActor {
    /// No object, no `sub`, or a member of the wrong type.
    #[error("`act` is not an object with a `sub` (RFC 8693 section 4.1)")]
    Form,
    /// A chain that our own gate would refuse to read.
    #[error("more than {} actors stand in each other", Actor::MOST)]
    TooMany,
}

impl Actor {
    /// The longest chain that any token has: what our own gate still reads. `exchange_depth` is far below.
    pub const MOST: usize = MAX_DEPTH - 1;

    /// An actor named `subject` at `issuer`, who acts on a token that `earlier` already acted on.
    ///
    /// # Errors
    ///
    /// [`InvalidActor`] for an empty name, or as one more than [`Actor::MOST`].
    pub fn new(subject: &str, issuer: Option<&str>, earlier: Option<Self>) -> Result<Self, InvalidActor> {
        if subject.is_empty() || issuer.is_some_and(str::is_empty) {
            return Err(InvalidActor::Form);
        }
        if earlier.as_ref().map_or(0, Self::count) >= Self::MOST {
            return Err(InvalidActor::TooMany);
        }
        Ok(Self { subject: subject.into(), issuer: issuer.map(Into::into), earlier: earlier.map(Box::new) })
    }

    /// Reads the `act` of a token that was verified. Members that do not identify are left behind.
    ///
    /// # Errors
    ///
    /// [`InvalidActor`] if it is malformed anywhere in the chain, or too long.
    pub fn from_claim(act: &Value) -> Result<Self, InvalidActor> {
        Self::from_claim_within(act, Self::MOST)
    }

    fn from_claim_within(act: &Value, most: usize) -> Result<Self, InvalidActor> {
        let most = most.checked_sub(1).ok_or(InvalidActor::TooMany)?;
        let members = act.as_object().ok_or(InvalidActor::Form)?;
        let text = |name| members.get(name).map(|value| value.as_str().ok_or(InvalidActor::Form)).transpose();
        let earlier = members.get("act").map(|earlier| Self::from_claim_within(earlier, most)).transpose()?;
        Self::new(text("sub")?.ok_or(InvalidActor::Form)?, text("iss")?, earlier)
    }

    /// The actor's name.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who vouches for that name.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Who acted before.
    pub fn earlier(&self) -> Option<&Self> {
        self.earlier.as_deref()
    }

    /// How many actors there are, with this one.
    pub fn count(&self) -> usize {
        1 + self.earlier().map_or(0, Self::count)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn earlier_actors_stay_inside() {
        let first = Actor::new("rs1", Some("https://auth.example"), None).unwrap();
        let second = Actor::new("rs2", Some("https://auth.example"), Some(first)).unwrap();
        let claim = json!({
            "sub": "rs2", "iss": "https://auth.example",
            "act": { "sub": "rs1", "iss": "https://auth.example" },
        });
        assert_eq!(serde_json::to_value(&second).unwrap(), claim);
        assert_eq!(Actor::from_claim(&claim), Ok(second));
    }

    #[test]
    fn only_what_identifies_stays() {
        let actor = Actor::from_claim(&json!({ "sub": "a", "exp": 1, "aud": "x", "email": "a@b.example" })).unwrap();
        assert_eq!(serde_json::to_value(&actor).unwrap(), json!({ "sub": "a" }));
    }

    #[test]
    fn a_malformed_actor_is_refused_wherever_it_stands() {
        for act in [
            json!("x"),
            json!(null),
            json!([]),
            json!({}),
            json!({"sub": 7}),
            json!({"sub": ""}),
            json!({"sub": "a", "iss": null}),
        ] {
            assert_eq!(Actor::from_claim(&act), Err(InvalidActor::Form), "{act}");
            assert_eq!(Actor::from_claim(&json!({ "sub": "a", "act": act })), Err(InvalidActor::Form), "{act}");
        }
    }

    #[test]
    fn the_chain_has_an_end() {
        let longest = (1..Actor::MOST)
            .fold(Actor::new("a", None, None).unwrap(), |earlier, _| Actor::new("a", None, Some(earlier)).unwrap());
        assert_eq!(longest.count(), Actor::MOST);
        let claim = serde_json::to_value(&longest).unwrap();
        assert_eq!(Actor::from_claim(&claim).as_ref(), Ok(&longest));
        assert_eq!(Actor::from_claim(&json!({ "sub": "b", "act": claim })), Err(InvalidActor::TooMany));
        assert_eq!(Actor::new("b", None, Some(longest)), Err(InvalidActor::TooMany));
    }
}
