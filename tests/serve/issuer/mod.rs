//! The issuer's endpoints, asked by sockets.

mod authentication;
mod documents;
mod provider;
mod record;
mod refusals;
mod tokens;
mod transport;
mod world;
