//! What the operator means: [`Config`], complete and consistent, or all the faults of the file at once.
//!
//! The rooms: [`yaml`] reads text into a tree that knows its places, [`read`] takes keys out of that tree, a file for
//! each section of the configuration turns them into the types below, and [`fault`] tells what is wrong, where, and
//! what to do about it. Nothing here opens a socket; files that the configuration names are read here, once.

pub mod fault;
mod model;

pub use model::*;
