//! The sockets. Nothing here decides: it asks the guard, does what the guard said, and writes it down.

pub mod connection;
pub mod door;
pub mod tls;
pub mod watched;
