//! Where a request goes, for what is asked before any resource: the endpoints of our own issuer.

use super::address::Address;
use super::{Gate, RequestView};
use crate::route::Authority;

/// A request's authority and target, each with one reading; of the authority the one that a trusted proxy names, if one
/// does.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The authority.
    pub authority: Authority<'a>,
    /// The path.
    pub path: &'a str,
    /// What follows `?`, if anything does.
    pub query: Option<&'a str>,
}

impl Gate {
    /// Where a request goes; nothing for one that [`Gate::decide`] refuses before it looks for a resource.
    pub fn place<'a>(&self, request: &RequestView<'a>) -> Option<Place<'a>> {
        let Address { target, authority } = Address::of(request, self.trusts_proxy(request.connection.peer)).ok()?;
        Some(Place { authority, path: target.path(), query: target.query() })
    }
}
