//! Everything that a user can see: tokens of real providers, and the program itself through its sockets.

mod idp;
mod keys;
