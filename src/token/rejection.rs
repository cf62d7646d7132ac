//! Why a token was refused, for the caller and for the operator.

use std::sync::Arc;

use super::GenuineToken;
use crate::config::{IssuerId, ResourceId};
use crate::oauth::Rejection;

/// What became of a token that was not accepted.
#[derive(Clone, Debug)]
pub enum Refused {
    /// It is refused.
    Rejected {
        /// Why.
        rejection: Rejection,
        /// The token, if its signature was proven: who called with it may be logged.
        genuine: Option<Arc<GenuineToken>>,
        /// The resource that the token was minted for, if that is the matter.
        presented_for: Option<ResourceId>,
    },
    /// Its issuer's keys must be read (again) before anything can be said.
    AwaitKeys(IssuerId),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected { rejection, genuine: None, presented_for: None }
    }
}
