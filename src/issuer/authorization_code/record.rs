//! What is kept of a code until it is redeemed: the grant, and what the code is bound to (RFC 6749 §4.1.2, RFC 7636 §4.4).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::CodeBinding;
use crate::issuer::GrantRecord;
use crate::oauth::CodeChallenge;

/// A grant that waits for whoever asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodeRecord {
    /// What the user granted.
    pub grant: GrantRecord,
    /// Where the code went.
    pub redirect_uri: String,
    /// What whoever redeems it has to prove.
    pub challenge: CodeChallenge,
    /// What had been taken back when the code was made.
    pub recalls: RecallsSeen,
}

/// The marks of those who took something back of a client or a user, as they were at some time.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RecallsSeen(Vec<Option<String>>);

impl RecallsSeen {
    /// Adds the mark of the next one who may take back, if there is one.
    pub fn add(&mut self, mark: Option<String>) {
        self.0.push(mark);
    }

    /// Whether somebody took something back between these and those that are there `now`. A mark that is gone was left before
    /// these: it stays longer than any code.
    pub fn came_before_any_of(&self, now: &Self) -> bool {
        let known = |at: usize| self.0.get(at).and_then(Option::as_ref);
        now.0.iter().enumerate().any(|(at, mark)| mark.is_some() && mark.as_ref() != known(at))
    }
}

/// What a text that is no such record is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a code in the store cannot be read")]
pub struct UnreadableCode;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    grant: Box<RawValue>,
    redirect_uri: String,
    challenge: String,
    #[serde(default)]
    recalls: RecallsSeen,
}

impl CodeRecord {
    /// What the code is bound to.
    pub fn binding(&self) -> CodeBinding<'_> {
        CodeBinding { redirect_uri: &self.redirect_uri, challenge: &self.challenge }
    }

    /// As it is kept: JSON, which belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let grant = String::from_utf8(self.grant.to_json()).expect("JSON is UTF-8");
        let grant = RawValue::from_string(grant).expect("a grant record is written in JSON");
        let (redirect_uri, challenge) = (self.redirect_uri.clone(), self.challenge.to_string());
        let recalls = self.recalls.clone();
        serde_json::to_vec(&Written { grant, redirect_uri, challenge, recalls }).expect("texts and JSON can be written")
    }

    /// Reads what [`CodeRecord::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableCode`] for everything else.
    pub fn from_json(json: &[u8]) -> Result<Self, UnreadableCode> {
        let written: Written = serde_json::from_slice(json).map_err(|_| UnreadableCode)?;
        Ok(Self {
            grant: GrantRecord::from_json(written.grant.get().as_bytes()).map_err(|_| UnreadableCode)?,
            redirect_uri: written.redirect_uri,
            challenge: CodeChallenge::parse(&written.challenge).map_err(|_| UnreadableCode)?,
            recalls: written.recalls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(marks: [Option<&str>; 3]) -> RecallsSeen {
        RecallsSeen(marks.map(|mark| mark.map(str::to_owned)).into())
    }

    #[test]
    fn another_mark_is_a_recall_and_one_that_is_gone_is_none() {
        let before = seen([None, Some("a"), Some("b")]);
        for (now, expected) in [
            ([None, Some("a"), Some("b")], false),
            ([None, None, None], false),
            ([Some("c"), Some("a"), Some("b")], true),
            ([None, Some("c"), Some("b")], true),
            ([None, Some("b"), Some("b")], true),
        ] {
            assert_eq!(before.came_before_any_of(&seen(now)), expected, "{now:?}");
        }
        assert!(RecallsSeen::default().came_before_any_of(&seen([None, None, Some("a")])));
    }
}
