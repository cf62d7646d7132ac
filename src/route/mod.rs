//! Which resource and which rules a request belongs to. A router that knows no OAuth.
//!
//! The rooms: [`Target`] is a request target with one reading, [`Authority`] the host that was asked, [`PathPattern`]
//! what a rule says about paths; [`HostTable`] finds the entry for host and path prefix, [`RuleTree`] every rule that
//! matches a path.

mod authority;
mod pattern;
mod readings;
mod rules;
mod table;
mod target;

pub use authority::{Authority, HostPattern, InvalidAuthority};
pub use pattern::{InvalidPattern, Overlap, PathPattern, Segment};
pub use readings::Readings;
pub(crate) use rules::segment;
pub use rules::{MatchedRules, RuleTree};
pub use table::{HostTable, Lookup, PrefixClash};
pub use target::{Target, TargetFault};
