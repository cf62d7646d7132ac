//! Narrowgate: an audience-isolating API gateway.
//!
//! > The URL you call is the audience you need. A token opens exactly one API.
//!
//! ARCHITECTURE.md draws the floors; imports run down them only.

mod alarm;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fetch;
pub mod guard;
pub mod issuer;
pub mod oauth;
mod randomness;
pub mod route;
pub mod secret;
pub mod serve;
pub mod snapshot;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod upstream;
