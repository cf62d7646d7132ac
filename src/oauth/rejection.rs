//! A reason, and what lies behind it.

use super::Reason;

/// Why something is refused: the reason that everybody may see, and a detail for whoever operates the gateway.
///
/// The detail comes from a fixed list. Nothing of the request or its token is ever in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// The public reason.
    pub reason: Reason,
    /// What exactly is wrong, or what to do about it.
    pub detail: &'static str,
}

impl Rejection {
    /// Puts both together.
    pub fn new(reason: Reason, detail: &'static str) -> Self {
        Self { reason, detail }
    }
}
