//! The issuer's endpoints, asked by sockets.

mod authentication;
mod authorize;
mod codes;
mod documents;
mod forgeries;
mod granted;
mod grants;
mod moods;
mod pages;
mod provider;
mod pushed;
mod pushed_walk;
mod record;
mod refresh_tokens;
mod refusals;
mod tokens;
mod transport;
mod visitor;
mod walk;
mod world;
