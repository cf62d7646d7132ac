//! Everything that a user can see: tokens of real providers, and the program itself through its sockets.

mod api;
mod bearer;
mod browser;
mod chromium;
mod client;
mod cors;
mod demo;
mod forwarding;
mod gateway;
mod http2;
mod idp;
mod isolation;
mod issuer;
mod issuing;
mod keys;
mod load;
mod logs;
mod metadata;
mod oidc_provider;
mod outage;
mod reload;
mod routing;
mod rules;
mod upstreams;
