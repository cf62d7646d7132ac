//! The issuer's endpoints, asked by sockets.

mod authentication;
mod documents;
mod record;
mod refusals;
mod tokens;
mod transport;
mod visitor;
mod walk;
mod world;
