//! What a user is on his way to while he logs in and is asked.
//!
//! It is handed to his browser, sealed, and comes back from there: nothing is kept for people who never log in. It is good
//! in that browser only (RFC 9700 §4.7), and what it asks for is judged anew whenever it comes back.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::AuthorizationRequest;
use crate::clock::Timestamp;

/// How long somebody may take to log in and consent, in seconds.
const TRANSACTION_SECONDS: u64 = 15 * 60;

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
        /// Where it was pushed beforehand.
        pushed: Option<Pushed>,
    },
    /// To see what he has granted.
    Grants,
}

/// A request that was pushed beforehand, in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pushed {
    /// The `request_uri` that it was pushed under, which is used up once there is a code.
    pub request_uri: String,
    /// When the first transaction for it began that this one carries on.
    pub since: Timestamp,
}

impl Pushed {
    /// How long after `since` the last transaction for it ends, in seconds.
    pub const SECONDS: u64 = 2 * TRANSACTION_SECONDS;
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
    since: Option<u64>,
    browser: String,
    begun: u64,
}

impl Transaction {
    /// Until when it counts. One for a pushed request is not carried on for ever: whoever remembers that the request was used
    /// has to know for how long.
    pub fn ends(&self) -> Timestamp {
        let ends = Timestamp(self.begun.0.saturating_add(TRANSACTION_SECONDS));
        match &self.goal {
            Goal::Authorization { pushed: Some(pushed), .. } => {
                ends.min(Timestamp(pushed.since.0.saturating_add(Pushed::SECONDS)))
            }
            Goal::Authorization { pushed: None, .. } | Goal::Grants => ends,
        }
    }

    /// A name that no other transaction of any browser has, but those for the same that began in the same second.
    pub fn name(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.to_json()))
    }

    /// As JSON, which belongs under a seal.
    pub fn to_json(&self) -> Vec<u8> {
        let (request, pushed) = match &self.goal {
            Goal::Authorization { request, pushed } => (Some(request.to_form()), pushed.clone()),
            Goal::Grants => (None, None),
        };
        let (pushed, since) = pushed.map(|pushed| (pushed.request_uri, pushed.since.0)).unzip();
        let written = Written { request, pushed, since, browser: self.browser.clone(), begun: self.begun.0 };
        serde_json::to_vec(&written).expect("texts and numbers can be written")
    }

    /// Reads what [`Transaction::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableTransaction`] for everything else.
    pub fn from_json(json: &[u8]) -> Result<Self, UnreadableTransaction> {
        let written: Written = serde_json::from_slice(json).map_err(|_| UnreadableTransaction)?;
        let pushed = match (written.pushed, written.since) {
            (None, None) => None,
            (Some(request_uri), Some(since)) => Some(Pushed { request_uri, since: Timestamp(since) }),
            _ => return Err(UnreadableTransaction),
        };
        let goal = match written.request {
            None => Goal::Grants,
            Some(form) => Goal::Authorization {
                request: AuthorizationRequest::of_query(form.as_bytes()).map_err(|_| UnreadableTransaction)?,
                pushed,
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
        let of_before = Pushed { request_uri: "urn:x".to_owned(), since: Timestamp(5) };
        let goal = Goal::Authorization { request, pushed: Some(of_before.clone()) };
        let went = Transaction { goal, browser: "b".to_owned(), begun: Timestamp(7) };
        let back = Transaction::from_json(&went.to_json()).unwrap();
        let Goal::Authorization { request, pushed } = &back.goal else { panic!("it was a client's") };
        assert_eq!((request.to_form().as_str(), pushed.as_ref()), (query, Some(&of_before)));
        assert_eq!((back.browser.as_str(), back.ends()), ("b", Timestamp(7 + TRANSACTION_SECONDS)));
        assert_eq!(back.name(), went.name());
        assert_ne!(back.name(), Transaction { begun: Timestamp(8), ..back }.name());
        assert!(Transaction::from_json(b"{}").is_err());
    }

    #[test]
    fn a_pushed_request_is_not_carried_on_for_ever() {
        let request = AuthorizationRequest::of_query(b"client_id=app").unwrap();
        let pushed = Some(Pushed { request_uri: "urn:x".to_owned(), since: Timestamp(5) });
        let goal = Goal::Authorization { request, pushed };
        let ends = |begun| Transaction { goal: goal.clone(), browser: String::new(), begun: Timestamp(begun) }.ends();
        assert_eq!(ends(5), Timestamp(5 + TRANSACTION_SECONDS));
        assert_eq!(ends(5 + 2 * TRANSACTION_SECONDS - 1), Timestamp(5 + 2 * TRANSACTION_SECONDS));
    }
}
