//! Everything that a user can see: tokens of real providers, and the program itself through its sockets.

mod api;
mod client;
mod gateway;
mod idp;
mod isolation;
mod issuer;
mod keys;
