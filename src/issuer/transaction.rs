//! What a user is on his way to while he logs in and is asked.
//!
//! It is handed to his browser, sealed, and comes back from there: nothing is kept for people who never log in. It is good
//! in that browser only (RFC 9700 §4.7), and what it asks for is judged anew whenever it comes back.

use serde::{Deserialize, Serialize};

use super::AuthorizationRequest;
use crate::clock::Timestamp;

/// How long somebody may take to log in and consent, in seconds.
pub const TRANSACTION_SECONDS: u64 = 15 * 60;

/// What a user is on his way to, in one browser.
#[derive(Debug)]
pub struct Transaction {
    /// What he will be asked.
    pub goal: Goal,
    /// The digest of what only his browser has, in base64url.
    pub browser: String,
    /// When it began: a login before that may not be what is asked for.
    pub begun: Timestamp,
}

/// What a user is on his way to.
#[derive(Clone, Debug)]
pub enum Goal {
    /// To grant a client something.
    Authorization {
        /// What it asks for; judged before, and to be judged again.
        request: AuthorizationRequest,
        /// The `request_uri` that it was pushed under, which is used up once there is a code.
        pushed: Option<String>,
    },
    /// To see what he has granted.
    Grants,
}

/// What a text that is no transaction is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a transaction cannot be read")]
pub struct UnreadableTransaction;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The request as a form; nothing where no client asks.
    request: Option<String>,
    pushed: Option<String>,
    browser: String,
    begun: u64,
}

impl Transaction {
    /// Until when it counts.
    pub fn ends(&self) -> Timestamp {
        Timestamp(self.begun.0.saturating_add(TRANSACTION_SECONDS))
    }

    /// As JSON, which belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let (request, pushed) = match &self.goal {
            Goal::Authorization { request, pushed } => (Some(request.to_form()), pushed.clone()),
            Goal::Grants => (None, None),
        };
        let written = Written { request, pushed, browser: self.browser.clone(), begun: self.begun.0 };
        serde_json::to_vec(&written).expect("texts and numbers can be written")
    }

    /// Reads what [`Transaction::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableTransaction`] for everything else.
    pub fn from_json(json: &[u8]) -> Result<Self, UnreadableTransaction> {
        let written: Written = serde_json::from_slice(json).map_err(|_| UnreadableTransaction)?;
        let goal = match written.request {
            None => Goal::Grants,
            Some(form) => Goal::Authorization {
                request: AuthorizationRequest::of_query(form.as_bytes()).map_err(|_| UnreadableTransaction)?,
                pushed: written.pushed,
            },
        };
        Ok(Self { goal, browser: written.browser, begun: Timestamp(written.begun) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_went() {
        let query = "client_id=app&resource=https%3A%2F%2Fa.example&resource=urn%3Ab&state=%C3%A9%26%2B+&scope=read";
        let request = AuthorizationRequest::of_query(query.as_bytes()).unwrap();
        let goal = Goal::Authorization { request, pushed: Some("urn:x".to_owned()) };
        let went = Transaction { goal, browser: "b".to_owned(), begun: Timestamp(7) };
        let back = Transaction::from_json(&went.to_json()).unwrap();
        let Goal::Authorization { request, pushed } = &back.goal else { panic!("it was a client's") };
        assert_eq!((request.to_form().as_str(), pushed.as_deref()), (query, Some("urn:x")));
        assert_eq!((back.browser.as_str(), back.ends()), ("b", Timestamp(7 + TRANSACTION_SECONDS)));
        assert!(Transaction::from_json(b"{}").is_err());
    }
}
