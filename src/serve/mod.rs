//! The sockets. Nothing here decides: it asks the guard, does what the guard said, and writes it down.
//!
//! From the wire inward: [`listen`] accepts on `terms`, `door` counts, [`tls`] decrypts, `wire` collects what is written,
//! `watched` keeps time until a request has arrived, `http1` waits for the next one, and `proxy` hands Pingora's phases to the
//! rooms that know them: `framing` judges where the message ends, `request` asks the guard, `relay` takes what has no body the
//! short way, `forward` writes the upstream's request (its `origin` too, its `fields` edited as one map), `response` cleans the
//! answer, `retry` tries again, `failure` tells what went wrong.
//! `exchange` is what they share. [`admin`] is for operators, on a socket of its
//! own; `issuer` has the endpoints of our own authorization server, on the gate's; [`minting`] is where tokens of ours are signed.

pub mod admin;
mod answer;
mod connection;
mod door;
mod ending;
mod exchange;
mod failure;
mod fields;
mod forward;
mod framing;
mod http1;
mod identifier;
mod issuer;
pub mod listen;
pub mod minting;
mod narrowing;
mod origin;
mod proxy;
mod relay;
mod request;
mod request_line;
mod response;
mod retry;
mod terms;
pub mod tls;
mod watched;
mod websocket;
mod wire;

pub use listen::{BindError, Bound, Listening, Serving};
pub use narrowing::NarrowedTokens;
pub use proxy::Gateway;
pub use terms::{Offers, Prepared};
