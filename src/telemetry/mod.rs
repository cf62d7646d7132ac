//! What is recorded: counters for machines, lines for people. Only the fronts record; decisions return values.
//!
//! A label comes from the configuration or from a closed enum, never from a request. A line never holds a token, a
//! secret or a query string.

pub mod audit;
mod by_resource;
mod issued;
mod line_pipe;
pub mod log;
pub mod metrics;

pub use metrics::Metrics;
