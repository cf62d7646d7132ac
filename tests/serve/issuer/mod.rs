//! The issuer's endpoints, asked by sockets.

mod authentication;
mod authorize;
mod documents;
mod forgeries;
mod grants;
mod record;
mod refusals;
mod tokens;
mod transport;
mod visitor;
mod walk;
mod world;
