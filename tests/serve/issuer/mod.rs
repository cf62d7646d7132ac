//! The issuer's endpoints, asked by sockets.

mod authentication;
mod codes;
mod documents;
mod granted;
mod pages;
mod pushed;
mod record;
mod refresh_tokens;
mod refusals;
mod tokens;
mod transport;
mod world;
