//! The decision: from the values of one request to a value, without I/O, log or metric.
//!
//! [`Gate::decide`] is the whole gate. It returns a [`Decision`]; the front that asked writes and records. Its steps, a
//! file each: one target and one authority (`address`), the resource and its rules (`resource`), one credential
//! (`credential`), a token for this very audience ([`crate::token`]), further demands (`demands`). A [`Permit`] can be
//! made here only, and no request reaches an upstream without one. `redirect` decides for listeners that serve nothing.

mod address;
mod cors;
mod credential;
mod decide;
mod demands;
mod denial;
mod gate;
mod identity;
mod metadata;
mod owned;
mod permit;
mod place;
mod redirect;
mod resource;
mod scope_demand;
mod tables;
mod view;

#[cfg(test)]
mod tests;

pub use cors::CorsHeaders;
pub use decide::{Decision, Step, Witness};
pub use denial::{Answer, Denial};
pub use gate::{Earlier, Gate, InvalidGate};
pub use metadata::Document;
pub use owned::OwnedHeaders;
pub use permit::{Ground, Permit, RewrittenTarget, UpstreamTarget};
pub use place::Place;
pub use view::{ConnectionFacts, RequestView};
