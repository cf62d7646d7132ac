//! Everything that a user can see: tokens of real providers, and the program itself through its sockets.

mod api;
mod bearer;
mod client;
mod gateway;
mod idp;
mod isolation;
mod issuer;
mod keys;
mod metadata;
mod routing;
mod rules;
